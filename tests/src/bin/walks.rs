//! `cargo run --release -p tests --bin walks`: what going through a whole account costs as it grows.
//!
//! `cargo build --release -p manage` builds the program that `sync-stripe` is measured by.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use tests::load::{machine, services, walks};

/// Measures time, CPU, calls and memory of sync-stripe and reconcile.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[arg(long)]
    json: bool,
    /// Sizes of the account
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000])]
    subscriptions: Vec<usize>,
    #[arg(long, default_value = "target/release/manage")]
    manage: PathBuf,
}

/// What this program starts itself as.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Services,
    #[command(hide = true)]
    Reconcile,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        // As the function's own main does.
        Some(Part::Reconcile) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.context("start a runtime")?.block_on(walks::reconcile_here())
        }
        Some(Part::Services) => many_threads()?.block_on(services::serve()),
        None => many_threads()?.block_on(measure(arguments)),
    }
}

fn many_threads() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start a runtime")
}

async fn measure(arguments: Arguments) -> Result<()> {
    let manage = arguments.manage.canonicalize().context("find manage: cargo build --release -p manage builds it")?;
    let machine = machine::describe();
    let mut measured = Vec::new();
    for subscriptions in arguments.subscriptions {
        for walk in walks::measure(&manage, subscriptions).await? {
            eprintln!("{}", walk.line());
            measured.push(walk);
        }
    }
    show(&if arguments.json {
        let rows: Vec<Value> = measured.iter().map(walks::Walk::as_json).collect();
        json!({ "machine": machine, "rows": rows }).to_string()
    } else {
        let lines: String = measured.iter().map(|walk| walk.line() + "\n").collect();
        format!(
            "{machine}\n\n| walk | subscriptions | seconds | CPU ms each | DynamoDB each | Stripe | peak RSS MB |\n\
             |---|--:|--:|--:|--:|--:|--:|\n{lines}"
        )
    });
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are this command's output")]
fn show(text: &str) {
    println!("{text}");
}
