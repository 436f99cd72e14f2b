//! `report`: trials, conversion, churn and monthly recurring revenue, by month and by where users came from. From the
//! records alone: Stripe is not asked.
//!
//! - [`figures`]: what is counted, of one account after the other.
//! - [`table`], [`html`]: how it is shown.

pub mod figures;
pub mod html;
mod scale;
mod table;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use jiff::Timestamp;
use shared::store::{Scanned, Store};

pub use figures::{Figures, Report};

use crate::Context;
use crate::done::Done;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  manage report --stack prod --live\n  manage report --stack prod --live --html report.html"
)]
pub struct Arguments {
    /// Write a page with charts to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// How many months, this one included
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=120))]
    pub months: u16,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let printer = &context.printer;
    let now = context.target.core.clock.business_now();
    let progress = printer.progress("users", None);
    let report = count(&context.target.store()?, now, arguments.months, |users| progress.step(users)).await?;
    drop(progress);
    if let Some(file) = &arguments.html {
        let page = html::page(&report, context.target.mode);
        std::fs::write(file, page).with_context(|| format!("write {}", file.display()))?;
        printer.say(&format!("Written: {}", file.display()));
    }
    printer.answer(&report, table::lines(&report));
    Ok(Done::Everything)
}

/// Goes through every user; what is kept in memory is the counts.
pub async fn count(store: &Store, now: Timestamp, months: u16, step: impl Fn(u64)) -> Result<Report> {
    let mut figures = Figures::until(now, months);
    let mut scan = store.scan();
    while let Some(partitions) = scan.next().await? {
        step(partitions.len() as u64);
        for scanned in &partitions {
            if let Scanned::User { account, .. } = scanned {
                figures.add(account);
            }
        }
    }
    Ok(figures.report())
}
