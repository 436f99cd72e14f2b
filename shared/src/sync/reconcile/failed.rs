//! The list of failed events: what succeeds now, or has succeeded since, leaves it.

use super::{Report, Run, stripe_failed};
use crate::books::Auditor;
use crate::domain::EventId;
use crate::store::{FailedEvent, Outcome};
use crate::sync::{SyncError, event};

/// As many records as one request reads.
const CHUNK: usize = 100;

pub(super) async fn try_again(run: &mut Run<'_>) -> Result<(), SyncError> {
    let books = &run.auditor.books;
    let listed = books.store().read_failed_events().await?;
    for chunk in listed.chunks(CHUNK) {
        let ids: Vec<EventId> = chunk.iter().map(|failed| failed.event.clone()).collect();
        let known = books.store().read_events(&ids).await?;
        for failed in chunk {
            let has_failed = |id| known.get(id).is_none_or(|known| known.outcome == Some(Outcome::Failed));
            if !has_failed(&failed.event) {
                event::unlist_failed(books, &failed.event).await?;
            } else if !failed.is_hopeless {
                run.tried.insert(failed.event.clone());
                try_one(run.auditor, failed, &mut run.report).await?;
            }
        }
    }
    Ok(())
}

async fn try_one(auditor: &Auditor, failed: &FailedEvent, report: &mut Report) -> Result<(), SyncError> {
    let envelope = match auditor.account.get_event(&failed.event).await {
        Ok(Some(envelope)) => envelope,
        // Stripe forgets events after 30 days; the entry goes by itself after 90.
        Ok(None) => {
            report.events_failed += 1;
            return Ok(());
        }
        // One that Stripe will not show does not keep the others waiting.
        Err(error) if !error.is_transient() => {
            report.events_failed += 1;
            tracing::warn!(event = %failed.event, %error, "A failed event could not be read from Stripe");
            return Ok(());
        }
        Err(error) => return Err(stripe_failed("read a failed event")(error)),
    };
    match Box::pin(event::receive(&auditor.books, &envelope, &super::events::new_delivery())).await {
        Ok(Outcome::Failed) => report.events_failed += 1,
        Ok(_) => {
            report.events_healed += 1;
            event::unlist_failed(&auditor.books, &failed.event).await?;
        }
        Err(error) => {
            report.events_failed += 1;
            tracing::warn!(event = %failed.event, %error, "A failed event failed again");
        }
    }
    Ok(())
}
