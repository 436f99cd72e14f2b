//! `import-djstripe URL`: the records of the deployment before, read from its PostgreSQL and written here. The source is
//! read in one read-only transaction. Both layouts of dj-stripe are understood: columns (2.9) and `stripe_data` (2.11).
//!
//! - [`source`]: the old tables, user by user.
//! - [`shape`]: an old row as Stripe would have sent the object, so that the one reader of Stripe's objects reads it.
//! - [`write`]: bringing a user's objects to the table.
//! - [`compare`]: what the old records decide against what the new ones do.

mod compare;
mod shape;
mod source;
mod write;

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use shared::books::Books;
use shared::domain::Policy;

pub use compare::{Decision, Verdict};
pub use shape::{OldCustomer, OldUser};
pub use source::Source;

use crate::Context;
use crate::confirm::Answer;
use crate::done::Done;
use crate::printer::Printer;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  manage import-djstripe --stack prod --dry-run postgresql://reader@db.example.com/app\n  \
                        PGPASSWORD=… manage import-djstripe --stack prod --live --yes postgresql://reader@db.example.com/app"
)]
pub struct Arguments {
    /// The old database; its password is better left to PGPASSWORD, for arguments are seen by every process
    #[arg(value_name = "URL")]
    pub url: String,

    /// Write nothing; compare what the records would decide
    #[arg(long)]
    pub dry_run: bool,

    /// The table of users [default: the one that djstripe_customer refers to]
    #[arg(long, value_name = "TABLE")]
    pub users_table: Option<String>,
}

/// What came of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub users: u64,
    pub customers_without_user: u64,
    pub subscriptions: u64,
    pub differences: u64,
    pub failed: u64,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let (mode, printer) = (context.target.mode, &context.printer);
    let source = Source::connect(&arguments.url, arguments.users_table.as_deref(), mode).await?;
    let books = context.target.core.books(mode)?;
    if !arguments.dry_run {
        let plan = [format!(
            "Users, customers, subscriptions, cards and trials of {mode} mode are read from the old database and written to \
             the records. What is newer here stays. The old database is not changed."
        )];
        if context.consent.ask(printer, mode, &plan).await? == Answer::Leave {
            return Ok(Done::SomethingLeft);
        }
    }
    let import =
        Import { books: &books, policy: context.target.core.config.policy, is_dry: arguments.dry_run, printer };
    let summary = import.run(source).await?;
    printer.say(&format!(
        "{} users, {} subscriptions, {} customers without a user: {} differences, {} failed.",
        summary.users, summary.subscriptions, summary.customers_without_user, summary.differences, summary.failed
    ));
    if !arguments.dry_run {
        printer.say(&format!("Bring what changed at Stripe since with: {}", context.target.command("sync-stripe")));
    }
    Ok(Done::unless(summary.differences > 0 || summary.failed > 0))
}

/// One run over the old database.
pub struct Import<'a> {
    pub books: &'a Books,
    pub policy: Policy,
    pub is_dry: bool,
    pub printer: &'a Printer,
}

impl Import<'_> {
    /// User by user; one that cannot be read or written is told and the rest go on.
    pub async fn run(&self, source: Source) -> Result<Summary> {
        let mut summary = Summary::default();
        let progress = self.printer.progress("users", None);
        let mut people = source.people().await?;
        while let Some(row) = people.next().await? {
            progress.step(1);
            match shape::user(&row) {
                Ok(old) => self.user(&old, &mut summary).await?,
                Err(problem) => self.failed(&shape::name_of(&row), &problem, &mut summary),
            }
        }
        drop(progress);
        let mut orphans = people.then_customers().await?;
        while let Some(row) = orphans.next().await? {
            summary.customers_without_user += 1;
            match shape::customer(&row) {
                Ok(customer) => {
                    summary.subscriptions += customer.subscriptions.len() as u64;
                    if !self.is_dry
                        && let Err(error) = write::customer(self.books, None, &customer).await
                    {
                        self.failed(customer.seen.id.as_str(), &format!("{error:#}"), &mut summary);
                    }
                }
                Err(problem) => self.failed(&shape::name_of(&row), &problem, &mut summary),
            }
        }
        orphans.finish().await?;
        Ok(summary)
    }

    async fn user(&self, old: &OldUser, summary: &mut Summary) -> Result<()> {
        summary.users += 1;
        summary.subscriptions += old.customers.iter().map(|customer| customer.subscriptions.len() as u64).sum::<u64>();
        let account = match self.is_dry {
            true => compare::would_be(old),
            false => match write::user(self.books, old).await {
                Ok(()) => self.books.store().read_account(&old.user).await?,
                Err(error) => {
                    self.failed(old.user.as_str(), &format!("{error:#}"), summary);
                    return Ok(());
                }
            },
        };
        let now: Timestamp = self.books.clock().business_now();
        let verdict = compare::verdict(old, &account, self.policy, now);
        summary.differences += u64::from(!verdict.differences.is_empty());
        self.printer.answer(&verdict, verdict.lines());
        Ok(())
    }

    fn failed(&self, name: &str, problem: &str, summary: &mut Summary) {
        summary.failed += 1;
        self.printer.answer(&json!({ "user_id": name, "failed": problem }), [format!("  ✗ {name}: {problem}")]);
    }
}
