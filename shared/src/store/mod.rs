//! DynamoDB, and only DynamoDB: the keys, the items, the reads and the conditional writes.
//!
//! What the writes mean is decided in `sync`; here is only what is kept where and under which condition it may change.

mod change;
mod commit;
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

use aws_config::SdkConfig;

pub use change::Change;
pub use commit::{Commit, Owner, Refusal, Standing};
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
    client: aws_sdk_dynamodb::Client,
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

/// A connection to DynamoDB for [`Store::new`]; `endpoint_url` nothing means AWS's own.
pub fn client(config: &SdkConfig, endpoint_url: Option<&str>) -> aws_sdk_dynamodb::Client {
    let mut builder = aws_sdk_dynamodb::config::Builder::from(config);
    builder.set_endpoint_url(endpoint_url.map(str::to_owned));
    aws_sdk_dynamodb::Client::from_conf(builder.build())
}

impl Store {
    pub fn new(client: aws_sdk_dynamodb::Client, table_name: String, mode: Mode) -> Store {
        Store { client, table_name, mode }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }
}
