//! The queue of webhook deliveries: which event still has to reach which endpoint, when, and how it went.
//!
//! Sending is in `delivery`; here is only the book-keeping.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::events::Event;
use crate::faults::{Fate, Faults};
use crate::state::{Kind, World};
use crate::values::{items, text};

/// Stripe gives up after about three days; so does this queue, counted in tries.
const MAX_TRIES: u32 = 16;
/// Quick retries by the wall clock, for a person who is watching.
const QUICK_RETRIES_MS: [i64; 3] = [1_000, 5_000, 30_000];
/// Retries by the sandbox clock; the last repeats.
const BACKOFF_SECONDS: [i64; 6] = [300, 1_800, 7_200, 18_000, 36_000, 43_200];
/// Finished deliveries kept for `GET /_sandbox/deliveries`.
const RECENT: usize = 1_000;
const NEVER: i64 = i64::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Pending,
    Delivered,
    GaveUp,
    Dropped,
}

/// One event on its way to one endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub id: u64,
    pub event: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub livemode: bool,
    pub endpoint: String,
    pub outcome: Outcome,
    pub tries: u32,
    pub held: bool,
    pub last_status: Option<u16>,
    pub last_error: Option<String>,
    due_wall_ms: i64,
    due_sandbox: i64,
    #[serde(skip)]
    in_flight: bool,
}

impl Delivery {
    fn is_due(&self, wall_ms: i64, now: i64) -> bool {
        self.outcome == Outcome::Pending
            && !self.held
            && !self.in_flight
            && (self.due_wall_ms <= wall_ms || self.due_sandbox <= now)
    }
}

/// All deliveries: those still open, and the last finished ones.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Deliveries {
    next: u64,
    open: Vec<Delivery>,
    recent: VecDeque<Delivery>,
    pub hold: bool,
}

impl Deliveries {
    /// Queues a new event for every endpoint that wants it, as the delivery faults have it.
    pub fn queue(&mut self, event: &Event, world: &World, faults: &mut Faults, wall_ms: i64) {
        for endpoint in subscribers(world, &event.kind) {
            let fate = faults.fate_of(&event.kind);
            match fate {
                Fate::Dropped => self.drop_one(event, &endpoint),
                Fate::Sent { copies, delay_ms } => {
                    for _ in 0..copies {
                        self.add(event, &endpoint, wall_ms + delay_ms, self.hold);
                    }
                }
            }
        }
    }

    /// Queues more deliveries of an event, whether it has been delivered or not; never held.
    pub fn repeat(&mut self, event: &Event, world: &World, copies: usize, wall_ms: i64) -> Vec<u64> {
        let mut added = Vec::new();
        for endpoint in subscribers(world, &event.kind) {
            for _ in 0..copies {
                added.push(self.add(event, &endpoint, wall_ms, false));
            }
        }
        added
    }

    fn add(&mut self, event: &Event, endpoint: &str, due_wall_ms: i64, held: bool) -> u64 {
        self.next += 1;
        self.open.push(Delivery {
            id: self.next,
            event: event.id.clone(),
            kind: event.kind.clone(),
            livemode: event.livemode,
            endpoint: endpoint.to_owned(),
            outcome: Outcome::Pending,
            tries: 0,
            held,
            last_status: None,
            last_error: None,
            due_wall_ms,
            due_sandbox: NEVER,
            in_flight: false,
        });
        self.next
    }

    fn drop_one(&mut self, event: &Event, endpoint: &str) {
        let id = self.add(event, endpoint, NEVER, false);
        self.finish(id, Outcome::Dropped);
    }

    /// Takes the deliveries that are due; they count as in flight until [`settle`](Self::settle).
    pub fn take_due(&mut self, wall_ms: i64, now: i64) -> Vec<Delivery> {
        let due = self.open.iter_mut().filter(|delivery| delivery.is_due(wall_ms, now));
        due.map(|delivery| {
            delivery.in_flight = true;
            delivery.tries += 1;
            delivery.clone()
        })
        .collect()
    }

    /// Takes one delivery by its number, due or not.
    pub fn take(&mut self, id: u64) -> Option<Delivery> {
        let delivery = self.open.iter_mut().find(|delivery| delivery.id == id && !delivery.in_flight)?;
        delivery.in_flight = true;
        delivery.held = false;
        delivery.tries += 1;
        Some(delivery.clone())
    }

