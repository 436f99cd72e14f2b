//! The envelope of a webhook event, read leniently: only the fields we use, of any API version.
//!
//! What is inside `data.object` is read by [`super::object`].

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;

use crate::domain::EventId;

/// <https://docs.stripe.com/api/events/object>
#[derive(Clone, PartialEq)]
pub struct Envelope {
    pub id: EventId,
    /// "customer.subscription.updated".
    pub event_type: String,
    pub created_at: Timestamp,
    pub livemode: bool,
    /// The connected account the event is of; nothing for our own.
    pub account: Option<String>,
    /// The version `object` was rendered in.
    pub api_version: Option<String>,
    /// The object as it was when the event was made.
    pub object: Value,
    /// What changed, on `*.updated` only.
    pub previous_attributes: Option<Value>,
    /// The API request that caused the event; nothing for what Stripe did by itself.
    pub request_id: Option<String>,
}

/// Without the objects: they hold personal data and must not reach a log.
impl fmt::Debug for Envelope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Envelope")
            .field("id", &self.id)
            .field("event_type", &self.event_type)
            .field("created_at", &self.created_at)
            .field("livemode", &self.livemode)
            .finish_non_exhaustive()
    }
}

/// Why a body is no event. Names fields, never values.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum EnvelopeError {
    #[error("the body is not JSON")]
    NotJson,
    #[error("the body is not a Stripe event: {0}")]
    NotAnEvent(&'static str),
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    object: String,
    #[serde(rename = "type")]
    event_type: String,
    created: i64,
    livemode: bool,
    account: Option<String>,
    api_version: Option<String>,
    data: WireData,
    request: Option<WireRequest>,
}

