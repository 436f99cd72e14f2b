//! JSON bodies of our own endpoints: a small object, or nothing.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{ApiError, Request};

/// More than any of our endpoints needs.
pub const LIMIT_BYTES: usize = 64 * 1024;

/// The body as a `T`; no body is `T::default()`, a field that is `null` is a field that is not there.
///
/// Errors: 400 `BODY_TOO_LARGE`, `INVALID_JSON` (serde_json gives up at 128 levels), `INVALID_BODY` (not an object, or a
/// field of the wrong type).
pub fn read_json_object<T>(request: &Request, limit_bytes: usize) -> Result<T, ApiError>
where
    T: DeserializeOwned + Default,
{
    let bytes: &[u8] = request.body().as_ref();
    if bytes.len() > limit_bytes {
        return Err(ApiError::bad_request("BODY_TOO_LARGE", "Request body too large"));
    }
    if bytes.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    let value: Value =
        serde_json::from_slice(bytes).map_err(|_| ApiError::bad_request("INVALID_JSON", "Request body is not JSON"))?;
    let Value::Object(fields) = value else {
        return Err(ApiError::bad_request("INVALID_BODY", "Request body must be a JSON object"));
    };
    let fields: Map<String, Value> = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
    serde_json::from_value(Value::Object(fields))
        .map_err(|_| ApiError::bad_request("INVALID_BODY", "A field of the request body has the wrong type"))
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Sent {
        #[serde(default)]
        price_id: Option<String>,
        #[serde(default)]
        times: u32,
    }

    fn read(body: impl Into<Body>) -> Result<Sent, &'static str> {
        read_json_object(&Request::new(body.into()), LIMIT_BYTES).map_err(|error| error.code())
    }

    #[test]
    fn no_body_is_an_empty_object() {
        for body in ["", " \n", "{}"] {
            assert_eq!(read(body), Ok(Sent::default()), "{body:?}");
        }
        assert_eq!(read(Body::Empty), Ok(Sent::default()));
    }

    #[test]
    fn a_null_field_is_an_absent_one_and_an_unknown_one_is_no_matter() {
        let body = r#"{"price_id": "price_1", "times": null, "other": [1]}"#;
        assert_eq!(read(body), Ok(Sent { price_id: Some("price_1".to_owned()), times: 0 }));
        assert_eq!(read(body.as_bytes().to_vec()), read(body), "a body that came as base64");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = format!(r#"{{"price_id": {}"#, "[".repeat(50_000));
        let deep_and_closed = format!(r#"{{"a": {}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        for body in ["{", "price_id=1", "{\"a\":1}x", "{'a':1}", "\u{feff}{}", &deep, &deep_and_closed] {
            assert_eq!(read(body), Err("INVALID_JSON"), "{}", &body[..body.len().min(20)]);
        }
        assert_eq!(read(b"{\"price_id\": \"\xff\"}".to_vec()), Err("INVALID_JSON"));
    }

    #[test]
    fn what_is_no_object_of_the_right_types_is_refused() {
        for body in ["null", "[]", "[{}]", "\"a\"", "7", r#"{"price_id": 7}"#, r#"{"price_id": ["price_1"]}"#] {
            assert_eq!(read(body), Err("INVALID_BODY"), "{body}");
        }
    }

    #[test]
    fn a_body_over_the_limit_is_refused_unread() {
        let long = format!(r#"{{"price_id": "{}"}}"#, "x".repeat(LIMIT_BYTES));
        assert_eq!(read(long), Err("BODY_TOO_LARGE"));
        assert_eq!(read("x".repeat(1024 * 1024)), Err("BODY_TOO_LARGE"));
    }
}
