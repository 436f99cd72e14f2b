//! Tokens that are good, and every way of not being so.

use jsonwebtoken::{EncodingKey, Header};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const KEY: &str = "the-current-key-of-thirty-two-bytes-or-more";
const PREVIOUS: &str = "the-previous-key-of-thirty-two-bytes-or-more";

fn noon() -> Timestamp {
    "2025-10-06T12:00:00Z".parse().unwrap()
}

fn seconds_from_noon(seconds: i64) -> i64 {
    noon().as_second() + seconds
}

/// Claims as simplejwt mints them, with some replaced (null = taken away).
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "token_type": "access",
        "exp": seconds_from_noon(300),
        "iat": seconds_from_noon(-10),
        "jti": "0f6fbc5a",
        "user_id": 42,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn signed(claims: &Value, key: &str) -> String {
    use_hs256_only();
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(key.as_bytes())).unwrap()
}

fn check(token: &str) -> Result<Caller, TokenError> {
    verify(token, &[KEY.to_owned().into(), PREVIOUS.to_owned().into()], None, noon())
}

fn check_claims(changes: Value) -> Result<Caller, TokenError> {
    check(&signed(&claims(changes), KEY))
}

#[test]
fn a_token_of_simplejwt_names_its_user() {
    let caller = check_claims(json!({})).unwrap();
    assert_eq!(caller.user.as_str(), "42");
    assert!(!caller.is_superuser);
    assert_eq!((caller.email, caller.name, caller.price, caller.acquisition_angle), (None, None, None, None));
}

#[test]
fn optional_claims_are_used_when_they_are_there() {
    let caller = check_claims(json!({
        "email": "ana@example.com", "name": "Ana", "is_superuser": true,
        "price_id": "price_1", "acquisition_angle": "cash-flow",
    }))
    .unwrap();
    assert_eq!(caller.email.as_deref(), Some("ana@example.com"));
    assert_eq!(caller.name.as_deref(), Some("Ana"));
    assert!(caller.is_superuser);
    assert_eq!(caller.price, PriceId::parse("price_1").ok());
    assert_eq!(caller.acquisition_angle.as_deref(), Some("cash-flow"));
    assert_eq!(format!("{caller:?}"), "Caller(42)");
}

#[test]
fn optional_claims_of_another_kind_are_as_good_as_absent() {
    let caller =
        check_claims(json!({"email": 7, "name": " ", "is_superuser": "true", "price_id": "not\ta price"})).unwrap();
    assert_eq!((caller.email, caller.name, caller.price), (None, None, None));
    assert!(!caller.is_superuser, "only true makes a superuser");
}

#[test]
fn a_number_and_its_text_are_one_user() {
    assert_eq!(check_claims(json!({"user_id": 42})), check_claims(json!({"user_id": "42"})));
    assert_eq!(check_claims(json!({"user_id": u64::MAX})).unwrap().user.as_str(), "18446744073709551615");
}

#[test]
fn what_is_no_user_id_is_refused() {
    let long = "x".repeat(129);
    for user_id in [json!(42.0), json!(1e3), json!(true), json!([42]), json!({"id": 42}), json!(""), json!(long)] {
        assert_eq!(check_claims(json!({"user_id": user_id})), Err(TokenError::NoUser), "{user_id}");
    }
    assert_eq!(check_claims(json!({"user_id": null})), Err(TokenError::NoUser));
    assert!(check_claims(json!({"user_id": "x".repeat(128)})).is_ok());
}

#[test]
fn only_access_tokens_are_accepted() {
    for token_type in [json!("refresh"), json!("sliding"), json!("Access"), json!(null), json!(["access"])] {
        assert_eq!(check_claims(json!({"token_type": token_type})), Err(TokenError::NotAccess), "{token_type}");
    }
}

#[test]
fn expiry_is_required_and_has_thirty_seconds_of_leeway() {
    assert!(check_claims(json!({"exp": seconds_from_noon(-29)})).is_ok());
    assert!(check_claims(json!({"exp": seconds_from_noon(-29) as f64 - 0.5})).is_ok());
    for exp in [json!(seconds_from_noon(-30)), json!(null), json!("2030-01-01"), json!(0), json!(-1)] {
        assert_eq!(check_claims(json!({"exp": exp})), Err(TokenError::Expired), "{exp}");
    }
}

#[test]
fn a_token_from_the_future_is_refused_beyond_the_leeway() {
    for name in ["nbf", "iat"] {
        assert!(check_claims(json!({name: seconds_from_noon(30)})).is_ok());
        for time in [json!(seconds_from_noon(31)), json!("now"), json!([])] {
            assert_eq!(check_claims(json!({name: time})), Err(TokenError::NotYetValid), "{name} {time}");
        }
    }
}

