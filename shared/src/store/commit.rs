//! Sending changes together: all land, or none does and each refusal says what stood in the way.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsInput};
use aws_sdk_dynamodb::types::CancellationReason;

use super::change::Change;
use super::event::{self, KnownEvent};
use super::items::{self, Attributes, OwnerItem, TrialItem};
use super::record::{AsOf, Stored};
use super::{Store, StoreError};
use crate::causes::causes;
use crate::domain::{EventId, Status, TrialClaim, UserId};
use crate::tally::{Count, count};

/// What became of changes that were sent together.
#[derive(Debug)]
pub enum Commit {
    /// All of them are durable.
    Landed,
    /// None of them is; one entry per change whose condition did not hold, by its place in the request.
    Refused(Vec<Refusal>),
}

/// The stored item that stood in the way of a change; nothing stored means the condition wanted something.
#[derive(Debug)]
pub struct Refusal {
    pub index: usize,
    stored: Option<Attributes>,
}

/// Who owns a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    pub user: Option<UserId>,
    /// Objects parked before the customer had its owner are still to be moved.
    pub is_join_pending: bool,
}

/// How current a stored object is, and whether it is in an end state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub as_of: AsOf,
    pub version: u64,
    /// The stored view may not be taken back: an ended subscription, a detached card, a deleted object.
    pub is_final: bool,
}

impl Refusal {
    /// For a mirrored object: how current the stored view is; nothing when there is none.
    pub fn standing(&self) -> Result<Option<Standing>, StoreError> {
        let Some(attributes) = &self.stored else { return Ok(None) };
        let Stored { as_of, version, .. } = items::stored(attributes, ()).map_err(unreadable)?;
        let is_set = |flag: &str| attributes.get(flag).and_then(|value| value.as_bool().ok()).is_some_and(|set| *set);
        let has_final_status = attributes
            .get("status")
            .and_then(|value| value.as_s().ok())
            .is_some_and(|status| Status::from(status.clone()).is_final());
        let is_final = has_final_status || is_set("is_detached") || is_set("is_deleted");
        Ok(Some(Standing { as_of, version, is_final }))
    }

    pub fn owner(&self) -> Result<Owner, StoreError> {
        owner(self.stored.as_ref())
    }

    /// The claim that a user's trial is spent; nothing when there is none.
    pub fn trial(&self) -> Result<Option<TrialClaim>, StoreError> {
        let Some(attributes) = &self.stored else { return Ok(None) };
        let item: TrialItem =
            serde_dynamo::from_item(attributes.clone()).map_err(|error| unreadable(error.to_string()))?;
        TrialClaim::try_from(item).map(Some).map_err(unreadable)
    }

    pub fn event(&self) -> Result<Option<KnownEvent>, StoreError> {
        self.stored.as_ref().map(event::known).transpose().map_err(unreadable)
    }
}

pub(super) fn owner(attributes: Option<&Attributes>) -> Result<Owner, StoreError> {
    let Some(attributes) = attributes else { return Ok(Owner::default()) };
    let item: OwnerItem = serde_dynamo::from_item(attributes.clone()).map_err(|error| unreadable(error.to_string()))?;
    Ok(Owner { user: item.user_id, is_join_pending: item.join_pending.unwrap_or(false) })
}

fn unreadable(detail: String) -> StoreError {
    StoreError::Unreadable { doing: "read a refused record".to_owned(), detail }
}

/// Tries of one transaction that meets others on the same items. They last milliseconds, so a few short waits suffice;
/// beyond that the caller answers 503 and Stripe comes back.
const CONFLICT_TRIES: u32 = 6;

impl Store {
    /// Sends the changes as one transaction. At most 100 changes, no two of one item.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError> {
        let event = changes.iter().find_map(Change::event).cloned();
        let writes = changes
            .into_iter()
            .map(|change| change.into_write(self.mode, &self.table_name))
            .collect::<Result<Vec<_>, _>>()?;
        for attempt in 1.. {
            count(Count::DynamodbCalls);
            let transaction = || TransactWriteItemsInput::builder().set_transact_items(Some(writes.clone()));
            let sent = self.dynamodb.transact_write_items(transaction).await;
            let error = match sent {
                Ok(_) => return Ok(Commit::Landed),
                Err(error) => error,
            };
            let reasons = cancellation_reasons(&error);
            if let Some(refusals) = refusals(reasons) {
                return Ok(Commit::Refused(refusals));
            }
            let is_conflict = !reasons.is_empty() && reasons.iter().all(|reason| is_passing(reason.code()));
            if !is_conflict {
                return Err(StoreError::Unavailable { doing: "write records".to_owned(), detail: causes(&error) });
            }
            if attempt >= CONFLICT_TRIES {
                count(Count::ConflictsGivenUp);
                return Err(StoreError::Contended { doing: "write records".to_owned() });
            }
            tell_conflict(event.as_ref());
            tokio::time::sleep(jittered(attempt)).await;
        }
        unreachable!("the loop ends by returning")
    }
}

/// The sentence operators search for; only events are retried by anybody but the caller.
fn tell_conflict(event: Option<&EventId>) {
    if let Some(event) = event {
        tracing::warn!(%event, "Write conflict while processing webhook event {event}. Retrying.");
    }
}

fn cancellation_reasons(error: &SdkError<TransactWriteItemsError>) -> &[CancellationReason] {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => canceled.cancellation_reasons(),
        _ => &[],
    }
}

/// The conditions that did not hold, when that and nothing worse is why the transaction was cancelled.
fn refusals(reasons: &[CancellationReason]) -> Option<Vec<Refusal>> {
    let refused: Vec<Refusal> = reasons
        .iter()
        .enumerate()
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(index, reason)| Refusal { index, stored: reason.item().filter(|item| !item.is_empty()).cloned() })
        .collect();
    (!refused.is_empty()).then_some(refused)
}

fn is_passing(code: Option<&str>) -> bool {
    matches!(code, None | Some("None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"))
}

/// Full jitter: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.
pub(super) fn jittered(attempt: u32) -> Duration {
    let ceiling_ms = 20_u64 << attempt.min(5);
    Duration::from_millis(fastrand::u64(1..=ceiling_ms))
}
