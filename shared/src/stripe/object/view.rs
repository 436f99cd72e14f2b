//! Typed looks into one JSON object, by JSON pointer.

use jiff::Timestamp;
use serde_json::Value;

use super::ObjectError;
use crate::domain::{Currency, InvalidId, UserId};

/// Whether Stripe sent the stub or the last state of something deleted.
pub fn is_deleted(value: &Value) -> bool {
    value.get("deleted") == Some(&Value::Bool(true))
}

/// One object of a known kind. `null` and absent are the same everywhere: Stripe writes both.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    kind: &'static str,
    value: &'a Value,
}

type Read<T> = Result<T, ObjectError>;

impl<'a> View<'a> {
    /// Refuses what is not an object, or says that it is another kind of object.
    pub fn of(kind: &'static str, value: &'a Value) -> Read<View<'a>> {
        let view = View { kind, value };
        if !value.is_object() {
            return Err(view.error("", "is not an object"));
        }
        match view.text("/object") {
            Some(text) if text != kind => Err(view.error("/object", "is of another kind")),
            _ => Ok(view),
        }
    }

    pub fn at(&self, path: &'static str) -> Option<&'a Value> {
        self.value.pointer(path).filter(|value| !value.is_null())
    }

    pub fn value(&self) -> &'a Value {
        self.value
    }

    pub fn error(&self, path: &'static str, problem: &'static str) -> ObjectError {
        ObjectError { kind: self.kind, path, problem }
    }

    pub fn require<T>(&self, path: &'static str, found: Option<T>) -> Read<T> {
        found.ok_or_else(|| self.error(path, "is missing"))
    }

    pub fn text(&self, path: &'static str) -> Option<&'a str> {
        self.at(path)?.as_str()
    }

    pub fn owned_text(&self, path: &'static str) -> Option<String> {
        self.text(path).map(str::to_owned)
    }

    /// False when absent.
    pub fn flag(&self, path: &'static str) -> Read<bool> {
        match self.at(path) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.error(path, "is not true or false")),
        }
    }

    pub fn integer(&self, path: &'static str) -> Read<Option<i64>> {
        let integer = |value: &Value| value.as_i64().ok_or_else(|| self.error(path, "is not an integer"));
        self.at(path).map(integer).transpose()
    }

    pub fn count(&self, path: &'static str) -> Read<Option<u64>> {
        let count = |value: &Value| value.as_u64().ok_or_else(|| self.error(path, "is not a count"));
        self.at(path).map(count).transpose()
    }

    /// Unix seconds.
    pub fn time(&self, path: &'static str) -> Read<Option<Timestamp>> {
        let time = |second| Timestamp::from_second(second).map_err(|_| self.error(path, "is out of range"));
        self.integer(path)?.map(time).transpose()
    }

    /// The id of the object itself.
    pub fn id<T>(&self, parse: fn(&'a str) -> Result<T, InvalidId>) -> Read<T> {
        let id = self.require("/id", self.text("/id"))?;
        parse(id).map_err(|InvalidId(_)| self.error("/id", "is not such an id"))
    }

    /// The id of another object, which Stripe sends bare or, expanded, as the whole object.
    pub fn reference<T>(&self, path: &'static str, parse: fn(&'a str) -> Result<T, InvalidId>) -> Read<Option<T>> {
        let Some(value) = self.at(path) else { return Ok(None) };
        let id = value.as_str().or_else(|| value.get("id")?.as_str());
        let id = id.ok_or_else(|| self.error(path, "is neither an id nor an object with one"))?;
        parse(id).map(Some).map_err(|InvalidId(_)| self.error(path, "is not such an id"))
    }

    /// Nothing when it is no currency we can write amounts of.
    pub fn currency(&self, path: &'static str) -> Option<Currency> {
        Currency::parse(self.text(path)?)
    }

    /// Metadata is text at Stripe; a number is taken as its text, as in a token. What is no user id names no user.
    pub fn user(&self, path: &'static str) -> Option<UserId> {
        let text = match self.at(path)? {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
            _ => return None,
        };
        UserId::parse(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::CustomerId;

    #[test]
    fn an_object_of_another_kind_is_refused() {
        for value in [json!([]), json!("sub_1"), json!(null), json!({"object": "invoice"})] {
            assert!(View::of("customer", &value).is_err(), "{value}");
        }
        assert!(View::of("customer", &json!({})).is_ok());
    }

    #[test]
    fn a_reference_is_bare_or_expanded() {
        for (customer, expected) in [
            (json!("cus_1"), Ok(Some("cus_1"))),
            (json!({"id": "cus_1", "object": "customer"}), Ok(Some("cus_1"))),
            (json!(null), Ok(None)),
            (json!(5), Err("is neither an id nor an object with one")),
            (json!({}), Err("is neither an id nor an object with one")),
            (json!("a\tb"), Err("is not such an id")),
        ] {
            let value = json!({ "customer": customer });
            let view = View::of("invoice", &value).unwrap();
            let found = view.reference("/customer", CustomerId::parse);
            let found = found.as_ref().map(|id| id.as_ref().map(CustomerId::as_str)).map_err(|error| error.problem);
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn times_beyond_the_calendar_are_errors() {
        for (time, problem) in [
            (json!(i64::MAX), "is out of range"),
            (json!(i64::MIN), "is out of range"),
            (json!(u64::MAX), "is not an integer"),
            (json!(1.5), "is not an integer"),
            (json!("1760000000"), "is not an integer"),
        ] {
            let value = json!({ "created": time });
            let error = View::of("customer", &value).unwrap().time("/created").unwrap_err();
            assert_eq!(error, ObjectError { kind: "customer", path: "/created", problem }, "{value}");
        }
    }

    #[test]
    fn a_user_is_a_text_or_an_integer() {
        for (user, expected) in [
            (json!("42"), Some("42")),
            (json!(42), Some("42")),
            (json!(4.2), None),
            (json!(true), None),
            (json!(""), None),
            (json!("a".repeat(129)), None),
        ] {
            let value = json!({"metadata": {"user_id": user}});
            let found = View::of("customer", &value).unwrap().user("/metadata/user_id");
            assert_eq!(found.as_ref().map(UserId::as_str), expected, "{value}");
        }
    }

    #[test]
    fn an_error_names_the_place_and_no_value() {
        let value = json!({"created": "canary"});
        let error = View::of("customer", &value).unwrap().time("/created").unwrap_err();
        assert_eq!(error.to_string(), "customer/created is not an integer");
    }
}
