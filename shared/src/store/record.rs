//! How current a record is: the stamp that decides which of two views of one object is the later.

use jiff::Timestamp;

/// Between which instants of Stripe's clock a record was true, and what told us.
///
/// For an event both instants are its `created`. For a read they are the bounds of [`crate::stripe::Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsOf {
    pub from: Timestamp,
    pub until: Timestamp,
    /// The event's id, or `read` for what was fetched.
    pub source: String,
}

impl AsOf {
    pub fn event(created_at: Timestamp, event: &str) -> AsOf {
        AsOf { from: created_at, until: created_at, source: event.to_owned() }
    }

    pub fn read(from: Timestamp, until: Timestamp) -> AsOf {
        AsOf { from, until, source: "read".to_owned() }
    }
}

/// A record with its stamp. `version` grows with every write and never goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    pub value: T,
    pub as_of: AsOf,
    pub version: u64,
}

/// What must hold of the stored record for a write to land.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The stored view is older than ours, and not a final one that we would take back.
    Newer,
    /// The record is as it was when we looked: absent, or of that version.
    Unchanged(Option<u64>),
}
