//! `check-trial-status`: how many trials there are and how they ended; or one user's.

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::domain::trial::{TrialOutcome, trial_outcome};
use shared::domain::{Account, UserId};
use shared::store::{Scanned, Store};

use super::user_id;
use crate::Context;
use crate::done::Done;

#[derive(Args, Debug)]
#[command(after_help = "Example: manage check-trial-status --local --user 42")]
pub struct Arguments {
    /// The users with this e-mail address
    #[arg(long, value_name = "E", conflicts_with = "user")]
    pub email: Option<String>,

    /// One user
    #[arg(long, value_name = "ID", value_parser = user_id)]
    pub user: Option<UserId>,
}

/// The three parts add up to the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub active: u64,
    pub converted: u64,
    pub expired: u64,
}

impl Report {
    pub fn total(&self) -> u64 {
        self.active + self.converted + self.expired
    }

    fn count(&mut self, outcome: TrialOutcome) {
        match outcome {
            TrialOutcome::Active => self.active += 1,
            TrialOutcome::Converted => self.converted += 1,
            TrialOutcome::Expired => self.expired += 1,
        }
    }
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let store = context.target.store()?;
    let users = match (arguments.user, arguments.email) {
        (Some(user), _) => vec![store.read_account(&user).await?],
        (None, Some(email)) => users_with(&store, &email).await?,
        (None, None) => return total(context, &store).await,
    };
    if users.is_empty() {
        context.printer.problem("No user has that e-mail address.");
        return Ok(Done::SomethingLeft);
    }
    for account in &users {
        context.printer.answer(&detail(account), detail_lines(account));
    }
    Ok(Done::Everything)
}

async fn total(context: &Context, store: &Store) -> Result<Done> {
    let progress = context.printer.progress("users", None);
    let report = report(store, |users| progress.step(users)).await?;
    drop(progress);
    let lines = [
        "Trial Usage Report:".to_owned(),
        format!("- Total users with trials: {}", report.total()),
        format!("- Active trials: {}", report.active),
        format!("- Converted trials: {}", report.converted),
        format!("- Expired trials: {}", report.expired),
    ];
    let json = json!({
        "total": report.total(), "active": report.active, "converted": report.converted, "expired": report.expired,
    });
    context.printer.answer(&json, lines);
    Ok(Done::Everything)
}

/// Counts the trials of all users; `seen` hears how many users each page held.
pub async fn report(store: &Store, seen: impl Fn(u64)) -> Result<Report> {
    let mut report = Report::default();
    let mut scan = store.scan();
    while let Some(partitions) = scan.next().await? {
        let users: Vec<Account> = partitions.into_iter().filter_map(account).collect();
        users.iter().filter_map(trial_outcome).for_each(|outcome| report.count(outcome));
        seen(users.len() as u64);
    }
    Ok(report)
}

fn account(partition: Scanned) -> Option<Account> {
    match partition {
        Scanned::User { account, .. } => Some(*account),
        Scanned::Customer { .. } | Scanned::Catalogue { .. } => None,
    }
}

/// Users whose token or customer has the e-mail address.
async fn users_with(store: &Store, email: &str) -> Result<Vec<Account>> {
    let wanted = email.trim().to_lowercase();
    let mut found = Vec::new();
    let mut scan = store.scan();
    while let Some(partitions) = scan.next().await? {
        found.extend(partitions.into_iter().filter_map(account).filter(|account| has_email(account, &wanted)));
    }
    Ok(found)
}

fn has_email(account: &Account, wanted: &str) -> bool {
    let of_token = account.customer.iter().filter_map(|customer| customer.email.as_deref());
    let of_customers = account.mirrors.iter().filter_map(|mirror| mirror.email.as_deref());
    of_token.chain(of_customers).any(|email| email.trim().to_lowercase() == wanted)
}

fn outcome_word(account: &Account) -> &'static str {
    match trial_outcome(account) {
        None => "none",
        Some(TrialOutcome::Active) => "active",
        Some(TrialOutcome::Converted) => "converted",
        Some(TrialOutcome::Expired) => "expired",
    }
}

fn detail(account: &Account) -> Value {
    let shown = account.shown_subscription();
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    json!({
        "user_id": account.user,
        "has_used_trial": account.has_used_trial(),
        "first_trial_at": text(account.first_trial_at()),
        "trial": outcome_word(account),
        "trial_subscription_id": account.trial.as_ref().and_then(|trial| trial.subscription.as_ref()),
        "subscription_id": shown.map(|subscription| &subscription.id),
        "subscription_status": shown.map(|subscription| subscription.status.as_str()),
        "trial_end": text(shown.and_then(|subscription| subscription.trial_end_at)),
    })
}

fn detail_lines(account: &Account) -> Vec<String> {
    let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
    let shown = account.shown_subscription();
    vec![
        format!("Trial of user {}:", account.user),
        format!("- Has used trial: {}", if account.has_used_trial() { "yes" } else { "no" }),
        format!("- First trial at: {}", time(account.first_trial_at())),
        format!("- Trial: {}", outcome_word(account)),
        match shown {
            Some(subscription) => format!("- Subscription: {} ({})", subscription.id, subscription.status.as_str()),
            None => "- Subscription: none".to_owned(),
        },
        format!("- Trial ends at: {}", time(shown.and_then(|subscription| subscription.trial_end_at))),
    ]
}
