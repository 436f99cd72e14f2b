//! Stripe's events about one person, newest first, and what became of each here.

use std::collections::HashSet;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use shared::books::Auditor;
use shared::domain::EventId;
use shared::store::Outcome;
use shared::stripe::envelope::Envelope;

use super::super::{readable, stripe_failed};
use super::{Difference, Subject};

/// Those that decide about access, the trial and the owner.
const TYPES: [&str; 13] = [
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.trial_will_end",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.deleted",
];
/// Stripe keeps events for 30 days.
const REACH: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Stripe cannot be asked for one customer's events; a busy account's older ones are left out.
const MOST_PAGES: usize = 20;
/// A webhook may be under way for so long.
const ARRIVAL_PATIENCE: SignedDuration = SignedDuration::from_mins(5);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    pub created_at: Timestamp,
    pub event_id: EventId,
    pub event_type: String,
    /// Nothing when no record of it is here.
    pub outcome: Option<&'static str>,
    pub error: Option<String>,
    #[serde(skip)]
    is_due: bool,
}

impl Moment {
    pub(super) fn line(&self) -> String {
        let outcome = match (self.outcome, self.is_due) {
            (Some(outcome), _) => outcome,
            (None, true) => "not received",
            (None, false) => "under way",
        };
        let error = self.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        format!("{}  {}  {}  {outcome}{error}", self.created_at, self.event_type, self.event_id)
    }

    pub(super) fn difference(&self) -> Option<Difference> {
        let what = match (self.outcome, self.is_due) {
            (Some("failed"), _) => format!("{} failed", self.event_id),
            (None, true) => format!("{} was not received", self.event_id),
            _ => return None,
        };
        Some(Difference { what, mend: format!("replay {}", self.event_id) })
    }
}

pub(super) async fn of(auditor: &Auditor, subject: &Subject) -> Result<Vec<Moment>> {
    let now = auditor.books().clock().business_now();
    let names = names(subject);
    let mut found: Vec<Envelope> = Vec::new();
    let mut after = None;
    for _ in 0..MOST_PAGES {
        let listed = auditor.account().list_events(now - REACH, &TYPES, after.as_deref()).await;
        let mut page = listed.map_err(stripe_failed("list events"))?;
        after = page.next.take();
        found.extend(readable(page).filter_map(Result::ok).filter(|event| is_about(&event.object, &names)));
        if after.is_none() {
            break;
        }
    }
    let mut moments = Vec::new();
    for events in found.chunks(100) {
        let ids: Vec<EventId> = events.iter().map(|event| event.id.clone()).collect();
        let known = auditor.books().store().read_events(&ids).await?;
        moments.extend(events.iter().map(|event| {
            let record = known.get(&event.id);
            Moment {
                created_at: event.created_at,
                event_id: event.id.clone(),
                event_type: event.event_type.clone(),
                outcome: record.and_then(|record| record.outcome).map(Outcome::as_str),
                error: record.and_then(|record| record.error.clone()),
                is_due: now.duration_since(event.created_at) > ARRIVAL_PATIENCE,
            }
        }));
    }
    Ok(moments)
}

fn names(subject: &Subject) -> HashSet<String> {
    let customers = subject.customers.iter().map(ToString::to_string);
    let subscriptions = subject.account.subscriptions.iter().map(|subscription| subscription.id.to_string());
    customers.chain(subscriptions).collect()
}

fn is_about(object: &Value, names: &HashSet<String>) -> bool {
    let is_named =
        |pointer: &str| object.pointer(pointer).and_then(Value::as_str).is_some_and(|text| names.contains(text));
    ["/id", "/customer", "/customer/id"].iter().any(|pointer| is_named(pointer))
}