    /// Writes down how a try went and plans the next one.
    pub fn settle(&mut self, id: u64, result: Result<u16, String>, wall_ms: i64, now: i64) {
        let Some(delivery) = self.open.iter_mut().find(|delivery| delivery.id == id) else {
            return;
        };
        delivery.in_flight = false;
        let delivered = matches!(result, Ok(200..=299));
        delivery.last_status = result.as_ref().ok().copied();
        delivery.last_error = match result {
            Ok(200..=299) => None,
            Ok(status) => Some(format!("answered {status}")),
            Err(error) => Some(error),
        };
        let tries = delivery.tries as usize;
        delivery.due_wall_ms = QUICK_RETRIES_MS.get(tries - 1).map_or(NEVER, |pause| wall_ms + pause);
        delivery.due_sandbox = now + BACKOFF_SECONDS[(tries - 1).min(BACKOFF_SECONDS.len() - 1)];
        match (delivered, delivery.tries >= MAX_TRIES) {
            (true, _) => self.finish(id, Outcome::Delivered),
            (false, true) => self.finish(id, Outcome::GaveUp),
            (false, false) => {}
        }
    }

    /// Ends a delivery that can no longer be made (its endpoint is gone or disabled).
    pub fn give_up(&mut self, id: u64) {
        self.finish(id, Outcome::GaveUp);
    }

    fn finish(&mut self, id: u64, outcome: Outcome) {
        if let Some(at) = self.open.iter().position(|delivery| delivery.id == id) {
            let mut delivery = self.open.swap_remove(at);
            delivery.outcome = outcome;
            delivery.in_flight = false;
            self.recent.push_back(delivery);
            if self.recent.len() > RECENT {
                self.recent.pop_front();
            }
        }
    }

    /// Holds back (or lets go) what is queued and what comes.
    pub fn set_hold(&mut self, hold: bool) {
        self.hold = hold;
        for delivery in self.open.iter_mut().filter(|delivery| !delivery.in_flight) {
            delivery.held = hold;
        }
    }

    /// Lets go of held deliveries: all, or those of the named events.
    pub fn release(&mut self, events: Option<&[String]>) -> Vec<u64> {
        let named = |delivery: &Delivery| events.is_none_or(|events| events.contains(&delivery.event));
        let mut released = Vec::new();
        for delivery in self.open.iter_mut().filter(|delivery| delivery.held && named(delivery)) {
            delivery.held = false;
            delivery.due_wall_ms = 0;
            released.push(delivery.id);
        }
        released
    }

    /// Open deliveries of an event, oldest first.
    pub fn open_of(&self, event: &str) -> Vec<u64> {
        let mut ids: Vec<u64> = self.open.iter().filter(|d| d.event == event).map(|d| d.id).collect();
        ids.sort_unstable();
        ids
    }

    /// `pending_webhooks` of an event.
    pub fn pending(&self, event: &str) -> usize {
        self.open.iter().filter(|delivery| delivery.event == event).count()
    }

    /// Whether nothing is in flight and nothing is due.
    pub fn is_settled(&self, wall_ms: i64, now: i64) -> bool {
        !self.open.iter().any(|delivery| delivery.in_flight || delivery.is_due(wall_ms, now))
    }

    /// Whether every open delivery that is not held has had its first try.
    pub fn all_tried(&self) -> bool {
        !self.open.iter().any(|delivery| !delivery.held && (delivery.in_flight || delivery.tries == 0))
    }

    /// Whether a delivery is in flight or waits for its first try.
    pub fn is_waiting(&self, id: u64) -> bool {
        self.open.iter().any(|d| d.id == id && (d.in_flight || (d.tries == 0 && !d.held)))
    }

    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Open and recent ones, newest first.
    pub fn listed(&self) -> Vec<&Delivery> {
        let mut all: Vec<&Delivery> = self.open.iter().chain(&self.recent).collect();
        all.sort_by_key(|delivery| std::cmp::Reverse(delivery.id));
        all
    }

    pub fn outcome(&self, id: u64) -> Option<Outcome> {
        let finished = self.recent.iter().rev().find(|delivery| delivery.id == id);
        finished.or_else(|| self.open.iter().find(|delivery| delivery.id == id)).map(|delivery| delivery.outcome)
    }
}

/// The enabled endpoints that listen to a type.
fn subscribers(world: &World, kind: &str) -> Vec<String> {
    let endpoints = world.all(Kind::Endpoint).oldest_first();
    let wants = |endpoint: &&serde_json::Value| {
        let listens = items(&endpoint["enabled_events"]).iter().any(|event| event == "*" || event == kind);
        endpoint["status"] == "enabled" && listens
    };
    endpoints.filter(wants).map(|endpoint| text(&endpoint["id"]).to_owned()).collect()
}
