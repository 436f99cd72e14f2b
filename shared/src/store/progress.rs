//! Where a long walk stands, so that the next run goes on from there.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use super::expression::{number, put_item};
use super::items::Attributes;
use super::keys;
use super::{Store, StoreError};
use crate::domain::Mode;

/// A walk through something of Stripe's. The names are the caller's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Everything before this second has been seen.
    pub seen_until: i64,
    /// The walk under way began at this second; nothing when none is.
    pub walk_began_at: Option<i64>,
    /// The last object of the walk under way.
    pub after: Option<String>,
    /// Grows with every step; two walkers at once do not undo each other's.
    pub step: u64,
}

pub(super) fn write(mode: Mode, table: &str, walk: &str, progress: &Progress) -> Result<TransactWriteItem, StoreError> {
    let previous = number(progress.step.saturating_sub(1) as i64);
    let condition = Some("attribute_not_exists(pk) OR step = :previous");
    put_item(table, keys::progress(mode, walk), progress, condition, &[(":previous", previous)])
}

impl Store {
    pub async fn read_progress(&self, walk: &str) -> Result<Progress, StoreError> {
        let doing = || format!("read the progress of {walk}");
        let item: Option<Attributes> = self.get(keys::progress(self.mode, walk), doing).await?;
        let Some(item) = item else { return Ok(Progress::default()) };
        serde_dynamo::from_item(item)
            .map_err(|error| StoreError::Unreadable { doing: doing(), detail: error.to_string() })
    }
}
