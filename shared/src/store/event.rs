//! The record of what became of an event.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::expression::{number, put_item, second, text, update};
use super::items::Attributes;
use super::keys;
use crate::domain::{EventId, Mode};

/// How long an event is remembered: longer than Stripe retries (3 days) and than its event list reaches back (30 days).
const KEEP_SECONDS: i64 = 90 * 86_400;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its effects are durable.
    Applied,
    /// Something newer was known already.
    Stale,
    /// It was dealt with before.
    Duplicate,
    /// It is none of our business.
    Ignored,
    /// Its customer belongs to nobody yet: kept with the customer until somebody owns it.
    Parked,
    /// It could not be dealt with; the record says why.
    Failed,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Stale => "stale",
            Outcome::Duplicate => "duplicate",
            Outcome::Ignored => "ignored",
            Outcome::Parked => "parked",
            Outcome::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<Outcome> {
        [Self::Applied, Self::Stale, Self::Duplicate, Self::Ignored, Self::Parked, Self::Failed]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }
}

/// One delivery's word on an event.
#[derive(Clone, Debug)]
pub struct EventRecord {
    pub event: EventId,
    pub event_type: String,
    pub created_at: Timestamp,
    pub outcome: Outcome,
    /// Of the wall clock.
    pub received_at: Timestamp,
    /// Unique to this delivery: tells a write of ours that landed without our hearing of it from another's.
    pub delivery: String,
    /// The object the event is about, for `inspect`.
    pub object: Option<String>,
    /// Why it failed; ids only.
    pub error: Option<String>,
    /// Sent again unchanged it would fail again: only an operator's replay tries once more.
    pub is_hopeless: bool,
}

impl EventRecord {
    fn expires_at(&self) -> i64 {
        self.received_at.as_second().saturating_add(KEEP_SECONDS)
    }

    /// A message needs a line; DynamoDB items are at most 400 KB.
    fn error_line(&self) -> Option<String> {
        self.error.as_ref().map(|error| error.chars().take(500).collect())
    }
}

/// An event on the list of failed ones. It may have been dealt with since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedEvent {
    pub event: EventId,
    pub event_type: String,
    pub error: Option<String>,
    pub is_hopeless: bool,
}

/// An event's record as it was found when a write was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEvent {
    pub outcome: Option<Outcome>,
    pub delivery: Option<String>,
    pub is_hopeless: bool,
    /// Why it failed, when it did.
    pub error: Option<String>,
    /// How many deliveries have written the record.
    pub attempts: u64,
}

impl KnownEvent {
    /// How a delivery that was refused by this record ended: as on record when it was this very delivery, whose answer
    /// from the table was lost; else as a duplicate.
    pub fn outcome_of(known: Option<KnownEvent>, delivery: Option<&str>) -> Outcome {
        let ours = known.filter(|known| known.delivery.is_some() && known.delivery.as_deref() == delivery);
        ours.and_then(|known| known.outcome).unwrap_or(Outcome::Duplicate)
    }

    /// Nothing is left to do but, perhaps, for an operator.
    pub fn is_closed(&self) -> bool {
        match self.outcome {
            Some(Outcome::Failed) => self.is_hopeless,
            Some(_) => true,
            None => false,
        }
    }
}

pub(super) fn write(mode: Mode, table: &str, record: &EventRecord) -> Result<TransactWriteItem, StoreError> {
    let mut values = vec![
        (":type", text(&record.event_type)),
        (":created", second(record.created_at)),
        (":received", second(record.received_at)),
        (":expires", number(record.expires_at())),
        (":hopeless", AttributeValue::Bool(record.is_hopeless)),
        (":outcome", text(record.outcome.as_str())),
        (":delivery", text(&record.delivery)),
        (":one", number(1)),
        (":failed", text(Outcome::Failed.as_str())),
    ];
    let mut sets =
        "SET event_type = :type, created_at = :created, received_at = if_not_exists(received_at, :received), \
                    finished_at = :received, expires_at = :expires, outcome = :outcome, delivery = :delivery, \
                    is_hopeless = :hopeless"
            .to_owned();
    let mut removes = String::new();
    match &record.object {
        Some(object) => {
            values.push((":object", text(object)));
            sets.push_str(", object_id = :object");
        }
        None => removes.push_str(", object_id"),
    }
    match record.error_line() {
        Some(error) => {
            values.push((":error", text(&error)));
            sets.push_str(", last_error = :error");
        }
        None => removes.push_str(", last_error"),
    }
    let removes = removes.trim_start_matches(", ");
    let remove = if removes.is_empty() { String::new() } else { format!(" REMOVE {removes}") };
    let expression = format!("{sets}{remove} ADD attempts :one");
    let condition = "attribute_not_exists(outcome) OR outcome = :failed";
    update(table, keys::event(mode, &record.event), &expression, Some(condition), &values)
}

pub(super) fn known(attributes: &Attributes) -> Result<KnownEvent, String> {
    #[derive(Deserialize)]
    struct Item {
        outcome: Option<String>,
        delivery: Option<String>,
        #[serde(default)]
        is_hopeless: bool,
        last_error: Option<String>,
        #[serde(default)]
        attempts: u64,
    }
    let item: Item = serde_dynamo::from_item(attributes.clone()).map_err(|error| error.to_string())?;
    Ok(KnownEvent {
        outcome: item.outcome.as_deref().and_then(Outcome::parse),
        delivery: item.delivery,
        is_hopeless: item.is_hopeless,
        error: item.last_error,
        attempts: item.attempts,
    })
}

/// Makes a dealt-with event one that failed, so that it can be received once more; refused when it is not on record.
pub(super) fn reopen(mode: Mode, table: &str, event: &EventId) -> Result<TransactWriteItem, StoreError> {
    let values = [(":failed", text(Outcome::Failed.as_str())), (":hopeless", AttributeValue::Bool(false))];
    let expression = "SET outcome = :failed, is_hopeless = :hopeless";
    update(table, keys::event(mode, event), expression, Some("attribute_exists(pk)"), &values)
}

#[derive(Serialize, Deserialize)]
struct FailedItem {
    event_id: EventId,
    event_type: String,
    last_error: Option<String>,
    is_hopeless: bool,
    expires_at: i64,
}

pub(super) fn list_failed(mode: Mode, table: &str, record: &EventRecord) -> Result<TransactWriteItem, StoreError> {
    let item = FailedItem {
        event_id: record.event.clone(),
        event_type: record.event_type.clone(),
        last_error: record.error_line(),
        is_hopeless: record.is_hopeless,
        expires_at: record.expires_at(),
    };
    put_item(table, keys::failed_event(mode, &record.event), &item, None, &[])
}

pub(super) fn failed(attributes: &Attributes) -> Result<FailedEvent, String> {
    let item: FailedItem = serde_dynamo::from_item(attributes.clone()).map_err(|error| error.to_string())?;
    Ok(FailedEvent {
        event: item.event_id,
        event_type: item.event_type,
        error: item.last_error,
        is_hopeless: item.is_hopeless,
    })
}
