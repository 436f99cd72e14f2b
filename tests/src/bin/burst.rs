//! `cargo run -p tests --bin burst [-- --rate 50000 …]`: Stripe's burst against the limits of AWS, in a model.

use clap::Parser;
use tests::burst::{Burst, play};

/// Plays a burst of webhooks and shows when the last one is in.
#[derive(Parser)]
struct Arguments {
    /// Webhooks a second
    #[arg(long, value_delimiter = ',', default_values_t = [10.0, 1_000.0, 50_000.0])]
    rate: Vec<f64>,
    /// For so long
    #[arg(long, default_value_t = 60)]
    seconds: usize,
    /// Environments the function may have: the account's quota of concurrency, or what is reserved
    #[arg(long, default_value_t = 1_000.0)]
    environments: f64,
    /// Write units a second that the table takes
    #[arg(long, default_value_t = 40_000.0)]
    table_writes: f64,
    /// Write units of one event
    #[arg(long, default_value_t = 10.0)]
    writes_per_event: f64,
    /// Of a warm request, waiting included
    #[arg(long, default_value_t = 15.0)]
    request_ms: f64,
    /// Shows how many wait after each retry
    #[arg(long)]
    backlog: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let mut text = String::from(
        "| webhooks/s | for s | events | refused tries | first by | most waiting | all in after | given up |\n|--:|--:|--:|--:|---|--:|--:|--:|\n",
    );
    for events_per_second in arguments.rate {
        let outcome = play(&Burst {
            events_per_second,
            seconds: arguments.seconds,
            most_environments: arguments.environments,
            table_writes_per_second: arguments.table_writes,
            writes_per_event: arguments.writes_per_event,
            request_ms: arguments.request_ms,
            ..Burst::default()
        });
        let limit = outcome.first_limit.map_or("–".to_owned(), |limit| format!("{limit:?}"));
        text.push_str(&format!(
            "| {events_per_second:.0} | {} | {:.0} | {:.0} | {limit} | {:.0} | {} | {:.0} |\n",
            arguments.seconds,
            outcome.events,
            outcome.refused,
            outcome.most_waiting,
            time(outcome.drained_after_seconds),
            outcome.given_up,
        ));
        if arguments.backlog {
            let mut last = f64::INFINITY;
            for (second, waiting) in &outcome.waiting {
                // A line for each half that is left.
                if *waiting < last / 2.0 {
                    text.push_str(&format!("  after {}: {waiting:.0} waiting\n", time(*second)));
                    last = *waiting;
                }
            }
        }
    }
    show(&text);
}

fn time(seconds: usize) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours} h {minutes} min") } else { format!("{minutes} min {seconds} s") }
}

#[expect(clippy::print_stdout, reason = "the figures are this command's output")]
fn show(text: &str) {
    println!("{text}");
}
