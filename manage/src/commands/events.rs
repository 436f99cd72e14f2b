//! `events`: Stripe's events and what became of them, newest first.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::books::Auditor;
use shared::domain::EventId;
use shared::store::{FailedEvent, KnownEvent, Outcome};
use shared::stripe::envelope::Envelope;
use shared::sync::event::HANDLED_EVENT_TYPES;

use super::{event_id, readable, stripe_failed};
use crate::Context;
use crate::done::Done;

/// How far back Stripe keeps events: <https://docs.stripe.com/api/events>.
pub const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

#[derive(Args, Debug)]
#[command(after_help = "Example: manage events --local --type customer.subscription.updated --last 5")]
pub struct Arguments {
    /// Only the events that could not be dealt with
    #[arg(long, conflicts_with_all = ["last", "id"])]
    pub failed: bool,

    /// How many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub last: u32,

    /// Only this type; a * at the end stands for anything [default: the types the webhook handles]
    #[arg(long = "type", value_name = "T")]
    pub event_type: Option<String>,

    /// One event, in detail
    #[arg(value_name = "ID", value_parser = event_id, conflicts_with = "event_type")]
    pub id: Option<EventId>,
}

/// One event as Stripe has it, and its record.
#[derive(Clone, Debug)]
pub struct Told {
    pub envelope: Envelope,
    pub known: Option<KnownEvent>,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let printer = &context.printer;
    if arguments.failed {
        let failed = failed(context, arguments.event_type.as_deref()).await?;
        for event in &failed {
            printer.answer(&failed_json(event), [failed_line(event)]);
        }
        if failed.is_empty() {
            printer.say("No event has failed.");
        }
        return Ok(Done::unless(!failed.is_empty()));
    }
    let auditor = context.target.auditor().await?;
    if let Some(id) = arguments.id {
        return one(context, &auditor, &id).await;
    }
    let types = Types::of(arguments.event_type.as_deref());
    let found = latest(&auditor, &types, arguments.last as usize).await?;
    if found.is_empty() {
        printer.say("Stripe has made no such event in the last 30 days.");
    }
    for told in found {
        printer.answer(&told.json(), [told.line()]);
    }
    Ok(Done::Everything)
}

/// The list of failed events without those that have been dealt with since.
async fn failed(context: &Context, event_type: Option<&str>) -> Result<Vec<FailedEvent>> {
    let store = context.target.store()?;
    let types = Types(event_type.map_or_else(|| vec!["*".to_owned()], |one| vec![one.to_owned()]));
    let mut failed = Vec::new();
    for chunk in store.read_failed_events().await?.chunks(100) {
        let ids: Vec<EventId> = chunk.iter().map(|event| event.event.clone()).collect();
        let known = store.read_events(&ids).await?;
        let still_fails = |event: &&FailedEvent| {
            types.hold(&event.event_type)
                && known.get(&event.event).is_none_or(|known| known.outcome == Some(Outcome::Failed))
        };
        failed.extend(chunk.iter().filter(still_fails).cloned());
    }
    Ok(failed)
}

async fn one(context: &Context, auditor: &Auditor, id: &EventId) -> Result<Done> {
    let known = auditor.books().store().read_event(id).await?;
    let envelope = auditor.account().get_event(id).await.map_err(stripe_failed("read the event"))?;
    match (envelope, known) {
        (Some(envelope), known) => {
            let told = Told { envelope, known };
            context.printer.answer(&told.json(), told.detail());
        }
        (None, Some(known)) => {
            let word = known.outcome.map_or("unfinished", Outcome::as_str);
            context.printer.problem("Stripe does not have it any more: it keeps events for 30 days.");
            context
                .printer
                .answer(&json!({ "id": id, "outcome": word, "error": known.error }), [format!("{id}  {word}")]);
        }
        (None, None) => {
            context
                .printer
                .problem(&format!("Neither Stripe nor the records know {id} in {} mode.", context.target.mode));
            return Ok(Done::SomethingLeft);
        }
    }
    Ok(Done::Everything)
}

/// Event types to look for.
#[derive(Clone, Debug)]
pub struct Types(Vec<String>);

impl Types {
    /// A type, a beginning followed by `*`, or all that the webhook handles.
    pub fn of(given: Option<&str>) -> Types {
        match given {
            Some(one) => Types(vec![one.to_owned()]),
            None => Types(HANDLED_EVENT_TYPES.iter().map(|handled| (*handled).to_owned()).collect()),
        }
    }

    pub fn hold(&self, event_type: &str) -> bool {
        self.0.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(start) => event_type.starts_with(start),
            None => wanted == event_type,
        })
    }

    /// What Stripe can filter by: whole names; all are asked for when there is a pattern.
    pub fn names(&self) -> Vec<&str> {
        if self.0.iter().any(|wanted| wanted.ends_with('*')) {
            return Vec::new();
        }
        self.0.iter().map(String::as_str).collect()
    }
}

