//! Small readers for JSON objects: an absent text is empty, an absent number is `None`.

use serde_json::Value;

/// The text, or "".
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An owned copy of the text, or "".
pub(crate) fn owned(value: &Value) -> String {
    text(value).to_owned()
}

/// The number, or 0.
pub(crate) fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// The flag, or false.
pub(crate) fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

/// The list, or nothing.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
