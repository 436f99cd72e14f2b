//! `rollback`: the functions serve test mode again. Nothing of live mode is touched.

use anyhow::Result;
use clap::Args;
use serde_json::json;
use shared::domain::Mode;
use shared::store::Fingerprint;

use super::doctor::probes;
use super::flip;
use crate::Context;
use crate::confirm::Answer;
use crate::done::Done;
use crate::printer::Printer;
use crate::target::Target;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  manage rollback --stack prod --check\n  manage rollback --stack prod --live --yes"
)]
pub struct Arguments {
    /// Prove before and after that no live record changed
    #[arg(long)]
    pub check: bool,
}

const STAYS: [&str; 4] = [
    "The live webhook endpoint stays at Stripe, enabled.",
    "Live webhooks are still accepted and stored: going live again has lost no event.",
    "Every live record stays as it is.",
    "Subscribers at Stripe are still charged; callers see test mode until you go live again.",
];

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let printer = &context.printer;
    if served(&context.target).await == Mode::Test {
        printer.answer(
            &json!({ "served": "test", "changed": false }),
            ["The functions serve test mode already.".to_owned()],
        );
        return Ok(Done::Everything);
    }
    let plan: Vec<String> = ["The functions will serve test mode.".to_owned()]
        .into_iter()
        .chain(STAYS.map(|line| format!("  {line}")))
        .collect();
    if context.consent.ask(printer, Mode::Live, &plan).await? == Answer::Leave {
        return Ok(Done::SomethingLeft);
    }
    roll_back(&context.target, printer, arguments.check).await
}

/// The mode the functions say they serve, or, where they cannot be asked, the one they were deployed with: an API that is
/// down is no reason not to go back.
pub async fn served(target: &Target) -> Mode {
    let said = match &target.api_url {
        Some(api) => probes::served_mode(&target.core, api).await.ok().flatten(),
        None => None,
    };
    said.unwrap_or(target.core.config.mode)
}

/// Flips, and with `is_checked` compares every live record before and after.
pub async fn roll_back(target: &Target, printer: &Printer, is_checked: bool) -> Result<Done> {
    let live = target.core.store(Mode::Live)?;
    let before = if is_checked { Some(live.fingerprint().await?) } else { None };
    if let Some(before) = &before {
        printer.say(&format!("Live records before: {}", described(before)));
    }
    flip::serve(target, printer, Mode::Test, None).await?;
    printer.line("✅ The functions serve test mode");
    let (differences, accepted) = match &before {
        None => (Vec::new(), None),
        Some(before) => {
            let after = live.fingerprint().await?;
            printer.say(&format!("Live records after:  {}", described(&after)));
            (before.differences(&after), live_webhook_accepts(target).await?)
        }
    };
    for line in STAYS {
        printer.line(&format!("  {line}"));
    }
    printer.json(&json!({
        "served": "test", "changed": true, "live_records": before.as_ref().map(Fingerprint::count),
        "live_records_changed": differences, "live_webhook_accepts": accepted,
    }));
    if before.is_some() && differences.is_empty() {
        printer.line("✅ No live record changed");
    }
    if !differences.is_empty() {
        printer.problem(&format!(
            "Live records of these kinds changed meanwhile: {}. A live webhook that came in between does that; \
             manage events --live shows it.",
            differences.join(", ")
        ));
    }
    match accepted {
        Some(true) => printer.line("✅ The live webhook still accepts what Stripe signs"),
        Some(false) => {
            printer.problem("The live webhook does not accept what Stripe signs: manage doctor --live says why.")
        }
        None => {}
    }
    Ok(Done::unless(!differences.is_empty() || accepted == Some(false)))
}

fn described(fingerprint: &Fingerprint) -> String {
    let counts: Vec<String> = fingerprint.counts().map(|(kind, count)| format!("{count} {kind}")).collect();
    format!("{} ({})", fingerprint.short(), counts.join(", "))
}

/// Nothing where there is no URL or no endpoint to ask about.
async fn live_webhook_accepts(target: &Target) -> Result<Option<bool>> {
    let secrets = target.core.secrets.get(Mode::Live).await?;
    let (Some(base), Some(signing)) = (&target.webhook_url, secrets.webhook_signing_secrets.first()) else {
        return Ok(None);
    };
    let (status, outcome) = probes::signed_probe(&target.core, base, Mode::Live, signing).await?;
    Ok(Some(status.is_success() && outcome == "ignored"))
}
