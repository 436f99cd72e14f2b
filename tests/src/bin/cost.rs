//! `cargo run --release -p tests --bin cost [-- --write README.md]`: dollars for a million of each request.
//!
//! Calls, read and write units and CPU are measured here and now; prices and what is assumed of waiting are in
//! `docs/prices.json`. The table goes to stdout, or between its two marks in a file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde_json::Value;
use tests::load::environment::Program;
use tests::load::measure::{self, Pool, Run};
use tests::load::row::Row;
use tests::load::scene::Scene;
use tests::load::serve_function;
use tests::load::services::{self, Services};
use tests::meter::{Charged, Meter};

/// Measures what each request is charged and says what a million of them cost.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Puts the table between the marks of this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// What this program starts itself as.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Services,
    #[command(hide = true)]
    Function { name: String },
}

const REQUESTS: usize = 60;
const WARM_UP: usize = 60;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(Part::Function { name }) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.context("start a runtime")?.block_on(serve_function(name))
        }
        Some(Part::Services) => many_threads()?.block_on(services::serve()),
        None => many_threads()?.block_on(cost(arguments.write.as_deref())),
    }
}

fn many_threads() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start a runtime")
}

async fn cost(write: Option<&Path>) -> Result<()> {
    let prices = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/prices.json");
    let prices = std::fs::read_to_string(&prices).with_context(|| format!("read {}", prices.display()))?;
    let prices = Prices(serde_json::from_str(&prices).context("understand the prices")?);
    let mut text = prices.head();
    for (row, run, charged) in measured().await? {
        text.push_str(&prices.line(row, &run, &charged)?);
    }
    match write {
        Some(file) => put_between_marks(file, &text),
        None => {
            show(&text);
            Ok(())
        }
    }
}

/// Every row's requests, one by one, with what DynamoDB charges for one of them.
async fn measured() -> Result<Vec<(Row, Run, Charged)>> {
    let program = Program::Itself(std::env::current_exe().context("find this program")?);
    let mut services = Services::start()?;
    let dynamodb = services.variables.get("AWS_ENDPOINT_URL_DYNAMODB").context("where is DynamoDB?")?;
    let meter = Meter::before(dynamodb).await?;
    services.variables.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), meter.url.clone());
    let mut scene = Scene::new(&mut services)?;
    let mut webhook = Pool::new("webhook", &program).await?;
    webhook.grow_to(1, &services)?;
    measure::prepare(&webhook, Row::WebhookCreated, scene.beginnings()?, 1).await?;
    let mut rows = Vec::new();
    for row in Row::ALL {
        let mut pool = Pool::new(row.function(), &program).await?;
        pool.grow_to(1, &services)?;
        measure::run(&pool, &mut services, &mut scene, row, 1, WARM_UP).await?;
        let before = scene.before(row, REQUESTS)?;
        measure::prepare(&pool, row, before, 1).await?;
        let requests = scene.requests(&mut services, row, REQUESTS)?;
        meter.take();
        let run = measure::run_of(&pool, &mut services, row, 1, requests).await?;
        rows.push((row, run, meter.take()));
    }
    Ok(rows)
}

struct Prices(Value);

impl Prices {
    fn of(&self, pointer: &str) -> Result<f64> {
        self.0.pointer(pointer).and_then(Value::as_f64).with_context(|| format!("docs/prices.json has no {pointer}"))
    }

    fn head(&self) -> String {
        let text = |name: &str| self.0[name].as_str().unwrap_or_default().to_owned();
        format!(
            "Dollars for a million requests, at AWS's list prices of {} in {}, without the free tier.\n\n\
             | a million of | Lambda | HTTP API | DynamoDB | sum | each: DynamoDB round trips, write units, read units, Stripe calls, billed ms |\n\
             |---|--:|--:|--:|--:|---|\n",
            text("as_of"),
            text("region"),
        )
    }

    /// Lambda bills from the request to the answer: CPU at the function's share of a core, and waiting.
    fn line(&self, row: Row, run: &Run, charged: &Charged) -> Result<String> {
        let requests = f64::from(u32::try_from(REQUESTS)?);
        let memory_mb = if row == Row::Config { 128.0 } else { 256.0 };
        let share = memory_mb / self.of("/assumed/memory_mb_of_one_core")?;
        let waiting = run.dynamodb_round_trips * self.of("/assumed/dynamodb_round_trip_ms")?
            + run.stripe_calls * self.of("/assumed/stripe_call_ms")?;
        let billed_ms = (run.cpu_ms_per_request / share + waiting).ceil();
        let gigabyte_seconds = memory_mb / 1_024.0 * billed_ms / 1_000.0;
        let lambda = self.of("/lambda_request")? + gigabyte_seconds * self.of("/lambda_gigabyte_second_arm64")?;
        let is_on_function_url = row.function() == "webhook";
        let http_api = if is_on_function_url { 0.0 } else { self.of("/http_api_request")? };
        let (writes, reads) = (charged.write_units / requests, charged.read_units / requests);
        let dynamodb = writes * self.of("/dynamodb_write_unit")? + reads * self.of("/dynamodb_read_unit")?;
        let of_million = |one: f64| if one > 0.0 { format!("{:.2}", one * 1e6) } else { "–".to_owned() };
        Ok(format!(
            "| `{}` | {} | {} | {} | {} | {:.1}, {writes:.1}, {reads:.1}, {:.1}, {billed_ms:.0} |\n",
            row.name(),
            of_million(lambda),
            of_million(http_api),
            of_million(dynamodb),
            of_million(lambda + http_api + dynamodb),
            run.dynamodb_round_trips,
            run.stripe_calls,
        ))
    }
}

const BEGIN: &str = "<!-- written by cargo run --release -p tests --bin cost -- --write README.md -->";
const END: &str = "<!-- end of what is written -->";

fn put_between_marks(file: &Path, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let (before, rest) = text.split_once(BEGIN).context("the file has no mark where the table begins")?;
    let (_, after) = rest.split_once(END).context("the file has no mark where the table ends")?;
    let text = format!("{before}{BEGIN}\n\n{table}\n{END}{after}");
    std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

#[expect(clippy::print_stdout, reason = "the table is this command's output")]
fn show(text: &str) {
    println!("{text}");
}
