//! `cargo run --release -p tests --bin soak`: a town of users, a year of simulated time, everything failing now and then.
//!
//! Progress on stderr, the figure on stdout, exit 1 when a user's record differs from Stripe's or a rule was broken.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tests::soak::{self, Plan, Report};

/// Lets users live through simulated time with faults on, and compares their records with Stripe's.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 200)]
    users: usize,
    /// Simulated days.
    #[arg(long, default_value_t = 365)]
    days: i64,
    /// Decides what the users do.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Minutes of real time to fit the simulated time into.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Keeps what the records said after each step, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let plan = Plan {
        users: arguments.users,
        days: arguments.days,
        seed: arguments.seed,
        budget: Duration::from_secs(arguments.minutes * 60),
        history: arguments.history,
    };
    let report = soak::run(&plan, |line| eprintln!("{line}")).await?;
    show(&report);
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the result is this command's output")]
fn show(report: &Report) {
    println!("{} of {} users equal", report.equal, report.users);
    println!("{} subscriptions, {} trials", report.subscriptions, report.trials);
    println!("{} steps, {} changes in the history", report.steps, report.history_entries);
    println!("{} events healed, {} records repaired", report.events_healed, report.drift_repaired);
    println!("{} times without a finished reconcile", report.unfinished);
    for complaint in &report.complaints {
        println!("{complaint}");
    }
}
