//! DynamoDB, and only DynamoDB: the keys, the items, the reads and the conditional writes.
//!
//! What the writes mean is decided in `sync`; here is only what is kept where and under which condition it may change.

mod change;
mod commit;
mod direct;
mod event;
mod expression;
mod items;
mod keys;
mod progress;
mod read;
mod record;
mod scan;
mod table;
mod write;

use std::sync::Arc;

pub use change::Change;
pub use commit::{Commit, Owner, Refusal, Standing};
pub use direct::DynamoDb;
pub use event::{EventRecord, FailedEvent, KnownEvent, Outcome};
pub use keys::Partition;
pub use progress::Progress;
pub use read::Parked;
pub use record::{AsOf, Guard, Stored};
pub use scan::{Scan, Scanned};
pub use table::{Fingerprint, TableState};

use crate::domain::Mode;

/// One mode's view of the table: every key it can form starts with its mode.
#[derive(Clone)]
pub struct Store {
    dynamodb: Arc<DynamoDb>,
    table_name: String,
    mode: Mode,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The table cannot be read or written now; asking again later may succeed.
    #[error("{doing}: {detail}")]
    Unavailable { doing: String, detail: String },
    /// Others kept changing the same records; asking again later may succeed.
    #[error("{doing}: others keep changing the same records")]
    Contended { doing: String },
    /// A record is not what this version writes.
    #[error("{doing}: {detail}")]
    Unreadable { doing: String, detail: String },
}

impl Store {
    pub fn new(dynamodb: Arc<DynamoDb>, table_name: String, mode: Mode) -> Store {
        Store { dynamodb, table_name, mode }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }
}
