//! The report as one page that needs nothing else: charts are inline SVG, and each has its numbers beside it.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use shared::domain::{Currency, Mode, Money};

use super::Report;
use super::scale::{ceiling, short};
use super::table::{money, percent};

const STYLE: &str = include_str!("report.css");
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 14.0;

/// The whole page.
pub fn page(report: &Report, mode: Mode) -> String {
    let report = &report.since_its_beginning();
    let counted = report.counted_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Subscriptions, " (mode) " mode" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header { h1 { "Subscriptions" } p { (mode) " mode, counted " (counted) " from the records" } }
                    (summary(report))
                    section { h2 { "Monthly recurring revenue" } (revenue(report)) }
                    section { h2 { "Trials" } (trials(report)) }
                    section { h2 { "Conversion and churn" } (rates(report)) }
                    section { h2 { "Where subscribers come from" } (angles(report)) }
                    section { h2 { "Month by month" } (months(report)) }
                }
            }
        }
    }
    .into_string()
}

fn summary(report: &Report) -> Markup {
    html! {
        dl .cards {
            div { dt { "MRR" } dd { (money(&report.mrr)) } }
            div { dt { "Paying" } dd { (report.paying) } }
            div { dt { "Trials running" } dd { (report.active_trials) } }
            div { dt { "Trial conversion" } dd { (percent(report.conversion_percent)) } }
        }
    }
}

/// A number of each month, or none.
struct Series<'a> {
    name: &'a str,
    class: &'static str,
    values: Vec<Option<f64>>,
}

/// The currency with the most revenue is charted; the table has all.
fn main_currency(report: &Report) -> Option<Currency> {
    let amounts = report.months.iter().rev().find(|row| !row.mrr.is_empty()).map(|row| &row.mrr)?;
    amounts.iter().max_by_key(|amount| amount.amount_minor).and_then(|amount| Currency::parse(&amount.currency))
}

fn revenue(report: &Report) -> Markup {
    let Some(currency) = main_currency(report) else { return nothing_yet("Nobody has paid yet.") };
    let of = |amounts: &[super::figures::Amount]| {
        let found = amounts.iter().find(|amount| amount.currency == currency.as_str());
        found.map_or(0.0, |amount| amount.amount_minor as f64)
    };
    let values = report.months.iter().map(|row| Some(of(&row.mrr))).collect();
    let shown = |value: f64| Money { amount_minor: value.round() as i64, currency }.to_string();
    let minor_in_major = 10_f64.powf(f64::from(currency.decimals()));
    let tick = |value: f64| short(value / minor_in_major);
    let series = [Series { name: currency.as_str(), class: "one", values }];
    html! { (legend(&series)) (bars(report, "Monthly recurring revenue", &series, &shown, &tick)) }
}

fn trials(report: &Report) -> Markup {
    if report.trials == 0 {
        return nothing_yet("Nobody has had a trial yet.");
    }
    let started = report.months.iter().map(|row| Some(row.trials_started as f64)).collect();
    let converted = report.months.iter().map(|row| Some(row.converted as f64)).collect();
    let series = [
        Series { name: "started", class: "one", values: started },
        Series { name: "converted, by the month they ended in", class: "two", values: converted },
    ];
    html! { (legend(&series)) (bars(report, "Trials", &series, &short, &short)) }
}

fn rates(report: &Report) -> Markup {
    let series = [
        Series {
            name: "conversion",
            class: "two",
            values: report.months.iter().map(|row| row.conversion_percent).collect(),
        },
        Series { name: "churn", class: "three", values: report.months.iter().map(|row| row.churn_percent).collect() },
    ];
    if series.iter().all(|one| one.values.iter().all(Option::is_none)) {
        return nothing_yet("No trial has ended yet.");
    }
    html! { (legend(&series)) (lines(report, &series)) }
}

fn nothing_yet(sentence: &str) -> Markup {
    html! { p .nothing { (sentence) } }
}

fn legend(series: &[Series<'_>]) -> Markup {
    html! {
        ul .legend { @for one in series { li { span class=(format!("swatch {}", one.class)) {} (one.name) } } }
    }
}

fn across(index: usize, count: usize) -> f64 {
    LEFT + (WIDTH - LEFT) * (index as f64 + 0.5) / count.max(1) as f64
}

fn up(value: f64, top: f64) -> f64 {
    HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / top
}

fn frame(report: &Report, name: &str, top: f64, shown: &dyn Fn(f64) -> String, inside: &Markup) -> Markup {
    let count = report.months.len();
    let every = count.div_ceil(12);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("{name}, month by month")) {
            @for quarter in 0..=4 {
                @let value = top * f64::from(quarter) / 4.0;
                line .grid x1=(LEFT) x2=(WIDTH) y1=(up(value, top)) y2=(up(value, top)) {}
                text .tick x=(LEFT - 8.0) y=(up(value, top) + 4.0) text-anchor="end" { (shown(value)) }
            }
            (inside)
            @for (index, row) in report.months.iter().enumerate() {
                // The newest month is always named; a phone has room for each third name.
                @let from_newest = count - 1 - index;
                @if from_newest.is_multiple_of(every) {
                    text .tick .minor[!from_newest.is_multiple_of(3 * every)] x=(across(index, count)) y=(HEIGHT - 8.0)
                        text-anchor="middle" { (row.month) }
                }
            }
        }
    }
}

