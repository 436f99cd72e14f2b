//! `cargo run --release -p tests --bin load [-- --json]`: what each request costs under load.
//!
//! Progress on stderr, the table or the JSON on stdout, exit 1 when a request was not answered as it should be. The
//! functions run as processes of this same program behind a Runtime API; `--bootstraps` runs the built ones instead.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tests::load::environment::Program;
use tests::load::plan::{self, Plan};
use tests::load::row::Row;
use tests::load::{machine, report, serve_function, services};

/// Measures requests a second, latencies, CPU and calls of each kind of request.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// One JSON object in place of the table
    #[arg(long)]
    json: bool,
    /// Only these rows, such as webhook-updated,status; empty-function and bare-sockets are what no function goes below
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Requests at a time
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32, 128])]
    concurrency: Vec<usize>,
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Of each run
    #[arg(long, default_value_t = 1_000)]
    milliseconds: u64,
    /// The built functions, a folder each with its bootstrap
    #[arg(long, value_name = "FOLDER")]
    bootstraps: Option<PathBuf>,
    /// Shows instead how the cost of a request grows with the users in the table, such as 100,1000,10000,100000
    #[arg(long, value_delimiter = ',', value_name = "USERS")]
    users: Vec<usize>,
}

/// What this program starts itself as.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Services,
    #[command(hide = true)]
    Function { name: String },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match &arguments.part {
        // As the functions' own main does.
        Some(Part::Function { name }) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.context("start a runtime")?.block_on(serve_function(name))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Part::Services) => {
            many_threads()?.block_on(services::serve())?;
            Ok(ExitCode::SUCCESS)
        }
        None => many_threads()?.block_on(load(arguments)),
    }
}

fn many_threads() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start a runtime")
}

async fn load(arguments: Arguments) -> Result<ExitCode> {
    let program = match arguments.bootstraps {
        Some(folder) => Program::Bootstraps(folder.canonicalize().context("find the built functions")?),
        None => Program::Itself(std::env::current_exe().context("find this program")?),
    };
    let is_named = |row: &Row| arguments.only.iter().any(|name| name == row.name());
    let is_wanted = |row: &Row| arguments.only.is_empty() || is_named(row);
    let plan = Plan {
        program,
        rows: Row::ALL.into_iter().filter(is_wanted).chain(Row::FLOORS.into_iter().filter(is_named)).collect(),
        concurrencies: arguments.concurrency,
        runs: arguments.runs,
        run_for: Duration::from_millis(arguments.milliseconds),
    };
    let mut machine = machine::describe();
    if !arguments.users.is_empty() {
        let curve = plan::grow(&plan, &arguments.users, |line| eprintln!("{line}")).await?;
        show(&format!("{machine}\n\n{}", report::curve(&curve)));
        return Ok(ExitCode::SUCCESS);
    }
    let measured = plan::measure(&plan, |line| eprintln!("{line}")).await?;
    machine["load_average_after"] = machine::load_average().into();
    show(&if arguments.json {
        report::json(&machine, &measured).to_string()
    } else {
        format!("{machine}\n\n{}", report::table(&measured))
    });
    let errors: usize = measured.iter().flat_map(|one| &one.runs).map(|run| run.errors).sum();
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the figures are this command's output")]
fn show(text: &str) {
    println!("{text}");
}
