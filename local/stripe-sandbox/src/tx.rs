//! One change of the sandbox: reads and writes objects of one world, makes their events and plans later work.
//!
//! Every write goes through here, so that an object never changes without its event.

use serde_json::{Map, Value};

use crate::deliveries::Deliveries;
use crate::engine::jobs::{Job, Task};
use crate::errors::ApiError;
use crate::events::{self, Event};
use crate::faults::Faults;
use crate::state::{Kind, Settings, State, World};

/// Which API request caused a change; none for what Stripe does by itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cause {
    pub request_id: Option<String>,
    pub idempotency_key: Option<String>,
}

/// The open change. Holds the state's lock for as long as it lives.
pub(crate) struct Tx<'a> {
    pub world: &'a mut World,
    pub other: &'a World,
    pub settings: &'a Settings,
    faults: &'a mut Faults,
    deliveries: &'a mut Deliveries,
    pub now: i64,
    pub wall_ms: i64,
    pub public_url: &'a str,
    pub cause: Cause,
}

impl<'a> Tx<'a> {
    pub fn open(state: &'a mut State, livemode: bool, now: i64, public_url: &'a str, cause: Cause) -> Self {
        let (world, other) = match livemode {
            true => (&mut state.live, &state.test),
            false => (&mut state.test, &state.live),
        };
        Self {
            world,
            other,
            settings: &state.settings,
            faults: &mut state.faults,
            deliveries: &mut state.deliveries,
            now,
            wall_ms: crate::clock::wall_millis(),
            public_url,
            cause,
        }
    }

    /// A new id in Stripe's looks.
    pub fn id(&self, prefix: &str) -> String {
        format!("{prefix}{}", random_text(id_length(prefix)))
    }

    pub fn livemode(&self) -> bool {
        self.world.livemode
    }

    pub fn find(&self, kind: Kind, id: &str) -> Option<&Value> {
        self.world.find(kind, id)
    }

    /// The object an id in the path names: 404 when there is none.
    pub fn at_path(&self, kind: Kind, id: &str) -> Result<Value, ApiError> {
        self.named(kind, id, kind.path_param(), 404)
    }

    /// The object a parameter names: 400 when there is none.
    pub fn at_param(&self, kind: Kind, id: &str, param: &str) -> Result<Value, ApiError> {
        self.named(kind, id, param, 400)
    }

    fn named(&self, kind: Kind, id: &str, param: &str, status: u16) -> Result<Value, ApiError> {
        if let Some(object) = self.world.find(kind, id) {
            return Ok(object.clone());
        }
        let hint = match (self.other.find(kind, id).is_some(), self.livemode()) {
            (false, _) => "",
            (true, true) => {
                "; a similar object exists in test mode, but a live mode key was used to make this request."
            }
            (true, false) => {
                "; a similar object exists in live mode, but a test mode key was used to make this request."
            }
        };
        Err(ApiError::no_such(status, kind.name(), id, param, hint))
    }

    /// Stores a new object and makes its event.
    pub fn create(&mut self, kind: Kind, object: Value, event: &str) -> Value {
        let id = crate::values::owned(&object["id"]);
        self.remember_for_search(&id, None);
        self.world.all_mut(kind).put(&id, object.clone());
        if !event.is_empty() {
            self.emit(event, &object, None);
        }
        object
    }

    /// Changes an object; when something is different afterwards, makes `event` with `previous_attributes`.
    pub fn change(&mut self, kind: Kind, id: &str, event: &str, edit: impl FnOnce(&mut Value)) -> Value {
        let Some(before) = self.world.find(kind, id).cloned() else {
            return Value::Null;
        };
        let mut after = before.clone();
        edit(&mut after);
        let previous = difference(&before, &after);
        if previous.is_empty() {
            return after;
        }
        self.remember_for_search(id, Some(before));
        self.world.all_mut(kind).put(id, after.clone());
        if !event.is_empty() {
            let shown = event.ends_with(".updated").then_some(Value::Object(previous));
            self.emit(event, &after, shown);
        }
        after
    }

    /// Removes an object for ever.
    pub fn remove(&mut self, kind: Kind, id: &str) -> Option<Value> {
        self.world.all_mut(kind).remove(id)
    }

    /// Makes an event of the object as it is now and queues its deliveries.
    pub fn emit(&mut self, kind: &str, object: &Value, previous: Option<Value>) {
        let event = Event::new(self, kind, object, previous);
        self.deliveries.queue(&event, self.world, self.faults, self.wall_ms);
        self.world.events.push_back(event);
        self.world.events_made += 1;
        events::forget_old(self.world, self.now);
    }

    /// How many deliveries of an event are still open.
    pub fn pending(&self, event: &str) -> usize {
        self.deliveries.pending(event)
    }

    /// Plans work for later.
    pub fn schedule(&mut self, due: i64, task: Task, subject: &str) {
        self.world.serial += 1;
        let serial = self.world.serial;
        self.world.jobs.insert(Job { due, serial, task, subject: subject.to_owned() });
    }

    fn remember_for_search(&mut self, id: &str, before: Option<Value>) {
        let horizon = self.wall_ms - self.settings.search_lag_seconds * 1000;
        if self.settings.search_lag_seconds == 0 {
            self.world.recent.clear();
            return;
        }
        self.world.recent.retain(|_, (written, _)| *written > horizon);
        self.world.recent.entry(id.to_owned()).or_insert((self.wall_ms, before));
    }
}

/// The old values of what changed: nested for hashes, whole for lists and for `items`.
fn difference(before: &Value, after: &Value) -> Map<String, Value> {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        return Map::new();
    };
    let mut changed = Map::new();
    for (name, value) in new {
        let was = old.get(name).unwrap_or(&Value::Null);
        if was == value {
            continue;
        }
        let nested = was.is_object() && value.is_object() && name != "items";
        let shown = if nested { Value::Object(difference(was, value)) } else { was.clone() };
        changed.insert(name.clone(), shown);
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        changed.insert(name.clone(), old[name].clone());
    }
    changed
}

fn id_length(prefix: &str) -> usize {
    match prefix {
        "cus_" | "prod_" | "si_" | "req_" => 14,
        "cs_test_a1" | "cs_live_a1" => 56,
        _ => 24,
    }
}

/// Letters and digits, as in Stripe's ids.
pub(crate) fn random_text(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn previous_attributes_hold_only_what_changed() {
        let before = json!({"a": 1, "b": {"x": 1, "y": 2}, "items": {"data": [1]}, "gone": true});
        let after = json!({"a": 1, "b": {"x": 1, "y": 3}, "items": {"data": [2]}, "new": 5});
        let expected = json!({"b": {"y": 2}, "items": {"data": [1]}, "gone": true, "new": null});
        assert_eq!(Value::Object(difference(&before, &after)), expected);
    }
}