/// `shown` is a value in full, `tick` as the axis has it.
fn bars(
    report: &Report,
    name: &str,
    series: &[Series<'_>],
    shown: &dyn Fn(f64) -> String,
    tick: &dyn Fn(f64) -> String,
) -> Markup {
    let top = ceiling(series.iter().flat_map(|one| one.values.iter().flatten().copied()));
    let count = report.months.len();
    let slot = (WIDTH - LEFT) / count.max(1) as f64;
    let width = (slot * 0.7 / series.len() as f64).min(44.0);
    let inside = html! {
        @for (place, one) in series.iter().enumerate() {
            @for (index, value) in one.values.iter().enumerate() {
                @if let Some(value) = value.filter(|value| *value > 0.0) {
                    @let left = across(index, count) + (place as f64 - series.len() as f64 / 2.0) * width;
                    rect class=(one.class) x=(left) y=(up(value, top)) width=(width - 2.0)
                        height=(HEIGHT - BOTTOM - up(value, top)) rx="2" {
                        title { (report.months[index].month) ", " (one.name) ": " (shown(value)) }
                    }
                }
            }
        }
    };
    frame(report, name, top, tick, &inside)
}

fn lines(report: &Report, series: &[Series<'_>]) -> Markup {
    let count = report.months.len();
    let shown = |value: f64| format!("{value:.0} %");
    let inside = html! {
        @for one in series {
            polyline class=(format!("line {}", one.class)) points=(points(&one.values, count)) {}
            @for (index, value) in one.values.iter().enumerate() {
                @if let Some(value) = value {
                    circle class=(one.class) cx=(across(index, count)) cy=(up(*value, 100.0)) r="4" {
                        title { (report.months[index].month) ", " (one.name) ": " (percent(Some(*value))) }
                    }
                }
            }
        }
    };
    frame(report, "Conversion and churn", 100.0, &shown, &inside)
}

/// Months without a value are passed over.
fn points(values: &[Option<f64>], count: usize) -> String {
    let known = values.iter().enumerate().filter_map(|(index, value)| value.map(|value| (index, value)));
    known
        .map(|(index, value)| format!("{:.1},{:.1}", across(index, count), up(value, 100.0)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The ten that bring the most.
fn angles(report: &Report) -> Markup {
    let rows: Vec<_> = report.angles.iter().take(10).collect();
    let most = rows.iter().map(|row| row.users).max().unwrap_or(0).max(1) as f64;
    if rows.is_empty() {
        return nothing_yet("There are no users yet.");
    }
    html! {
        table .angles {
            thead { tr { th { "Acquisition angle" } th { "Users, of whom paying" } th .number { "Conversion" } th .number { "MRR" } } }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { (row.angle) }
                        td {
                            div .track style=(format!("width:{:.1}%", 100.0 * row.users as f64 / most)) {
                                div .fill style=(format!("width:{:.1}%", 100.0 * row.paying as f64 / row.users.max(1) as f64)) {}
                            }
                            span .count { (row.paying) " of " (row.users) }
                        }
                        td .number { (percent(row.conversion_percent)) }
                        td .number { (money(&row.mrr)) }
                    }
                }
            }
        }
    }
}

fn months(report: &Report) -> Markup {
    html! {
        div .wide {
            table .months {
                thead {
                    tr {
                        th { "Month" } th .number { "MRR" } th .number { "Paying" } th .number { "Left" }
                        th .number { "Churn" } th .number { "Trials" } th .number { "Converted" } th .number { "Conversion" }
                    }
                }
                tbody {
                    @for row in report.months.iter().rev() {
                        tr {
                            th scope="row" { (row.month) }
                            td .number { (money(&row.mrr)) } td .number { (row.paying) } td .number { (row.stopped) }
                            td .number { (percent(row.churn_percent)) }
                            td .number { (row.trials_started) } td .number { (row.converted) }
                            td .number { (percent(row.conversion_percent)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_without_a_value_leaves_no_point() {
        assert_eq!(points(&[None, Some(100.0)], 2).split(' ').count(), 1);
    }
}
