//! The checked parameters of a request, and how they are written on objects.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use crate::errors::ApiError;

/// Typed parameters; null means "unset it".
#[derive(Debug, Clone, Default)]
pub(crate) struct Given(pub Value);

impl Given {
    /// The value at a path such as `subscription_data.metadata`, when it was sent.
    pub fn get(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.0, |value, name| value.get(name))
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path).and_then(Value::as_str)
    }

    pub fn int(&self, path: &str) -> Option<i64> {
        self.get(path).and_then(Value::as_i64)
    }

    pub fn flag(&self, path: &str) -> Option<bool> {
        self.get(path).and_then(Value::as_bool)
    }

    pub fn list(&self, path: &str) -> &[Value] {
        self.get(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The texts of a list.
    pub fn texts(&self, path: &str) -> Vec<String> {
        self.list(path).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// A text that must be there.
    pub fn required(&self, name: &str) -> Result<String, ApiError> {
        self.text(name).map(str::to_owned).ok_or_else(|| ApiError::missing_param(name))
    }

    /// Writes the named parameters on an object as they are.
    pub fn copy(&self, object: &mut Value, names: &[&str]) {
        for name in names {
            if let Some(value) = self.get(name) {
                object[*name] = value.clone();
            }
        }
    }

    /// Merges `metadata`: an empty value removes its key, an empty map all.
    pub fn merge_metadata(&self, object: &mut Value) {
        if let Some(sent) = self.get("metadata") {
            object["metadata"] = merged(&object["metadata"], sent);
        }
    }

    /// Merges a nested hash into an object's hash of the same name, field by field.
    pub fn merge(&self, object: &mut Value, name: &str) {
        if let Some(sent) = self.get(name) {
            overlay(&mut object[name], sent);
        }
    }
}

/// New metadata from nothing.
pub(crate) fn fresh_metadata(sent: Option<&Value>) -> Value {
    merged(&json!({}), sent.unwrap_or(&Value::Null))
}

fn merged(before: &Value, sent: &Value) -> Value {
    let Some(sent) = sent.as_object() else {
        return json!({});
    };
    let mut metadata: Map<String, Value> = before.as_object().cloned().unwrap_or_default();
    for (key, value) in sent {
        match value.as_str() {
            Some("") | None => metadata.remove(key),
            Some(_) => metadata.insert(key.clone(), value.clone()),
        };
    }
    Value::Object(metadata)
}

fn overlay(target: &mut Value, sent: &Value) {
    match (target.as_object_mut(), sent.as_object()) {
        (Some(target), Some(sent)) => {
            for (name, value) in sent {
                overlay(target.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        _ => *target = sent.clone(),
    }
}

/// A full address from the parts that were sent.
pub(crate) fn address(sent: &Value) -> Value {
    if sent.is_null() {
        return Value::Null;
    }
    let mut address =
        json!({ "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null });
    overlay(&mut address, sent);
    address
}

/// Refuses a number outside Stripe's bounds.
pub(crate) fn check_bounds(param: &str, number: i64, bounds: RangeInclusive<i64>) -> Result<(), ApiError> {
    let message = match number {
        number if number < *bounds.start() => {
            format!("This value must be greater than or equal to {}.", bounds.start())
        }
        number if number > *bounds.end() => format!("This value must be less than or equal to {}.", bounds.end()),
        _ => return Ok(()),
    };
    Err(ApiError::coded("parameter_invalid_integer", Some(param), message))
}

/// Refuses what is not an http(s) address.
pub(crate) fn check_url(param: &str, url: &str) -> Result<(), ApiError> {
    let is_url = (url.starts_with("https://") || url.starts_with("http://")) && url.len() > 8 && !url.contains(' ');
    if is_url { Ok(()) } else { Err(ApiError::coded("url_invalid", Some(param), "Not a valid URL")) }
}

/// Refuses what cannot be an e-mail address.
pub(crate) fn check_email(param: &str, email: &str) -> Result<(), ApiError> {
    let looks_right = email.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && host.contains('.') && !host.starts_with('.') && !host.ends_with('.')
    });
    if looks_right && !email.contains(char::is_whitespace) {
        Ok(())
    } else {
        Err(ApiError::coded("email_invalid", Some(param), format!("Invalid email address: {email}")))
    }
}