#[test]
fn every_stored_key_verifies_and_no_other() {
    assert!(check(&signed(&claims(json!({})), PREVIOUS)).is_ok());
    let other = signed(&claims(json!({})), "a-key-nobody-stored-of-thirty-two-bytes");
    assert_eq!(check(&other), Err(TokenError::UnknownKey));
    assert_eq!(verify(&other, &[], None, noon()), Err(TokenError::UnknownKey));
}

/// The same claims and signature under another header.
fn with_header(token: &str, header: Value) -> String {
    let rest = token.split_once('.').unwrap().1;
    format!("{}.{rest}", base64_url(header.to_string().as_bytes()))
}

/// jsonwebtoken keeps its own base64 to itself; a signed string is a way to it.
fn base64_url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |bits: u32| char::from(DIGITS[(bits & 63) as usize]);
    let group = |chunk: &[u8]| {
        let bits = chunk.iter().chain(&[0, 0]).take(3).fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let digits = [digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)];
        digits[..=chunk.len()].iter().collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

#[test]
fn other_algorithms_are_refused_whatever_the_signature() {
    let good = signed(&claims(json!({})), KEY);
    assert!(check(&with_header(&good, json!({"alg": "HS256", "typ": "JWT"}))).is_err(), "another header, another text");
    for algorithm in ["none", "None", "HS384", "HS512", "RS256", "ES256", "hs256", ""] {
        let token = with_header(&good, json!({"alg": algorithm, "typ": "JWT"}));
        assert_eq!(check(&token), Err(TokenError::Malformed), "{algorithm}");
    }
    let unsigned = with_header(&good, json!({"alg": "none"}));
    let unsigned = unsigned.rsplit_once('.').unwrap().0;
    assert_eq!(check(&format!("{unsigned}.")), Err(TokenError::Malformed));
}

#[test]
fn a_changed_token_is_refused() {
    let good = signed(&claims(json!({})), KEY);
    let admin = signed(&claims(json!({"user_id": 1, "is_superuser": true})), "the-attackers-own-key-of-thirty-two-b");
    let claims_of_admin = admin.split('.').nth(1).unwrap();
    let mut parts: Vec<&str> = good.split('.').collect();
    parts[1] = claims_of_admin;
    assert_eq!(check(&parts.join(".")), Err(TokenError::UnknownKey));
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "\u{e9}.\u{e9}.\u{e9}"] {
        assert!(check(text).is_err(), "{text:?}");
    }
    for claims in [json!([1]), json!("access"), json!(null)] {
        assert_eq!(check(&signed(&claims, KEY)), Err(TokenError::Malformed), "{claims}");
    }
}

#[test]
fn a_token_over_eight_kilobytes_is_refused_unread() {
    let with = |size: usize| signed(&claims(json!({"name": "x".repeat(size)})), KEY);
    let lengths: Vec<(usize, bool)> = (5_850..6_150)
        .map(with)
        .map(|token| (token.len(), check(&token) != Err(TokenError::TooLong)))
        .filter(|(length, _)| length.abs_diff(8 * 1024) < 8)
        .collect();
    assert!(lengths.iter().any(|(length, _)| *length == 8 * 1024), "{lengths:?}");
    assert!(lengths.iter().all(|(length, is_read)| *is_read == (*length <= 8 * 1024)), "{lengths:?}");
    let long = signed(&claims(json!({"name": "x".repeat(8 * 1024)})), KEY);
    assert_eq!(check(&long), Err(TokenError::TooLong));
}

#[test]
fn the_audience_counts_only_when_the_operator_names_one() {
    let check_for = |wanted: &str, aud: Value| {
        verify(&signed(&claims(json!({"aud": aud})), KEY), &[KEY.to_owned().into()], Some(wanted), noon())
    };
    assert!(check_claims(json!({"aud": "elsewhere"})).is_ok());
    assert!(check_for("caixahub", json!("caixahub")).is_ok());
    assert!(check_for("caixahub", json!(["other", "caixahub"])).is_ok());
    for aud in [json!(null), json!("caixahub2"), json!([]), json!(["other"]), json!({"caixahub": true}), json!(7)] {
        assert_eq!(check_for("caixahub", aud.clone()), Err(TokenError::OtherAudience), "{aud}");
    }
}

proptest! {
    #[test]
    fn no_text_without_our_signature_is_a_token(text in "[A-Za-z0-9_.-]{0,200}") {
        prop_assert!(check(&text).is_err());
    }

    #[test]
    fn no_changed_byte_goes_unnoticed(place in 0usize..1000, byte in "[A-Za-z0-9_-]") {
        let good = signed(&claims(json!({})), KEY);
        let place = place % good.len();
        let mut changed = good.clone();
        changed.replace_range(place..=place, &byte);
        // The last digit of a base64 text has bits that decode to nothing: a strict decoder refuses them too.
        prop_assert!(changed == good || check(&changed).is_err());
    }
}
