//! The one road from Stripe to the table. The webhook, session-status, reconcile and the operator's commands all take it,
//! so that a rule about order, owners or trials is said once.
//!
//! - [`event`]: what each type of event changes.
//! - [`observe`]: writing what was read from Stripe.
//! - [`forget`]: removing records of what Stripe no longer has.
//! - [`mirrored`]: an object that the table mirrors, and how to read it again.
//! - [`rule`]: the write rule as pure decisions.
//! - [`settle`]: the write rule at work: which of two views of an object is the later, and what to do when nobody can tell.
//! - [`owner`]: whose a customer is, and moving what was parked before that was known.
//! - [`reconcile`]: finding and mending what no webhook brought.
//! - [`story`]: the log lines an operator's tools look for.

pub mod event;
pub mod forget;
mod mirrored;
mod observe;
mod owner;
pub mod reconcile;
pub mod rule;
mod settle;
mod story;
mod trial;

pub use event::{receive, reopen};
pub use observe::{observe_customer, observe_endpoint, observe_price, observe_product, observe_subscription};
pub use owner::{Linked, link, make_own_customer};
pub use trial::mark_trial_used;

use crate::store::StoreError;
use crate::stripe::StripeError;

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
