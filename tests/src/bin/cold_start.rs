//! `cargo run --release -p tests --bin cold_start [-- --json]`: how the built functions start.
//!
//! `.ci/lambda` builds them into `target/lambda`. Each is started behind a Runtime API on loopback, alone, with a whole
//! core and with the shares of a core that Lambda's sizes have; everything it talks to is another process.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use tests::load::environment::Program;
use tests::load::row::Row;
use tests::load::scene::Scene;
use tests::load::services::{self, Services};
use tests::load::start::{self, Cgroup, Share};
use tests::load::{machine, measure};

/// Measures from exec to ready and to the first answer, memory and sizes.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[arg(long)]
    json: bool,
    /// A folder per function with its bootstrap
    #[arg(long, default_value = "target/lambda")]
    bootstraps: PathBuf,
    /// Starts of each
    #[arg(long, default_value_t = 11)]
    times: usize,
    /// Sizes in MB whose share of a core is tried
    #[arg(long, value_delimiter = ',', default_values_t = [128, 256, 512, 1024])]
    memory: Vec<u32>,
}

/// What this program starts itself as.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Services,
}

/// The functions with a request each that makes them reach all they reach.
const STARTED: [(&str, Row); 5] = [
    ("config", Row::Config),
    ("status", Row::Status),
    ("gate", Row::GateAllowed),
    ("webhook", Row::WebhookUpdated),
    ("checkout", Row::Checkout),
];

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Part::Services) = arguments.part {
        return services::serve().await;
    }
    let folder = arguments.bootstraps.canonicalize().context("find the built functions: .ci/lambda builds them")?;
    let program = Program::Bootstraps(folder.clone());
    let mut services = Services::start()?;
    let mut scene = Scene::new(&mut services)?;
    let mut pool = measure::Pool::new("webhook", &program).await?;
    pool.grow_to(1, &services)?;
    measure::prepare(&pool, Row::WebhookCreated, scene.beginnings()?, 1).await?;
    drop(pool);

    let machine = machine::describe();
    let mut rows = Vec::new();
    for (function, row) in STARTED {
        let bootstrap = folder.join(function).join("bootstrap");
        let size = |path: PathBuf| std::fs::metadata(path).map(|found| found.len()).ok();
        let (bytes, zipped) = (size(bootstrap.clone()), size(bootstrap.with_extension("zip")));
        let shares = std::iter::once(Share::WholeCore).chain(arguments.memory.iter().copied().map(Share::OfMemory));
        for share in shares {
            let cgroup = match share {
                Share::WholeCore => None,
                Share::OfMemory(memory) => match Cgroup::new(memory) {
                    Ok(cgroup) => Some(cgroup),
                    Err(error) => {
                        eprintln!("{memory} MB is left out: {error:#}");
                        continue;
                    }
                },
            };
            let requests = scene.requests(&mut services, row, arguments.times + 1)?;
            let starts = start::measure(&program, function, &services, requests, cgroup.as_ref()).await?;
            let memory = match share {
                Share::WholeCore => Value::Null,
                Share::OfMemory(memory) => json!(memory),
            };
            eprintln!("{function} {memory}: {starts:?}");
            rows.push(json!({
                "function": function, "memory_mb": memory,
                "ready_ms": starts.middle.ready_ms, "first_reply_ms": starts.middle.answered_ms,
                "slowest_first_reply_ms": starts.slowest_answer_ms, "cpu_ms": starts.middle.cpu_ms,
                "rss_mb": starts.middle.rss_mb, "bootstrap_bytes": bytes, "zip_bytes": zipped,
            }));
        }
    }
    show(&if arguments.json {
        json!({ "machine": machine, "rows": rows }).to_string()
    } else {
        table(&machine, &rows)
    });
    Ok(())
}

fn table(machine: &Value, rows: &[Value]) -> String {
    let mut text = format!(
        "{machine}\n\n| function | share of a core | ready ms | first reply ms | slowest | CPU ms | RSS MB | bootstrap MB | zipped MB |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|\n"
    );
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    for row in rows {
        let share = row["memory_mb"].as_u64().map_or("whole".to_owned(), |memory| format!("of {memory} MB"));
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "| {} | {share} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} |",
            row["function"].as_str().unwrap_or_default(),
            number(&row["ready_ms"]),
            number(&row["first_reply_ms"]),
            number(&row["slowest_first_reply_ms"]),
            number(&row["cpu_ms"]),
            number(&row["rss_mb"]),
            number(&row["bootstrap_bytes"]) / 1e6,
            number(&row["zip_bytes"]) / 1e6,
        );
    }
    text
}

#[expect(clippy::print_stdout, reason = "the figures are this command's output")]
fn show(text: &str) {
    println!("{text}");
}
