//! `fix-customer-links`: customers that nobody owns, and whose they are.
//!
//! `metadata.user_id` decides. Without it an e-mail address does, if it is that of exactly one user: what a token said of
//! the user, never what a customer typed at Stripe. A customer that has a user keeps that user, whatever its address.
//!
//! - [`orphan`]: a customer without a user, as Stripe has it now.
//! - [`survey`]: what the users' records say: who has which address, and whose customer does not serve them.
//! - [`plan`]: what is to be done with each.

mod orphan;
mod plan;
mod survey;

use anyhow::Result;
use clap::Args;
use serde_json::json;
use shared::books::Auditor;
use shared::domain::{CustomerId, UserId};
use shared::sync::{self, Linked};

pub use plan::plan;

use super::sync_stripe;
use crate::Context;
use crate::confirm::Answer;
use crate::done::Done;
use crate::printer::Printer;

#[derive(Args, Debug)]
#[command(after_help = "Example: manage fix-customer-links --local --dry-run")]
pub struct Arguments {
    /// Only customers with this e-mail address
    #[arg(long, value_name = "E")]
    pub email: Option<String>,

    /// Say what would be done and do nothing
    #[arg(long, conflicts_with = "sync_all")]
    pub dry_run: bool,

    /// First bring all customers and subscriptions from Stripe, as sync-stripe does
    #[arg(long)]
    pub sync_all: bool,
}

/// What is to be done with one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// `by` is what names the user: the metadata or the e-mail address.
    Link { customer: CustomerId, user: UserId, by: &'static str },
    /// The user's new checkouts go to another customer from now on.
    Unlink { customer: CustomerId, user: UserId, preferred: CustomerId },
    /// Nothing can be done without a person.
    Orphan { customer: CustomerId, reason: String },
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let auditor = context.target.auditor().await?;
    let printer = &context.printer;
    if arguments.sync_all && sync_stripe::whole_account(&auditor, printer).await? == Done::SomethingLeft {
        return Ok(Done::SomethingLeft);
    }
    let fixes = plan(&auditor, arguments.email.as_deref()).await?;
    let orphans = fixes.iter().filter(|fix| matches!(fix, Fix::Orphan { .. })).count();
    printer.line(&format!("Found {} customer(s) to look at:", fixes.len()));
    let unlinks: Vec<String> =
        fixes.iter().filter(|fix| matches!(fix, Fix::Unlink { .. })).map(|fix| fix.line('-')).collect();
    if !arguments.dry_run && !unlinks.is_empty() {
        let plan: Vec<String> =
            std::iter::once("Customers will be unlinked:".to_owned()).chain(unlinks.iter().cloned()).collect();
        if context.consent.ask(printer, context.target.mode, &plan).await? == Answer::Leave {
            return Ok(Done::SomethingLeft);
        }
    }
    let mut failed = 0;
    for fix in &fixes {
        let is_done = arguments.dry_run || apply(&auditor, fix).await?;
        failed += u64::from(!is_done);
        fix.tell(printer, is_done);
    }
    let linked = fixes.iter().filter(|fix| matches!(fix, Fix::Link { .. })).count();
    let word = if arguments.dry_run { "To be linked" } else { "Linked" };
    printer.line(&format!("{word}: {linked}, unlinked: {}, orphans: {orphans}", unlinks.len()));
    Ok(Done::unless(failed > 0 || orphans > 0 || (arguments.dry_run && !fixes.is_empty())))
}

impl Fix {
    fn line(&self, mark: char) -> String {
        match self {
            Fix::Link { customer, user, by } => format!("  {mark} {customer} → user {user} (by {by})"),
            Fix::Unlink { customer, user, preferred } => {
                format!("  {mark} {customer} is no longer the customer of user {user}: {preferred} is")
            }
            Fix::Orphan { customer, reason } => format!("  – {customer}: {reason}"),
        }
    }

    fn tell(&self, printer: &Printer, is_done: bool) {
        let json = match self {
            Fix::Link { customer, user, by } => {
                json!({ "fix": "link", "customer": customer, "user": user, "by": by, "done": is_done })
            }
            Fix::Unlink { customer, user, preferred } => {
                json!({ "fix": "unlink", "customer": customer, "user": user, "preferred": preferred, "done": is_done })
            }
            Fix::Orphan { customer, reason } => json!({ "fix": "none", "customer": customer, "reason": reason }),
        };
        printer.answer(&json, [self.line(if is_done { '✓' } else { '✗' })]);
    }

    fn customer(&self) -> &CustomerId {
        match self {
            Fix::Link { customer, .. } | Fix::Unlink { customer, .. } | Fix::Orphan { customer, .. } => customer,
        }
    }
}

/// Whether it was done.
async fn apply(auditor: &Auditor, fix: &Fix) -> Result<bool> {
    let books = auditor.books();
    match fix {
        Fix::Link { customer, user, .. } => {
            if let Linked::OwnedBy(_) = Box::pin(sync::link(books, customer, user)).await? {
                return Ok(false);
            }
            let (quiet, _) = Printer::captured(false);
            sync_stripe::sync_subscriptions_of(auditor, &quiet, customer).await
        }
        Fix::Unlink { user, preferred, .. } => {
            if let Linked::OwnedBy(_) = Box::pin(sync::link(books, preferred, user)).await? {
                return Ok(false);
            }
            Box::pin(sync::make_own_customer(books, user, preferred)).await?;
            Ok(true)
        }
        Fix::Orphan { .. } => Ok(true),
    }
}
