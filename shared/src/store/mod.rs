//! DynamoDB, and only DynamoDB: the keys, the items, the reads and the conditional writes.

use crate::domain::{Account, Mode, UserId};

/// One mode's view of the table: every key it can form starts with its mode.
#[derive(Clone)]
pub struct Store {
    mode: Mode,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The table cannot be read or written now; asking again later may succeed.
    #[error("{doing}: {detail}")]
    Unavailable { doing: String, detail: String },
    /// A record is not what this version writes.
    #[error("{doing}: {detail}")]
    Unreadable { doing: String, detail: String },
}

impl Store {
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Everything known of a user, with one strongly consistent query.
    pub async fn read_account(&self, _user: &UserId) -> Result<Account, StoreError> {
        todo!()
    }
}
