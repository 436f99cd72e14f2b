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
