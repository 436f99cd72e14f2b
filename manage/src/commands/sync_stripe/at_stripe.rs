//! What Stripe has, from its lists: a hundred ids a request, where asking for each record is a request each.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anyhow::Result;
use shared::books::Auditor;
use shared::sync::SyncError;
use tokio::task::JoinSet;

use super::lanes::Lane;
use super::stage::{Listing, Seen, Stage};
use crate::commands::stripe_failed;
use crate::printer::Progress;

/// The ids of products, prices, customers and subscriptions, canceled ones included, as eight bytes each. Of two ids whose
/// bytes are the same one would stay on record that is gone; with a million of them that is one chance in millions.
#[derive(Default)]
pub(super) struct AtStripe(HashSet<u64>);

impl AtStripe {
    pub async fn list(auditor: &Auditor, progress: &Progress) -> Result<AtStripe> {
        let mut found = AtStripe::default();
        let mut stage = Some(Stage::FIRST);
        while let Some(current) = stage {
            found.list_stage(auditor, current, progress).await?;
            stage = current.next();
        }
        Ok(found)
    }

    async fn list_stage(&mut self, auditor: &Auditor, stage: Stage, progress: &Progress) -> Result<()> {
        let mut running = JoinSet::new();
        running.spawn(page(auditor.clone(), stage, Lane::default()));
        while let Some(joined) = running.join_next().await {
            let (lane, listing) = joined??;
            progress.step(listing.seen.len() as u64);
            self.0.extend(listing.seen.iter().map(Seen::id).map(hashed));
            let reached = listing.last_created_at.filter(|_| stage.can_be_cut());
            for lane in lane.go_on(listing.next, reached, running.len()) {
                running.spawn(page(auditor.clone(), stage, lane));
            }
        }
        Ok(())
    }

    /// Whether all of them were listed. One that was not may be new, and is to be asked for.
    pub fn has_all<'a>(&self, mut ids: impl Iterator<Item = &'a str>) -> bool {
        ids.all(|id| self.0.contains(&hashed(id)))
    }
}

async fn page(auditor: Auditor, stage: Stage, lane: Lane) -> Result<(Lane, Listing), SyncError> {
    let listed = stage.list(&auditor, lane.created(), lane.after.as_deref()).await;
    let listing = listed.map_err(stripe_failed(&format!("list {}", stage.noun())))?;
    Ok((lane, listing))
}

fn hashed(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
