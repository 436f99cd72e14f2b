//! What a good secret is: the JSON an operator writes, field by field.
//!
//! A complaint names the field and what is wrong with it, never the value.

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{ModeSecrets, WebhookSigningSecret};
use crate::domain::Mode;

const SHORTEST_SIGNING_SECRET: usize = 16;
/// HS256 asks for a key as long as its hash: <https://datatracker.ietf.org/doc/html/rfc7518#section-3.2>.
const SHORTEST_JWT_KEY_BYTES: usize = 32;
/// What templates and guides put where a value belongs, compared without separators and case.
const PLACEHOLDERS: [&str; 4] = ["replaceme", "changeme", "placeholder", "yoursecret"];

/// A field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub field: String,
    pub problem: &'static str,
}

impl Complaint {
    fn new(field: impl Into<String>, problem: &'static str) -> Complaint {
        Complaint { field: field.into(), problem }
    }
}

/// Reads and checks the secret of `mode`.
pub fn read(mode: Mode, json: &str) -> Result<ModeSecrets, Complaint> {
    // serde_json's own message may quote the value.
    let document: Value = serde_json::from_str(json).map_err(|_| Complaint::new("SecretString", "is not JSON"))?;
    let Value::Object(fields) = document else {
        return Err(Complaint::new("SecretString", "is not a JSON object"));
    };
    let stripe_secret_key = text(&fields, "stripe_secret_key", "")?;
    check_stripe_key("stripe_secret_key", &stripe_secret_key, mode, &["sk", "rk"])?;
    let stripe_publishable_key = text(&fields, "stripe_publishable_key", "")?;
    check_stripe_key("stripe_publishable_key", &stripe_publishable_key, mode, &["pk"])?;
    let signing_secrets = signing_secrets(&fields)?;

    let mut others = vec![stripe_secret_key.clone(), stripe_publishable_key.clone()];
    others.extend(signing_secrets.iter().map(|(_, secret)| secret.clone()));
    let jwt_signing_keys = jwt_signing_keys(&fields, &others)?;

    Ok(ModeSecrets {
        mode,
        stripe_secret_key: stripe_secret_key.into(),
        stripe_publishable_key,
        webhook_signing_secrets: signing_secrets.into_iter().map(|(signing, _)| signing).collect(),
        jwt_signing_keys,
    })
}

/// Everything that is wrong with the secret, where [`read`] names the first: for an operator who mends it field by field.
pub fn complaints(mode: Mode, fields: &Map<String, Value>) -> Vec<Complaint> {
    let key = |name: &str, kinds: &[&str]| {
        text(fields, name, "").and_then(|key| check_stripe_key(name, &key, mode, kinds).map(|()| key))
    };
    let (secret, publishable) = (key("stripe_secret_key", &["sk", "rk"]), key("stripe_publishable_key", &["pk"]));
    let signing = signing_secrets(fields);
    let of_signing = signing.iter().flatten().map(|(_, secret)| secret.clone());
    let others: Vec<String> = [&secret, &publishable].into_iter().flatten().cloned().chain(of_signing).collect();
    let jwt = jwt_signing_keys(fields, &others);
    [secret.err(), publishable.err(), signing.err(), jwt.err()].into_iter().flatten().collect()
}

fn text(fields: &Map<String, Value>, name: &str, of: &str) -> Result<String, Complaint> {
    let problem = match fields.get(name) {
        None | Some(Value::Null) => "is missing",
        Some(Value::String(text)) => match text.trim() {
            "" => "is empty",
            trimmed if trimmed.len() != text.len() => "has spaces around it",
            _ if is_placeholder(text) => "is still a placeholder",
            _ => return Ok(text.clone()),
        },
        Some(_) => "is not text",
    };
    Err(Complaint::new(format!("{of}{name}"), problem))
}

fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], Complaint> {
    match fields.get(name) {
        None | Some(Value::Null) => Err(Complaint::new(name, "is missing")),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Complaint::new(name, "is not a list")),
    }
}

fn is_placeholder(text: &str) -> bool {
    let letters: String = text.chars().filter(char::is_ascii_alphabetic).collect();
    let letters = letters.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|placeholder| letters.contains(placeholder))
}

/// <https://docs.stripe.com/keys#obtain-api-keys>: kind, mode, then letters and digits.
fn check_stripe_key(field: &str, key: &str, mode: Mode, kinds: &[&str]) -> Result<(), Complaint> {
    let problem = match key.splitn(3, '_').collect::<Vec<_>>()[..] {
        [kind @ ("sk" | "rk" | "pk"), _, _] if !kinds.contains(&kind) => "is a Stripe key of another kind",
        [kind, "test" | "live", rest] if kinds.contains(&kind) && !is_key_text(rest) => "is not a whole Stripe key",
        [kind, of_mode @ ("test" | "live"), _] if kinds.contains(&kind) => match of_mode == mode.as_str() {
            true => return Ok(()),
            false => "is a key of the other mode",
        },
        _ => "is not such a Stripe key",
    };
    Err(Complaint::new(field, problem))
}

