//! The record of what became of an event.

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use serde::Deserialize;

use super::StoreError;
use super::change::{number, second, text, update};
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
}

/// An event's record as it was found when a write was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEvent {
    pub outcome: Option<Outcome>,
    pub delivery: Option<String>,
}

pub(super) fn write(mode: Mode, table: &str, record: &EventRecord) -> Result<TransactWriteItem, StoreError> {
    let mut values = vec![
        (":type", text(&record.event_type)),
        (":created", second(record.created_at)),
        (":received", second(record.received_at)),
        (":expires", number(record.received_at.as_second().saturating_add(KEEP_SECONDS))),
        (":outcome", text(record.outcome.as_str())),
        (":delivery", text(&record.delivery)),
        (":one", number(1)),
        (":failed", text(Outcome::Failed.as_str())),
    ];
    let mut sets =
        "SET event_type = :type, created_at = :created, received_at = if_not_exists(received_at, :received), \
                    finished_at = :received, expires_at = :expires, outcome = :outcome, delivery = :delivery"
            .to_owned();
    let mut removes = String::new();
    match &record.object {
        Some(object) => {
            values.push((":object", text(object)));
            sets.push_str(", object_id = :object");
        }
        None => removes.push_str(", object_id"),
    }
    match &record.error {
        // DynamoDB items are at most 400 KB; a message needs a line.
        Some(error) => {
            values.push((":error", text(&error.chars().take(500).collect::<String>())));
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
    }
    let item: Item = serde_dynamo::from_item(attributes.clone()).map_err(|error| error.to_string())?;
    Ok(KnownEvent { outcome: item.outcome.as_deref().and_then(Outcome::parse), delivery: item.delivery })
}
