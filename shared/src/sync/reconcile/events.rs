//! Walking Stripe's event list, newest first, down to where an earlier walk began.

use std::time::Instant;

use jiff::Timestamp;

use super::walk::Walk;
use super::{Report, is_over, stripe_failed};
use crate::books::Auditor;
use crate::domain::{EventId, Mode};
use crate::store::Outcome;
use crate::stripe::envelope::Envelope;
use crate::stripe::{Listed, Page};
use crate::sync::SyncError;
use crate::sync::event::{self, HANDLED_EVENT_TYPES};

/// Each walk looks again at so much before the cursor: events may be listed a little late.
const OVERLAP_SECONDS: i64 = 1_800;
/// Younger events may still be on their way.
const SETTLING_SECONDS: i64 = 60;
/// How far back Stripe keeps events: <https://docs.stripe.com/api/events>.
const KEPT_SECONDS: i64 = 30 * 86_400;

/// Whether the walk reached its end.
pub(super) async fn walk(auditor: &Auditor, deadline: Instant, report: &mut Report) -> Result<bool, SyncError> {
    let now = auditor.books.clock().business_now().as_second();
    let mut walk = Walk::resume(auditor, "events").await?;
    let began_at = walk.began_at(now - SETTLING_SECONDS);
    let since = (walk.seen_until() - OVERLAP_SECONDS).max(now - KEPT_SECONDS);
    let since = Timestamp::from_second(since).unwrap_or(Timestamp::UNIX_EPOCH);
    loop {
        if is_over(deadline) {
            return Ok(false);
        }
        let page = match auditor.account.list_events(since, &HANDLED_EVENT_TYPES, walk.after()).await {
            Err(error) if walk.has_lost_its_place(&error) => continue,
            listed => listed.map_err(stripe_failed("list events"))?,
        };
        heal(auditor, &page, began_at, now, report).await?;
        if walk.step(page.next).await? {
            return Ok(true);
        }
    }
}

/// Applies what the records lack. An event that fails is put on the list of failed ones, so the walk can go on.
async fn heal(
    auditor: &Auditor,
    page: &Page<Envelope>,
    began_at: i64,
    now: i64,
    report: &mut Report,
) -> Result<(), SyncError> {
    let events: Vec<&Envelope> =
        page.items.iter().filter_map(readable).filter(|event| is_ours(auditor, event, began_at)).collect();
    if events.is_empty() {
        return Ok(());
    }
    report.events_seen += events.len() as u64;
    let ids: Vec<EventId> = events.iter().map(|event| event.id.clone()).collect();
    let known = auditor.books.store().read_events(&ids).await?;
    // Oldest first: then most views land at once.
    for event in events.into_iter().rev() {
        if known.get(&event.id).is_some_and(|known| known.is_closed()) {
            continue;
        }
        report.webhook_lag_seconds = report.webhook_lag_seconds.max(now - event.created_at.as_second());
        bring(auditor, event, report).await?;
    }
    Ok(())
}

async fn bring(auditor: &Auditor, event: &Envelope, report: &mut Report) -> Result<(), SyncError> {
    let delivery = new_delivery();
    match Box::pin(event::receive(&auditor.books, event, &delivery)).await {
        Ok(Outcome::Failed) => report.events_failed += 1,
        Ok(Outcome::Duplicate) => {}
        Ok(outcome) => {
            report.events_healed += 1;
            tracing::warn!(event = %event.id, event_type = event.event_type, outcome = outcome.as_str(), "Brought an event that no webhook had brought");
        }
        Err(error) => {
            report.events_failed += 1;
            tracing::error!(event = %event.id, "Error processing webhook event {}: {error}", event.id);
            event::note_failure(&auditor.books, event, &delivery, &error).await?;
        }
    }
    Ok(())
}

fn readable(listed: &Listed<Envelope>) -> Option<&Envelope> {
    match &listed.value {
        Ok(event) => Some(event),
        Err(problem) => {
            tracing::error!(event = listed.id, problem, "An event in Stripe's list cannot be read");
            None
        }
    }
}

fn is_ours(auditor: &Auditor, event: &Envelope, began_at: i64) -> bool {
    event.created_at.as_second() <= began_at
        && event.account.is_none()
        && Mode::from_livemode(event.livemode) == auditor.books.mode()
        && HANDLED_EVENT_TYPES.contains(&event.event_type.as_str())
}

pub(super) fn new_delivery() -> String {
    format!("reconcile-{}", uuid::Uuid::new_v4())
}
