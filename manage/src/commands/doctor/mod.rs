//! `doctor`: whether a mode of this deployment works, asked of each part itself: ✓ it does, ✗ it does not and what mends
//! it, – it was not asked and why.
//!
//! - [`check`]: one answer, and how it is printed.
//! - [`secrets`], [`stripe`], [`aws`], [`probes`], [`data`]: the sections.

pub mod aws;
pub mod check;
pub mod data;
pub mod probes;
pub mod secrets;
pub mod stripe;

use anyhow::Result;
use clap::Args;
use shared::books::Auditor;
use shared::boot::Core;
use shared::domain::{Currency, Mode, PriceId};

pub use check::{Check, Findings, Section, Verdict};

use crate::Context;
use crate::done::Done;
use crate::printer::Printer;
use crate::target::{Place, Target};

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Examples:\n  manage doctor --local\n  manage doctor --stack prod --live --only stripe\n  \
                        manage doctor --stack prod --expect-currency BRL --expect-amount-minor 4990")]
pub struct Arguments {
    /// Only these sections
    #[arg(long, value_name = "SECTION", value_enum)]
    pub only: Vec<Section>,

    /// The currency the default price must have
    #[arg(long, value_name = "CODE", value_parser = currency)]
    pub expect_currency: Option<Currency>,

    /// The amount the default price must have, in the currency's smallest unit
    #[arg(long, value_name = "N")]
    pub expect_amount_minor: Option<i64>,
}

fn currency(text: &str) -> Result<Currency, String> {
    Currency::parse(text).ok_or_else(|| "a currency is three letters".to_owned())
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let patient = Patient::of(&context.target, context.target.mode);
    let checks = examine(&patient, &arguments, &context.printer).await;
    print(&context.printer, &checks);
    Ok(Done::unless(has_bad(&checks)))
}

pub fn has_bad(checks: &[Check]) -> bool {
    checks.iter().any(|check| check.verdict == Verdict::Bad)
}

/// Every section that was asked for, one after the other; a part that cannot be reached is a ✗ and the rest go on.
pub async fn examine(patient: &Patient<'_>, arguments: &Arguments, printer: &Printer) -> Vec<Check> {
    let mut checks = Vec::new();
    for section in Section::ALL {
        if !arguments.only.is_empty() && !arguments.only.contains(&section) {
            continue;
        }
        printer.say(&format!("Looking at {} …", section.title()));
        let mut findings = Findings::of(section);
        match section {
            Section::Secrets => secrets::look(patient, &mut findings).await,
            Section::Stripe => stripe::look(patient, arguments, &mut findings).await,
            Section::Aws => aws::look(patient, &mut findings).await,
            Section::Probes => probes::look(patient, &mut findings).await,
            Section::Data => data::look(patient, &mut findings).await,
        }
        checks.extend(findings.checks);
    }
    checks
}

pub fn print(printer: &Printer, checks: &[Check]) {
    for section in Section::ALL {
        let of_section: Vec<&Check> = checks.iter().filter(|check| check.section == section).collect();
        if of_section.is_empty() {
            continue;
        }
        printer.line(section.title());
        for check in of_section {
            printer.answer(check, check.lines());
        }
    }
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (good, bad, skipped) = (count(Verdict::Good), count(Verdict::Bad), count(Verdict::NotAsked));
    printer.say(&format!("{good} ✓  {bad} ✗  {skipped} –"));
}

/// What is examined: one mode of a deployment.
pub struct Patient<'a> {
    pub target: &'a Target,
    pub mode: Mode,
    /// The mode in which the functions serve callers; the webhook serves both at all times.
    pub served: Mode,
    /// The default price of the mode; nothing where it is not known.
    pub default_price: Option<PriceId>,
}

impl<'a> Patient<'a> {
    /// As the deployment is set up now.
    pub fn of(target: &'a Target, mode: Mode) -> Patient<'a> {
        let config = &target.core.config;
        // A stack has a price for each mode; elsewhere the one price is of the mode the functions serve.
        let is_known = config.mode == mode || matches!(target.place, Place::Stack { .. }) && target.mode == mode;
        let default_price = config.default_price.clone().filter(|_| is_known);
        Patient { target, mode, served: config.mode, default_price }
    }

    pub fn core(&self) -> &Core {
        &self.target.core
    }

    /// The mode's records and Stripe, once its secret is known to be good.
    ///
    /// # Errors
    /// When the secret cannot be read or used.
    pub async fn auditor(&self) -> Result<Auditor> {
        self.core().secrets.get(self.mode).await?;
        Ok(self.core().hasty_auditor(self.mode)?)
    }

    pub fn serves_mode(&self) -> bool {
        self.served == self.mode
    }

    /// A command that reaches the same place and mode.
    pub fn command(&self, rest: &str) -> String {
        let live = if self.mode.is_live() { " --live" } else { "" };
        format!("manage{}{live} {rest}", self.target.place.options())
    }
}
