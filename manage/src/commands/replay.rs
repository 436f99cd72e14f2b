//! `replay`: events once more, by the webhook's own road.

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use shared::books::Auditor;
use shared::domain::EventId;
use shared::store::Outcome;
use shared::stripe::envelope::Envelope;
use shared::sync::{self, event};
use uuid::Uuid;

use super::events::{self, Types};
use super::{event_id, is_out_of_reach, readable, stripe_failed};
use crate::Context;
use crate::done::{Done, usage};

#[derive(Args, Debug)]
#[command(after_help = "Example: manage replay --local --failed\n         manage replay --local --since 2h")]
pub struct Arguments {
    /// These events
    #[arg(value_name = "EVENT", value_parser = event_id, required_unless_present_any = ["failed", "since"], conflicts_with_all = ["failed", "since"])]
    pub events: Vec<EventId>,

    /// All that could not be dealt with
    #[arg(long, conflicts_with = "since")]
    pub failed: bool,

    /// All that Stripe has since then: a span (90m, 2h, 3d) or a time (2026-11-20T08:00:00Z), at most 30 days ago
    #[arg(long, value_name = "T")]
    pub since: Option<String>,

    /// Also those that were dealt with, ignored ones among them; what is newer in the records stays
    #[arg(long)]
    pub force: bool,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    pub event: String,
    pub outcome: Result<Outcome, String>,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let auditor = context.target.auditor().await?;
    let mut tally = Tally { context, failed: 0, replayed: 0 };
    if let Some(since) = &arguments.since {
        let now = auditor.books().clock().business_now();
        let since = events::instant(since, now).map_err(usage)?;
        replay_since(&auditor, since, arguments.force, &mut tally).await?;
    } else {
        let wanted = match arguments.failed {
            true => {
                auditor.books().store().read_failed_events().await?.into_iter().map(|failed| failed.event).collect()
            }
            false => arguments.events,
        };
        for id in &wanted {
            tally.tell(replay_one(&auditor, id, arguments.force).await?);
        }
    }
    if tally.replayed == 0 {
        context.printer.say("There is nothing to replay.");
    }
    Ok(Done::unless(tally.failed > 0))
}

struct Tally<'a> {
    context: &'a Context,
    failed: u64,
    replayed: u64,
}

impl Tally<'_> {
    fn tell(&mut self, replayed: Replayed) {
        self.replayed += 1;
        let Replayed { event, outcome } = replayed;
        let (is_good, line, json) = match outcome {
            Ok(Outcome::Failed) => (
                false,
                format!("  ✗ {event}: it failed again; see manage events {event}"),
                json!({ "id": event, "outcome": "failed" }),
            ),
            Ok(outcome) => (
                true,
                format!("  ✓ {event} - {}", outcome.as_str()),
                json!({ "id": event, "outcome": outcome.as_str() }),
            ),
            Err(problem) => (
                false,
                format!("  ✗ {event}: {problem}"),
                json!({ "id": event, "outcome": "failed", "error": problem }),
            ),
        };
        self.failed += u64::from(!is_good);
        self.context.printer.answer(&json, [line]);
    }
}

/// One event by its id.
pub async fn replay_one(auditor: &Auditor, id: &EventId, is_forced: bool) -> Result<Replayed> {
    let read = auditor.account().get_event(id).await.map_err(stripe_failed("read the event"))?;
    let outcome = match read {
        Some(envelope) => receive(auditor, &envelope, is_forced).await?,
        None => Err("Stripe does not have it: it keeps events for 30 days, each in its own mode".to_owned()),
    };
    Ok(Replayed { event: id.to_string(), outcome })
}

/// Page by page, newest first, and within a page oldest first: then most views land at once.
async fn replay_since(auditor: &Auditor, since: Timestamp, is_forced: bool, tally: &mut Tally<'_>) -> Result<()> {
    let types = Types::of(None);
    let mut after = None;
    loop {
        let listed = auditor.account().list_events(since, &types.names(), after.as_deref()).await;
        let mut page = listed.map_err(stripe_failed("list events"))?;
        after = page.next.take();
        let mut listed: Vec<_> = readable(page).collect();
        listed.reverse();
        for event in listed {
            match event {
                Ok(envelope) if !types.hold(&envelope.event_type) => {}
                Ok(envelope) => {
                    let outcome = receive(auditor, &envelope, is_forced).await?;
                    tally.tell(Replayed { event: envelope.id.to_string(), outcome });
                }
                Err((event, problem)) => tally.tell(Replayed { event, outcome: Err(problem) }),
            }
        }
        if after.is_none() {
            return Ok(());
        }
    }
}

/// As the webhook does: what succeeds leaves the list of failed events, what fails is on it.
async fn receive(auditor: &Auditor, envelope: &Envelope, is_forced: bool) -> Result<Result<Outcome, String>> {
    let books = auditor.books();
    if envelope.account.is_some() {
        return Ok(Ok(Outcome::Ignored));
    }
    if is_forced {
        event::reopen(books, envelope).await?;
    }
    let delivery = format!("replay-{}", Uuid::new_v4());
    match Box::pin(sync::receive(books, envelope, &delivery)).await {
        Ok(Outcome::Failed) => Ok(Ok(Outcome::Failed)),
        Ok(outcome) => {
            event::unlist_failed(books, &envelope.id).await?;
            Ok(Ok(outcome))
        }
        Err(error) if is_out_of_reach(&error) => Err(error.into()),
        Err(error) => {
            event::note_failure(books, envelope, &delivery, &error).await?;
            Ok(Err(error.to_string()))
        }
    }
}
