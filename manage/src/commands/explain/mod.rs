//! `explain`: why somebody has, or has not, access now. The records, the rule that decided, what Stripe says at this
//! moment, the events that led here, and what mends a difference.
//!
//! - [`subject`]: whom an id, an e-mail address or a customer names.
//! - [`rule`]: the decision in words.
//! - [`differences`]: where Stripe and the records disagree.
//! - [`timeline`]: Stripe's events about them and what became of each.

mod differences;
mod rule;
mod subject;
mod timeline;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use shared::books::Auditor;
use shared::domain::access::decide;
use shared::domain::{Access, Account, CustomerId, Denial, Policy, Subscription, UserId};

pub use differences::Difference;
pub use subject::Subject;
pub use timeline::Moment;

use crate::Context;
use crate::done::Done;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  manage explain --local 42\n  manage explain --stack prod --live user@example.com\n  \
                        manage explain --stack prod --live cus_NffrFeUfNV2Hib"
)]
pub struct Arguments {
    /// A user id as tokens carry it, an e-mail address, or a Stripe customer
    #[arg(value_name = "USER|EMAIL|cus_…")]
    pub who: String,
}

/// Everything that bears on one person's access.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Nothing when a customer was named whom nobody owns.
    pub user_id: Option<UserId>,
    pub has_access: bool,
    /// The refusal's code, as the gate answers it.
    pub refused_with: Option<&'static str>,
    /// Why, one sentence for each thing that counted.
    pub because: Vec<String>,
    pub records: Vec<String>,
    pub stripe: Vec<String>,
    pub differences: Vec<Difference>,
    pub timeline: Vec<Moment>,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let auditor = context.target.auditor().await?;
    let mut subjects = Subject::find(&auditor, &arguments.who).await?;
    if subjects.is_empty() {
        subjects.extend(Subject::find_at_stripe(&auditor, &arguments.who).await?);
    }
    if subjects.is_empty() {
        let say = |text: &str| context.printer.problem(text);
        say(&format!("Nobody of that name is on record in {} mode.", context.target.mode));
        say("A user of yours of whom nothing is on record has not subscribed: the gate answers CHECKOUT_REQUIRED.");
        say(&format!("If Stripe knows them, bring them with: {}", context.target.command("sync-stripe")));
        return Ok(Done::SomethingLeft);
    }
    let mut is_something_left = false;
    for subject in subjects {
        let explanation = explain(&auditor, context.target.core.config.policy, &subject).await?;
        is_something_left |= !explanation.differences.is_empty();
        context.printer.answer(&explanation, explanation.lines(&|rest| context.target.command(rest)));
    }
    Ok(Done::unless(is_something_left))
}

/// Reads the records and Stripe, and decides as the gate does.
pub async fn explain(auditor: &Auditor, policy: Policy, subject: &Subject) -> Result<Explanation> {
    let now = auditor.books().clock().business_now();
    let account = &subject.account;
    let access = decide(account, policy, now);
    let at_stripe = differences::at_stripe(auditor, subject).await?;
    let timeline = timeline::of(auditor, subject).await?;
    let mut differences = differences::between(auditor, subject, &at_stripe).await?;
    differences.extend(timeline.iter().filter_map(Moment::difference));
    let mut because = rule::reasons(account, policy, now);
    if subject.user.is_none() {
        because = vec!["Nobody owns this customer, so no user has access by it.".to_owned()];
    }
    Ok(Explanation {
        user_id: subject.user.clone(),
        has_access: access.is_granted() && subject.user.is_some(),
        refused_with: refused_with(&access),
        because,
        records: records(subject),
        stripe: at_stripe.iter().map(differences::AtStripe::line).collect(),
        differences,
        timeline,
    })
}

fn refused_with(access: &Access) -> Option<&'static str> {
    match access {
        Access::Granted { .. } => None,
        Access::Denied(Denial::CheckoutRequired) => Some("CHECKOUT_REQUIRED"),
        Access::Denied(Denial::TrialUsed) => Some("TRIAL_USED"),
        Access::Denied(Denial::SubscriptionRequired) => Some("SUBSCRIPTION_REQUIRED"),
    }
}

fn records(subject: &Subject) -> Vec<String> {
    let account: &Account = &subject.account;
    let mut lines: Vec<String> = subject.customers.iter().map(|customer| customer_line(account, customer)).collect();
    lines.extend(account.subscriptions.iter().map(subscription_line));
    lines.push(match (account.first_trial_at(), &account.trial) {
        (None, _) => "The trial is still to be had.".to_owned(),
        (Some(at), Some(claim)) if claim.subscription.is_none() => {
            format!("The trial was marked as used by an operator, at {at}.")
        }
        (Some(at), _) => format!("The trial was used, from {at}."),
    });
    lines
}

fn customer_line(account: &Account, customer: &CustomerId) -> String {
    match account.is_customer_deleted(customer) {
        true => format!("{customer}, deleted at Stripe"),
        false => format!("{customer}"),
    }
}

fn subscription_line(subscription: &Subscription) -> String {
    let price = subscription.price_money().map(|money| format!(", {money}")).unwrap_or_default();
    let until = subscription.period_end_at().map(|end| format!(", period until {end}")).unwrap_or_default();
    let ends = if subscription.will_cancel() { ", will not be renewed" } else { "" };
    format!("{}: {}{price}{until}{ends}", subscription.id, subscription.status.as_str())
}

impl Explanation {
    fn lines(&self, command: &dyn Fn(&str) -> String) -> Vec<String> {
        let who = self.user_id.as_ref().map_or("A customer without a user".to_owned(), |user| format!("User {user}"));
        let verdict = match (self.has_access, self.refused_with) {
            (true, _) => "has access.".to_owned(),
            (false, Some(code)) => format!("has no access ({code})."),
            (false, None) => "has no access.".to_owned(),
        };
        let mut lines = vec![format!("{who} {verdict}")];
        lines.extend(self.because.iter().map(|reason| format!("  {reason}")));
        let mut section = |title: &str, of_section: Vec<String>| {
            if !of_section.is_empty() {
                lines.push(title.to_owned());
                lines.extend(of_section.into_iter().map(|line| format!("  {line}")));
            }
        };
        section("On record", self.records.clone());
        section("Stripe says now", self.stripe.clone());
        section("Events", self.timeline.iter().map(Moment::line).collect());
        let differences = self.differences.iter().flat_map(|difference| {
            [format!("✗ {}", difference.what), format!("    mend  {}", command(&difference.mend))]
        });
        section("What differs", differences.collect());
        lines
    }
}
