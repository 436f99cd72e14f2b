//! Webhook bodies, from the envelope to what is written.

use std::cell::OnceCell;

use serde_json::{Value, json};
use shared::books::Books;
use shared::domain::Mode;
use shared::store::Outcome;
use shared::stripe::envelope;
use shared::sync::event::{HANDLED_EVENT_TYPES, receive};

use super::wait_for;
use crate::still::Still;

/// Any body. What is taken for an event has an id and an object, and is the same event when it comes in a list.
pub(crate) fn envelope(data: &[u8]) {
    let Ok(event) = envelope::parse(data) else { return };
    assert!(event.id.as_str().starts_with("evt_") && event.object.is_object());
    assert!(std::str::from_utf8(data).is_ok(), "an event that is no text");
    // Fields that nobody asks for may hold numbers and halves of surrogates that no value holds.
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    assert_eq!(envelope::from_value(value).as_ref(), Ok(&event));
}

thread_local! {
    static BOOKS: OnceCell<Books> = const { OnceCell::new() };
}

fn books() -> Books {
    BOOKS.with(|cell| {
        let made = || Still::default().core(&[]).books(Mode::Test).expect("books");
        cell.get_or_init(made).clone()
    })
}

/// A byte for the type, then `data` of the event. Whatever the object holds, it is applied, ignored or recorded as
/// failed; what is written keeps to its own mode's keys, which the still table checks.
pub(crate) fn payload(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let Ok(data) = serde_json::from_slice::<Value>(data) else { return };
    let handled = HANDLED_EVENT_TYPES.get(usize::from(*kind) % (HANDLED_EVENT_TYPES.len() + 1));
    let event = json!({
        "id": "evt_fuzzed", "object": "event", "type": handled.unwrap_or(&"charge.succeeded"),
        "created": 1_760_000_000, "livemode": false, "api_version": null, "data": data,
        "request": null,
    });
    let Ok(event) = envelope::from_value(event) else { return };
    let outcome = wait_for(receive(&books(), &event, "delivery-1")).expect("the table and nobody else was asked");
    if handled.is_none() {
        assert_eq!(outcome, Outcome::Ignored);
    }
}