/// Stripe's newest events of those types with their records.
pub async fn latest(auditor: &Auditor, types: &Types, count: usize) -> Result<Vec<Told>> {
    let now = auditor.books().clock().business_now();
    let since = now.checked_sub(KEPT).context("reckon thirty days back")?;
    let mut found: Vec<Told> = Vec::new();
    let mut after = None;
    while found.len() < count {
        let listed = auditor.account().list_events(since, &types.names(), after.as_deref()).await;
        let mut page = listed.map_err(stripe_failed("list events"))?;
        after = page.next.take();
        let wanted: Vec<Envelope> = readable(page)
            .filter_map(Result::ok)
            .filter(|envelope| types.hold(&envelope.event_type))
            .take(count - found.len())
            .collect();
        let ids: Vec<EventId> = wanted.iter().map(|envelope| envelope.id.clone()).collect();
        let known: HashMap<EventId, KnownEvent> = auditor.books().store().read_events(&ids).await?;
        found.extend(wanted.into_iter().map(|envelope| Told { known: known.get(&envelope.id).cloned(), envelope }));
        if after.is_none() {
            break;
        }
    }
    Ok(found)
}

impl Told {
    fn outcome(&self) -> &'static str {
        match &self.known {
            None => "missing",
            Some(known) => known.outcome.map_or("unfinished", Outcome::as_str),
        }
    }

    fn object(&self) -> &str {
        self.envelope.object.get("id").and_then(Value::as_str).unwrap_or("-")
    }

    fn line(&self) -> String {
        let Envelope { id, event_type, created_at, .. } = &self.envelope;
        format!("{created_at}  {id}  {event_type}  {}  {}", self.outcome(), self.object())
    }

    fn detail(&self) -> Vec<String> {
        let Envelope { id, event_type, created_at, api_version, request_id, .. } = &self.envelope;
        let known = self.known.as_ref();
        let mut lines = vec![
            format!("Event {id}"),
            format!("- Type: {event_type}"),
            format!("- Created: {created_at}"),
            format!("- Object: {}", self.object()),
            format!("- API version: {}", api_version.as_deref().unwrap_or("-")),
            format!("- Caused by: {}", request_id.as_deref().unwrap_or("Stripe itself")),
            format!("- Outcome: {}", self.outcome()),
            format!("- Attempts: {}", known.map_or(0, |known| known.attempts)),
        ];
        lines.extend(known.and_then(|known| known.error.as_ref()).map(|error| format!("- Error: {error}")));
        lines
    }

    fn json(&self) -> Value {
        let Envelope { id, event_type, created_at, api_version, request_id, .. } = &self.envelope;
        let known = self.known.as_ref();
        json!({
            "id": id, "type": event_type, "created": created_at.to_string(), "object_id": self.object(),
            "api_version": api_version, "request_id": request_id, "outcome": self.outcome(),
            "attempts": known.map_or(0, |known| known.attempts), "error": known.and_then(|known| known.error.clone()),
        })
    }
}

fn failed_json(event: &FailedEvent) -> Value {
    json!({ "id": event.event, "type": event.event_type, "error": event.error, "is_hopeless": event.is_hopeless })
}

fn failed_line(event: &FailedEvent) -> String {
    let error = event.error.as_deref().unwrap_or("-");
    format!("{}  {}  failed  {error}", event.event, event.event_type)
}

/// `now` less a span such as `2h` or `3d`, or an instant such as `2026-11-20` or `2026-11-20T08:00:00Z`.
pub(super) fn instant(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let unreadable = || format!("{text} is neither a span (90m, 2h, 3d) nor a time (2026-11-20T08:00:00Z)");
    if let Some((unit, number)) = text.chars().last().zip(text.get(..text.len().saturating_sub(1)))
        && let Ok(number) = number.parse::<i64>()
    {
        let unit_seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(unreadable()),
        };
        let span = number.checked_mul(unit_seconds).filter(|span| *span >= 0).map(SignedDuration::from_secs);
        return span.and_then(|span| now.checked_sub(span).ok()).ok_or_else(unreadable);
    }
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    whole.parse().map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_name_or_a_beginning() {
        let types = Types::of(Some("customer.*"));
        assert!(types.hold("customer.subscription.updated") && !types.hold("invoice.paid"));
        assert!(types.names().is_empty());
        assert_eq!(Types::of(Some("invoice.paid")).names(), ["invoice.paid"]);
    }

    #[test]
    fn since_is_a_span_or_an_instant() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("90m", Some("2026-11-20T10:30:00Z")),
            ("2h", Some("2026-11-20T10:00:00Z")),
            ("3d", Some("2026-11-17T12:00:00Z")),
            ("2026-11-19", Some("2026-11-19T00:00:00Z")),
            ("2026-11-19T08:00:00Z", Some("2026-11-19T08:00:00Z")),
            ("yesterday", None),
            ("-3d", None),
            ("99999999999999999d", None),
            ("3é", None),
            ("", None),
        ] {
            assert_eq!(instant(text, now).ok().map(|time| time.to_string()).as_deref(), expected, "{text}");
        }
    }
}
