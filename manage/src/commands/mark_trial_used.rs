//! `mark-trial-used`: the operator's word that a user has had the one trial.

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use shared::books::Books;
use shared::domain::{TrialClaim, UserId};
use shared::store::Store;
use shared::sync;

use super::user_id;
use crate::Context;
use crate::confirm::Answer;
use crate::done::Done;

#[derive(Args, Debug)]
#[command(after_help = "Example: manage mark-trial-used --local --user 42")]
pub struct Arguments {
    /// The user, as tokens name them
    #[arg(long, value_name = "ID", value_parser = user_id)]
    pub user: UserId,
}

/// What is on record of the trial afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marked {
    Now(Timestamp),
    /// It was spent before; nothing was changed.
    Before(Timestamp),
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let (printer, user) = (&context.printer, &arguments.user);
    let marked = match first_trial_at(&context.target.store()?, user).await? {
        Some(at) => Marked::Before(at),
        None => {
            let plan = [format!("The trial of user {user} will be marked as used. That cannot be taken back.")];
            if context.consent.ask(printer, context.target.mode, &plan).await? == Answer::Leave {
                return Ok(Done::SomethingLeft);
            }
            mark(&context.target.core.books(context.target.mode)?, user).await?
        }
    };
    let (at, is_new) = match marked {
        Marked::Now(at) => (at, true),
        Marked::Before(at) => (at, false),
    };
    let line = match is_new {
        true => format!("✅ Trial of user {user} marked as used"),
        false => format!("Trial of user {user} was used at {at}; nothing was changed"),
    };
    printer.answer(&json!({ "user_id": user, "first_trial_at": at, "is_new": is_new }), [line]);
    Ok(Done::Everything)
}

async fn first_trial_at(store: &Store, user: &UserId) -> Result<Option<Timestamp>> {
    Ok(store.read_account(user).await?.first_trial_at())
}

/// Spends the user's trial now, unless it is spent.
pub async fn mark(books: &Books, user: &UserId) -> Result<Marked> {
    if let Some(at) = first_trial_at(books.store(), user).await? {
        return Ok(Marked::Before(at));
    }
    let at = books.clock().business_now();
    match sync::mark_trial_used(books, user, at).await? {
        None => Ok(Marked::Now(at)),
        Some(TrialClaim { first_trial_at, .. }) => Ok(Marked::Before(first_trial_at)),
    }
}
