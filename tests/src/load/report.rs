//! The figures, as a table for people or one JSON object for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::measure::{Run, median};
use super::plan::Measured;

impl Measured {
    /// The middle of the runs.
    pub fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().map(of).collect())
    }

    /// How far apart the runs are, as a part of their middle.
    fn spread(&self, of: impl Fn(&Run) -> f64) -> f64 {
        let values = self.runs.iter().map(&of);
        let (least, most) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max));
        let middle = self.median(of);
        if middle > 0.0 { (most - least) / middle } else { 0.0 }
    }

    fn errors(&self) -> usize {
        self.runs.iter().map(|run| run.errors).sum()
    }

    fn as_json(&self) -> Value {
        let rounded = |of: fn(&Run) -> f64| (self.median(of) * 1_000.0).round() / 1_000.0;
        json!({
            "name": self.row.name(),
            "concurrency": self.concurrency,
            "rps": rounded(|run| run.rps),
            "p50_ms": rounded(|run| run.p50_ms),
            "p95_ms": rounded(|run| run.p95_ms),
            "p99_ms": rounded(|run| run.p99_ms),
            "cpu_ms_per_request": rounded(|run| run.cpu_ms_per_request),
            "dynamodb_round_trips": rounded(|run| run.dynamodb_round_trips),
            "stripe_calls": rounded(|run| run.stripe_calls),
            "errors": self.errors(),
            "rss_mb": rounded(|run| run.rss_mb),
        })
    }
}

/// `{"machine": …, "rows": […]}`.
pub fn json(machine: &Value, measured: &[Measured]) -> Value {
    json!({ "machine": machine, "rows": measured.iter().map(Measured::as_json).collect::<Vec<_>>() })
}

/// A table in Markdown. `±` is how far the runs are apart.
pub fn table(measured: &[Measured]) -> String {
    let mut text = String::from(
        "| row | at a time | requests/s | p50 ms | p95 ms | p99 ms | CPU ms | × fewer | DynamoDB | Stripe | errors | RSS MB |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for one in measured {
        let cpu = one.median(|run| run.cpu_ms_per_request);
        let fewer = one.row.before_ms().map_or(String::new(), |before| format!("{:.0}", before / cpu));
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} ±{:.0} % | {:.2} | {:.2} | {:.2} | {cpu:.3} ±{:.0} % | {fewer} | {:.2} | {:.2} | {} | {:.1} |",
            one.row.name(),
            one.concurrency,
            one.median(|run| run.rps),
            one.spread(|run| run.rps) * 50.0,
            one.median(|run| run.p50_ms),
            one.median(|run| run.p95_ms),
            one.median(|run| run.p99_ms),
            one.spread(|run| run.cpu_ms_per_request) * 50.0,
            one.median(|run| run.dynamodb_round_trips),
            one.median(|run| run.stripe_calls),
            one.errors(),
            one.median(|run| run.rss_mb),
        );
    }
    text
}

/// A table in Markdown: what a request costs with so many users in the table.
pub fn curve(curve: &[(usize, Measured)]) -> String {
    let mut text = String::from("| row | users | CPU ms | p50 ms | DynamoDB | errors |\n|---|--:|--:|--:|--:|--:|\n");
    for (users, one) in curve {
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "| {} | {users} | {:.3} ±{:.0} % | {:.2} | {:.2} | {} |",
            one.row.name(),
            one.median(|run| run.cpu_ms_per_request),
            one.spread(|run| run.cpu_ms_per_request) * 50.0,
            one.median(|run| run.p50_ms),
            one.median(|run| run.dynamodb_round_trips),
            one.errors(),
        );
    }
    text
}
