//! Once a day, every subscription of the account against its record.

use super::walk::Walk;
use super::{Run, stripe_failed};
use crate::books::Auditor;
use crate::store::{Outcome, Partition, StoreError};
use crate::stripe::{OwnedSubscription, Snapshot};
use crate::sync::{SyncError, observe_subscription};

const DAY_SECONDS: i64 = 86_400;

/// Done when today's comparison is.
pub(super) async fn compare(run: &mut Run<'_>) -> Result<(), SyncError> {
    let (auditor, report) = (run.auditor, &mut run.report);
    let now = auditor.books.clock().business_now().as_second();
    let mut walk = Walk::resume(auditor, "drift").await?;
    let is_due = walk.is_under_way() || now - walk.seen_until() >= DAY_SECONDS;
    if !is_due {
        return Ok(());
    }
    walk.began_at(now);
    loop {
        let page = match auditor.account.list_subscriptions(None, walk.after()).await {
            Err(error) if walk.has_lost_its_place(&error) => continue,
            listed => listed.map_err(stripe_failed("list subscriptions"))?,
        };
        for listed in page.value.items {
            report.drift_checked += 1;
            match listed.value {
                Ok(value) => {
                    let seen = Snapshot { value, seen_from: page.seen_from, seen_until: page.seen_until };
                    match repair(auditor, &seen).await {
                        Ok(is_repaired) => report.drift_repaired += u64::from(is_repaired),
                        // Without the table there is no going on.
                        Err(error @ SyncError::Store(StoreError::Unavailable { .. })) => return Err(error),
                        // Its webhooks or tomorrow's comparison get there; the other subscriptions are not kept waiting.
                        Err(error) => {
                            report.drift_failed += 1;
                            let subscription = &seen.value.subscription.id;
                            tracing::error!(%subscription, %error, "A drifted subscription could not be repaired");
                        }
                    }
                }
                Err(problem) => {
                    report.drift_failed += 1;
                    tracing::error!(subscription = listed.id, problem, "A subscription cannot be read");
                }
            }
        }
        if walk.step(page.value.next).await? {
            return Ok(());
        }
    }
}

/// Writes the subscription if its record says otherwise. Whether it did.
async fn repair(auditor: &Auditor, seen: &Snapshot<OwnedSubscription>) -> Result<bool, SyncError> {
    let store = auditor.books.store();
    let subscription = &seen.value.subscription;
    let owner = store.read_owner(&subscription.customer).await?;
    let is_unlinked = owner.user.is_none() && seen.value.user.is_some();
    let partition = match owner.user {
        Some(user) => Partition::User(user),
        None => Partition::Customer(subscription.customer.clone()),
    };
    let stored = match store.read_subscription(&partition, &subscription.id).await {
        // What nobody can read is written anew.
        Err(StoreError::Unreadable { .. }) => None,
        stored => stored?,
    };
    let is_same = stored.is_some_and(|stored| stored.value == *subscription);
    if is_same && !is_unlinked && !owner.is_join_pending {
        return Ok(false);
    }
    let outcome = Box::pin(observe_subscription(&auditor.books, seen, None)).await?;
    let is_repaired = matches!(outcome, Outcome::Applied | Outcome::Parked);
    if is_repaired {
        tracing::warn!(subscription = %subscription.id, "Repaired a subscription whose record had drifted");
    }
    Ok(is_repaired)
}