#[derive(Deserialize)]
struct WireData {
    object: Value,
    previous_attributes: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireRequest {
    Current {
        id: Option<String>,
    },
    /// API versions before 2017-05-25 sent the bare id.
    Bare(String),
}

/// Reads the body once. What is nested too deeply to be Stripe's is [`EnvelopeError::NotJson`].
pub fn parse(body: &[u8]) -> Result<Envelope, EnvelopeError> {
    // serde_json does not look at the bytes of fields that nobody asks for; JSON is UTF-8 all over.
    let body = std::str::from_utf8(body).map_err(|_| EnvelopeError::NotJson)?;
    // serde would also take an array for a struct, field by field.
    if body.trim_ascii_start().starts_with('[') {
        return Err(serde_json::from_str::<serde::de::IgnoredAny>(body)
            .map_or(EnvelopeError::NotJson, |_| EnvelopeError::NotAnEvent("it is an array")));
    }
    let wire: Wire = serde_json::from_str(body).map_err(|error| match error.classify() {
        Category::Data => EnvelopeError::NotAnEvent("a field is missing or of a wrong type"),
        Category::Syntax | Category::Eof | Category::Io => EnvelopeError::NotJson,
    })?;
    from_wire(wire)
}

/// Reads an event that came in a list.
pub fn from_value(event: Value) -> Result<Envelope, EnvelopeError> {
    let wire = serde_json::from_value(event);
    from_wire(wire.map_err(|_| EnvelopeError::NotAnEvent("a field is missing or of a wrong type"))?)
}

fn from_wire(wire: Wire) -> Result<Envelope, EnvelopeError> {
    let require = |holds: bool, problem: &'static str| holds.then_some(()).ok_or(EnvelopeError::NotAnEvent(problem));
    require(wire.object == "event", "object is not \"event\"")?;
    require(!wire.event_type.is_empty(), "type is empty")?;
    require(wire.data.object.is_object(), "data.object is not an object")?;
    Ok(Envelope {
        id: EventId::parse(wire.id).map_err(|_| EnvelopeError::NotAnEvent("id is not an event id"))?,
        event_type: wire.event_type,
        created_at: Timestamp::from_second(wire.created)
            .map_err(|_| EnvelopeError::NotAnEvent("created is out of range"))?,
        livemode: wire.livemode,
        account: wire.account,
        api_version: wire.api_version,
        object: wire.data.object,
        previous_attributes: wire.data.previous_attributes,
        request_id: wire.request.and_then(|request| match request {
            WireRequest::Current { id } => id,
            WireRequest::Bare(id) => Some(id),
        }),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({
            "id": "evt_1", "object": "event", "type": "customer.subscription.updated", "created": 1_760_000_000,
            "livemode": false, "api_version": "2026-09-30.endive", "pending_webhooks": 1,
            "request": {"id": "req_1", "idempotency_key": null},
            "data": {"object": {"id": "sub_1"}, "previous_attributes": {"status": "trialing"}},
        })
    }

    fn parsed(event: &Value) -> Result<Envelope, EnvelopeError> {
        parse(event.to_string().as_bytes())
    }

    #[test]
    fn an_event_is_read_with_what_we_use() {
        let envelope = parsed(&event()).unwrap();
        assert_eq!(envelope.id.as_str(), "evt_1");
        assert_eq!(envelope.event_type, "customer.subscription.updated");
        assert_eq!(envelope.created_at.as_second(), 1_760_000_000);
        assert!(!envelope.livemode);
        assert_eq!(envelope.account, None);
        assert_eq!(envelope.object, json!({"id": "sub_1"}));
        assert_eq!(envelope.previous_attributes, Some(json!({"status": "trialing"})));
        assert_eq!(envelope.request_id.as_deref(), Some("req_1"));
    }

    #[test]
    fn an_old_event_and_one_of_a_connected_account_are_read_too() {
        let mut old = event();
        old["request"] = json!("req_old");
        old["api_version"] = Value::Null;
        old["account"] = json!("acct_1");
        old["data"] = json!({"object": {}});
        let envelope = parsed(&old).unwrap();
        assert_eq!(envelope.request_id.as_deref(), Some("req_old"));
        assert_eq!(envelope.account.as_deref(), Some("acct_1"));
        assert_eq!(envelope.previous_attributes, None);
        for request in [Value::Null, json!({"id": null})] {
            let mut by_stripe_itself = event();
            by_stripe_itself["request"] = request;
            assert_eq!(parsed(&by_stripe_itself).unwrap().request_id, None);
        }
    }

    #[test]
    fn what_is_not_json_is_told_apart_from_what_is_no_event() {
        let bom = [b"\xef\xbb\xbf".as_slice(), event().to_string().as_bytes()].concat();
        let two = event().to_string().repeat(2);
        for body in [&b""[..], b"{", b"[1", b"id=evt_1", b"\xff\xfe", bom.as_slice(), two.as_bytes()] {
            assert_eq!(parse(body), Err(EnvelopeError::NotJson), "{:?}", String::from_utf8_lossy(body));
        }
        for body in ["null", "1", "\"event\"", "[]", "{}", &format!("[{}]", event())] {
            assert!(matches!(parse(body.as_bytes()), Err(EnvelopeError::NotAnEvent(_))), "{body}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_not_json_also_where_nobody_looks() {
        for place in ["\"pending_webhooks\":1", "\"idempotency_key\":null", "\"id\":\"evt_1\""] {
            let text = event().to_string().replacen(place, &format!("\"@\":\"@\",{place}"), 1);
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
            for bytes in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80"] {
                let broken: Vec<u8> =
                    text.bytes().flat_map(|b| if b == b'@' { bytes.to_vec() } else { vec![b] }).collect();
                assert_eq!(parse(&broken), Err(EnvelopeError::NotJson), "{place}");
            }
        }
    }

    #[test]
    fn a_missing_or_mistyped_field_is_no_event() {
        for field in ["id", "object", "type", "created", "livemode", "data"] {
            let mut event = event();
            event.as_object_mut().unwrap().remove(field);
            assert!(matches!(parsed(&event), Err(EnvelopeError::NotAnEvent(_))), "without {field}");
        }
        for (field, value) in [
            ("id", json!("cus_1")),
            ("id", json!(1)),
            ("object", json!("customer")),
            ("type", json!("")),
            ("created", json!("1760000000")),
            ("created", json!(1_760_000_000.5)),
            ("created", json!(i64::MAX)),
            ("created", json!(u64::MAX)),
            ("livemode", json!("false")),
            ("account", json!(5)),
            ("data", json!({})),
            ("data", json!({"object": null})),
            ("data", json!({"object": []})),
        ] {
            let mut event = event();
            event[field] = value.clone();
            assert!(matches!(parsed(&event), Err(EnvelopeError::NotAnEvent(_))), "{field}: {value}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_stack_overflow() {
        for open in ["[", "{\"a\":"] {
            assert_eq!(parse(open.repeat(100_000).as_bytes()), Err(EnvelopeError::NotJson));
            let inside = format!(r#"{{"id":"evt_1","data":{{"object":{}"#, open.repeat(100_000));
            assert_eq!(parse(inside.as_bytes()), Err(EnvelopeError::NotJson));
        }
    }

    #[test]
    fn debug_shows_no_personal_data() {
        let mut event = event();
        event["data"]["object"]["email"] = json!("canary@example.com");
        assert!(!format!("{:?}", parsed(&event).unwrap()).contains("canary"));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&body).is_err());
        }

        #[test]
        fn no_value_in_any_field_panics(field in "id|object|type|created|livemode|account|data|request", number in any::<i64>(), text in ".{0,20}") {
            for value in [json!(number), json!(text), json!([number]), json!({"object": {"a": text}}), Value::Null] {
                let mut event = event();
                event[&field] = value;
                let _ = parsed(&event);
            }
        }
    }
}
