//! `go-live`: from a working test mode to live. The plan is made from what exists, so a run that was stopped is gone on with
//! by running it again; a step that is done is not done twice.
//!
//! - [`plan`]: what is to be done, and what is there already.
//! - [`apply`]: doing it, step by step.

mod apply;
mod plan;

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::json;
use shared::books::Auditor;
use shared::domain::{Mode, PriceId};
use shared::secrets::versions::flaws;

pub use plan::{Plan, Step};

use super::flip;
use crate::Context;
use crate::confirm::Answer;
use crate::done::Done;
use crate::printer::Printer;

#[derive(Args, Debug, Default)]
#[command(after_help = "Examples:\n  manage go-live --stack prod --plan\n  manage go-live --stack prod --live --yes")]
pub struct Arguments {
    /// Only show what would be done
    #[arg(long)]
    pub plan: bool,

    /// The test price that is sold in live mode [default: the stack's default price of test mode]
    #[arg(long, value_name = "price_…", value_parser = price)]
    pub price: Option<PriceId>,

    /// A check of doctor, by its name, whose ✗ is known and does not stop here; may be given several times
    #[arg(long, value_name = "CHECK")]
    pub accept: Vec<String>,
}

fn price(text: &str) -> Result<PriceId, String> {
    PriceId::parse(text).map_err(|error| error.to_string())
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let printer = &context.printer;
    let Some(worlds) = Worlds::open(context).await? else { return Ok(Done::SomethingLeft) };
    let plan = Plan::make(&context.target, &worlds, arguments.price.as_ref()).await?;
    if arguments.plan {
        plan.print(printer);
        return Ok(Done::unless(!plan.is_done()));
    }
    flip::can_serve(&context.target, Mode::Live)?;
    if plan.is_done() {
        printer.line("Everything is in live mode already.");
    } else if context.consent.ask(printer, Mode::Live, &plan.lines()).await? == Answer::Leave {
        return Ok(Done::SomethingLeft);
    }
    apply::apply(&context.target, &worlds, &plan, &arguments.accept, printer).await
}

/// Both of the account's modes, each with a good secret.
pub struct Worlds {
    pub test: Auditor,
    pub live: Auditor,
}

impl Worlds {
    /// Nothing, and it is said what to do, while the live secret is not filled: its values are typed, never passed on.
    async fn open(context: &Context) -> Result<Option<Worlds>> {
        let target = &context.target;
        let fields = target.core.secrets.read_fields(Mode::Live).await?;
        let flaws = flaws(Mode::Live, &fields);
        // A secret without endpoints is good, but one without the field is not: `secrets set` adds it.
        if !flaws.is_empty() {
            for flaw in &flaws {
                context.printer.problem(&format!("✗ live secret: {} {}", flaw.field, flaw.problem));
            }
            let command = format!("manage{} --live secrets set", target.place.options());
            context.printer.problem(&format!("Fill it first: {command}"));
            context.printer.json(&json!({ "step": "secret", "is_done": false, "mend": command }));
            return Ok(None);
        }
        let test = target.auditor_of(Mode::Test).await?;
        let live = target.auditor_of(Mode::Live).await?;
        Ok(Some(Worlds { test, live }))
    }

    pub fn of(test: Auditor, live: Auditor) -> Worlds {
        Worlds { test, live }
    }
}

/// A step of the plan that cannot be taken by a program.
fn left_to_a_person(printer: &Printer, sentence: &str) -> anyhow::Error {
    printer.problem(sentence);
    anyhow!("Go live stopped there. Run it again when that is done: it goes on from there")
}
