//! The one road from Stripe to the table. The webhook, session-status, reconcile and the operator's commands all take it,
//! so that a rule about order, owners or trials is said once.
//!
//! - [`event`]: what each type of event changes.
//! - [`mirrored`]: an object that the table mirrors, and how to read it again.
//! - [`rule`]: the write rule as pure decisions.
//! - [`settle`]: the write rule at work: which of two views of an object is the later, and what to do when nobody can tell.
//! - [`owner`]: whose a customer is, and moving what was parked before that was known.
//! - [`reconcile`]: finding and mending what no webhook brought.
//! - [`story`]: the log lines an operator's tools look for.

pub mod event;
mod mirrored;
mod owner;
pub mod reconcile;
pub mod rule;
mod settle;
mod story;
mod trial;

pub use event::receive;
pub use owner::{Linked, link};

use crate::books::Books;
use crate::domain::UserId;
use crate::store::{AsOf, Outcome, StoreError};
use crate::stripe::{OwnedSubscription, Snapshot, StripeError};
use mirrored::Mirrored;
use settle::{Home, Task, settle};

/// Why something could not be brought from Stripe to the table. Asking again later may succeed, except after `Object`.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error(transparent)]
    Store(StoreError),
    #[error("{doing}: {source}")]
    Stripe { doing: String, source: StripeError },
    /// Others kept changing the record while we tried.
    #[error("{object} kept changing while it was being written")]
    Contended { object: String },
    /// The object is not what Stripe documents; sending it again unchanged cannot help.
    #[error("{object}: {problem}")]
    Object { object: String, problem: String },
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> SyncError {
        match error {
            StoreError::Contended { .. } => SyncError::Contended { object: "records".to_owned() },
            other => SyncError::Store(other),
        }
    }
}

/// Writes a subscription that was read from Stripe. `user` is who is known to own its customer, when the caller knows.
pub async fn observe_subscription(
    books: &Books,
    seen: &Snapshot<OwnedSubscription>,
    user: Option<&UserId>,
) -> Result<Outcome, SyncError> {
    let owned = &seen.value;
    let task = Task {
        home: Home::Of {
            customer: owned.subscription.customer.clone(),
            claimed_by: user.or(owned.user.as_ref()).cloned(),
        },
        mirrored: Mirrored::Subscription(Box::new(owned.subscription.clone())),
        as_of: AsOf::read(seen.seen_from, seen.seen_until),
        card: owned.card.clone(),
        event: None,
    };
    Ok(settle(books, task).await?.outcome)
}
