//! Going through one of Stripe's lists, page by page, over as many runs as it takes.

use crate::books::Auditor;
use crate::store::{Change, Commit, Progress};
use crate::stripe::StripeError;
use crate::sync::SyncError;

/// A walk as the last run left it. Two runs may walk at once: the slower one's step is refused and it leaves.
pub(super) struct Walk<'a> {
    auditor: &'a Auditor,
    name: &'static str,
    progress: Progress,
}

impl<'a> Walk<'a> {
    pub async fn resume(auditor: &'a Auditor, name: &'static str) -> Result<Walk<'a>, SyncError> {
        let progress = auditor.books.store().read_progress(name).await?;
        Ok(Walk { auditor, name, progress })
    }

    pub fn is_under_way(&self) -> bool {
        self.progress.walk_began_at.is_some()
    }

    /// The second up to which the last whole walk saw everything.
    pub fn seen_until(&self) -> i64 {
        self.progress.seen_until
    }

    /// When this walk began: `now` for a new one.
    pub fn began_at(&mut self, now: i64) -> i64 {
        *self.progress.walk_began_at.get_or_insert(now)
    }

    /// Where the next page starts.
    pub fn after(&self) -> Option<&str> {
        self.progress.after.as_deref()
    }

    /// Whether the object where the last run stopped is gone, so that the walk begins anew.
    pub fn has_lost_its_place(&mut self, error: &StripeError) -> bool {
        matches!(error, StripeError::NotFound { .. }) && self.progress.after.take().is_some()
    }

    /// Stores that a page is done and where the next starts. Whether there is nothing left to do in this run.
    pub async fn step(&mut self, next: Option<String>) -> Result<bool, SyncError> {
        let is_last = next.is_none();
        self.progress.after = next;
        if let Some(began_at) = self.progress.walk_began_at.filter(|_| is_last) {
            self.progress.seen_until = began_at;
            self.progress.walk_began_at = None;
        }
        self.progress.step += 1;
        let step = Change::Progress { walk: self.name, progress: self.progress.clone() };
        // Refused: another run walks the same stretch and will get there.
        let is_ahead = matches!(self.auditor.books.store().commit(vec![step]).await?, Commit::Refused(_));
        Ok(is_last || is_ahead)
    }
}
