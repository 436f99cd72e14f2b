//! The report for a terminal.

use comfy_table::{CellAlignment, Table, presets};

use super::Report;
use super::figures::Amount;

pub(super) fn lines(report: &Report) -> Vec<String> {
    let report = &report.since_its_beginning();
    let summary = format!(
        "{} trials: {} running, {} converted, {} expired ({} conversion). {} paying, {} a month.",
        report.trials,
        report.active_trials,
        report.converted_trials,
        report.expired_trials,
        percent(report.conversion_percent),
        report.paying,
        money(&report.mrr)
    );
    let months = report.months.iter().map(|row| {
        [
            row.month.clone(),
            row.trials_started.to_string(),
            row.converted.to_string(),
            percent(row.conversion_percent),
            row.paying.to_string(),
            row.stopped.to_string(),
            percent(row.churn_percent),
            money(&row.mrr),
        ]
    });
    let angles = report.angles.iter().map(|row| {
        [
            row.angle.clone(),
            row.users.to_string(),
            row.trials.to_string(),
            row.converted.to_string(),
            percent(row.conversion_percent),
            row.paying.to_string(),
            money(&row.mrr),
        ]
    });
    let by_month = table(["month", "trials", "converted", "conversion", "paying", "left", "churn", "MRR"], months);
    let by_angle = table(["acquisition angle", "users", "trials", "converted", "conversion", "paying", "MRR"], angles);
    [summary, String::new(), by_month, String::new(), by_angle].into_iter().collect()
}

fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

pub(super) fn percent(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.1} %"))
}

pub(super) fn money(amounts: &[Amount]) -> String {
    let shown: Vec<String> = amounts.iter().filter_map(Amount::money).map(|money| money.to_string()).collect();
    if shown.is_empty() { "–".to_owned() } else { shown.join(" + ") }
}
