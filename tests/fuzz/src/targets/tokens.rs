//! Access tokens.

use jiff::Timestamp;
use jsonwebtoken::{EncodingKey, Header};
use secrecy::SecretString;
use serde_json::Value;
use shared::auth::{token, use_hs256_only};

use super::signature::NOW;

const KEY: &str = "the-current-key-of-thirty-two-bytes-or-more";

/// The bytes as a token must be refused; as claims that we signed ourselves they must be good ones to be accepted.
pub(crate) fn claims(data: &[u8]) {
    use_hs256_only();
    let now = Timestamp::from_second(NOW).expect("a time");
    let keys = [SecretString::from(KEY)];
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(token::verify(text, &keys, None, now).is_err(), "a token of nobody");
    }
    let Ok(claims) = serde_json::from_slice::<Value>(data) else { return };
    let key = EncodingKey::from_secret(KEY.as_bytes());
    let Ok(signed) = jsonwebtoken::encode(&Header::default(), &claims, &key) else { return };
    assert!(token::verify(&signed, &[SecretString::from("another-key")], None, now).is_err());
    let Ok(caller) = token::verify(&signed, &keys, None, now) else { return };
    assert_eq!(claims["token_type"], "access");
    assert!(claims["exp"].as_f64().is_some_and(|exp| exp > NOW as f64 - 30.0), "expired");
    for name in ["nbf", "iat"] {
        assert!(claims.get(name).is_none_or(|time| time.as_f64().is_some_and(|time| time <= NOW as f64 + 30.0)));
    }
    let user = caller.user.as_str();
    assert!((1..=128).contains(&user.chars().count()) && !user.chars().any(char::is_control));
    let number = claims["user_id"].as_number().map(ToString::to_string);
    assert_eq!(claims["user_id"].as_str().or(number.as_deref()), Some(user));
    assert_eq!(caller.is_superuser, claims["is_superuser"] == true);
}