fn is_key_text(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// With the text of each secret, for the comparison with the token keys.
fn signing_secrets(fields: &Map<String, Value>) -> Result<Vec<(WebhookSigningSecret, String)>, Complaint> {
    const NAME: &str = "webhook_signing_secrets";
    let mut found = Vec::new();
    for (index, item) in list(fields, NAME)?.iter().enumerate() {
        let Value::Object(fields) = item else {
            return Err(Complaint::new(format!("{NAME}[{index}]"), "is not an object"));
        };
        let of = format!("{NAME}[{index}].");
        let secret = text(fields, "secret", &of)?;
        let problem = if !secret.starts_with("whsec_") {
            Some("does not start with whsec_")
        } else if secret.len() < SHORTEST_SIGNING_SECRET {
            Some("is too short")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(Complaint::new(format!("{of}secret"), problem));
        }
        let signing = WebhookSigningSecret {
            uuid: text(fields, "uuid", &of)?,
            endpoint_id: text(fields, "endpoint_id", &of)?,
            secret: secret.clone().into(),
        };
        found.push((signing, secret));
    }
    Ok(found)
}

fn jwt_signing_keys(fields: &Map<String, Value>, others: &[String]) -> Result<Vec<SecretString>, Complaint> {
    const NAME: &str = "jwt_signing_keys";
    let items = list(fields, NAME)?;
    if items.is_empty() {
        return Err(Complaint::new(NAME, "is empty"));
    }
    let mut seen: Vec<&str> = others.iter().map(String::as_str).collect();
    let mut keys = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let problem = match item {
            Value::String(key) if key.trim().is_empty() => "is empty",
            Value::String(key) if key.len() < SHORTEST_JWT_KEY_BYTES => "is shorter than 32 bytes",
            Value::String(key) if is_placeholder(key) => "is still a placeholder",
            Value::String(key) if seen.contains(&key.as_str()) => "is equal to another secret",
            Value::String(key) => {
                seen.push(key);
                keys.push(SecretString::from(key.clone()));
                continue;
            }
            _ => "is not text",
        };
        return Err(Complaint::new(format!("{NAME}[{index}]"), problem));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GOOD: &str = r#"{
        "stripe_secret_key": "sk_test_51AbcDEF",
        "stripe_publishable_key": "pk_test_51AbcDEF",
        "webhook_signing_secrets": [{"uuid": "6a5e", "endpoint_id": "we_1", "secret": "whsec_0123456789abcdef"}],
        "jwt_signing_keys": ["current-key-0123456789-0123456789-0123456789"]
    }"#;

    /// What is said of the good secret with one value replaced; null takes the field away.
    fn complaint(pointer: &str, value: Value) -> String {
        let mut document: Value = serde_json::from_str(GOOD).unwrap();
        *document.pointer_mut(pointer).unwrap() = value.clone();
        let Complaint { field, problem } = read(Mode::Test, &document.to_string()).unwrap_err();
        if let Some(value) = value.as_str().filter(|value| value.len() > 4) {
            assert!(!format!("{field} {problem}").contains(value), "the value is never told");
        }
        format!("{field} {problem}")
    }

    #[test]
    fn the_good_secret_is_good_in_its_own_mode_only() {
        assert!(read(Mode::Test, GOOD).is_ok());
        assert!(read(Mode::Live, &GOOD.replace("_test_", "_live_")).is_ok());
        assert!(read(Mode::Test, &GOOD.replace("sk_test_", "rk_test_")).is_ok(), "restricted keys are keys");
        let Complaint { field, problem } = read(Mode::Live, GOOD).unwrap_err();
        assert_eq!((field.as_str(), problem), ("stripe_secret_key", "is a key of the other mode"));
    }

    #[test]
    fn no_endpoint_yet_is_no_mistake() {
        let mut document: Value = serde_json::from_str(GOOD).unwrap();
        document["webhook_signing_secrets"] = json!([]);
        assert!(read(Mode::Test, &document.to_string()).unwrap().webhook_signing_secrets.is_empty());
    }

    #[test]
    fn each_wrong_value_is_refused_by_the_name_of_its_field() {
        let whsec = "/webhook_signing_secrets/0";
        let of = |field: &str| format!("{whsec}/{field}");
        for (pointer, value, expected) in [
            ("/stripe_secret_key", json!(null), "stripe_secret_key is missing"),
            ("/stripe_secret_key", json!(""), "stripe_secret_key is empty"),
            ("/stripe_secret_key", json!("  "), "stripe_secret_key is empty"),
            ("/stripe_secret_key", json!(7), "stripe_secret_key is not text"),
            ("/stripe_secret_key", json!("sk_live_51Abc"), "stripe_secret_key is a key of the other mode"),
            ("/stripe_secret_key", json!("rk_live_51Abc"), "stripe_secret_key is a key of the other mode"),
            ("/stripe_secret_key", json!("pk_test_51Abc"), "stripe_secret_key is a Stripe key of another kind"),
            ("/stripe_secret_key", json!("sk_test_"), "stripe_secret_key is not a whole Stripe key"),
            ("/stripe_secret_key", json!("sk_test_..."), "stripe_secret_key is not a whole Stripe key"),
            ("/stripe_secret_key", json!("sk_test_51Abc\n"), "stripe_secret_key has spaces around it"),
            ("/stripe_secret_key", json!("sk_test_REPLACE_ME"), "stripe_secret_key is still a placeholder"),
            ("/stripe_secret_key", json!("whsec_0123456789abcdef"), "stripe_secret_key is not such a Stripe key"),
            ("/stripe_publishable_key", json!(null), "stripe_publishable_key is missing"),
            (
                "/stripe_publishable_key",
                json!("sk_test_51Abc"),
                "stripe_publishable_key is a Stripe key of another kind",
            ),
            ("/stripe_publishable_key", json!("pk_live_51Abc"), "stripe_publishable_key is a key of the other mode"),
            ("/webhook_signing_secrets", json!(null), "webhook_signing_secrets is missing"),
            ("/webhook_signing_secrets", json!({}), "webhook_signing_secrets is not a list"),
            (whsec, json!("whsec_0123456789abcdef"), "webhook_signing_secrets[0] is not an object"),
            (&of("secret"), json!(""), "webhook_signing_secrets[0].secret is empty"),
            (&of("secret"), json!("0123456789abcdef"), "webhook_signing_secrets[0].secret does not start with whsec_"),
            (&of("secret"), json!("whsec_012345678"), "webhook_signing_secrets[0].secret is too short"),
            (&of("uuid"), json!(""), "webhook_signing_secrets[0].uuid is empty"),
            (&of("endpoint_id"), json!(null), "webhook_signing_secrets[0].endpoint_id is missing"),
            ("/jwt_signing_keys", json!([]), "jwt_signing_keys is empty"),
            ("/jwt_signing_keys", json!("key"), "jwt_signing_keys is not a list"),
            ("/jwt_signing_keys/0", json!(""), "jwt_signing_keys[0] is empty"),
            ("/jwt_signing_keys/0", json!("x".repeat(31)), "jwt_signing_keys[0] is shorter than 32 bytes"),
            ("/jwt_signing_keys/0", json!(["x"]), "jwt_signing_keys[0] is not text"),
        ] {
            assert_eq!(complaint(pointer, value), expected, "{pointer}");
        }
    }

    #[test]
    fn a_token_key_is_no_other_secret() {
        let long_secret = "whsec_0123456789abcdef0123456789abcdef";
        let document = GOOD.replace("whsec_0123456789abcdef", long_secret);
        let document = document.replace("current-key-0123456789-0123456789-0123456789", long_secret);
        let complaint = read(Mode::Test, &document).unwrap_err();
        assert_eq!(complaint, Complaint::new("jwt_signing_keys[0]", "is equal to another secret"));
        let twice = GOOD.replace(r#""current-key"#, r#""current-key-0123456789-0123456789-0123456789", "current-key"#);
        let complaint = read(Mode::Test, &twice).unwrap_err();
        assert_eq!(complaint, Complaint::new("jwt_signing_keys[1]", "is equal to another secret"));
    }

    #[test]
    fn every_field_that_is_wrong_is_named_at_once_and_a_good_secret_has_none() {
        let fields = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        assert_eq!(complaints(Mode::Test, &fields(GOOD)), []);
        let of = |text: &str| complaints(Mode::Live, &fields(text)).into_iter().map(|complaint| complaint.field);
        assert_eq!(of(GOOD).collect::<Vec<_>>(), ["stripe_secret_key", "stripe_publishable_key"]);
        let all = ["stripe_secret_key", "stripe_publishable_key", "webhook_signing_secrets", "jwt_signing_keys"];
        assert_eq!(of("{}").collect::<Vec<_>>(), all);
    }

    #[test]
    fn what_is_no_json_object_is_refused_without_being_quoted() {
        for text in ["", "sk_test_51Abc", "[]", "\"sk_test_51Abc\"", "{"] {
            assert_eq!(read(Mode::Test, text).unwrap_err().field, "SecretString", "{text}");
        }
    }
}
