//! Tokens nobody should believe, made by hand: what no library would mint.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};
use shared::clock::Clock;
use tests::{World, answer};

const STATUS: &str = "/api/subscriptions/status/";
const PROTECTED: &str = "/api/banking/accounts/";

fn claims() -> Value {
    let now = Clock::default().wall_now().as_second();
    json!({ "token_type": "access", "iat": now, "exp": now + 300, "jti": "1", "user_id": 42, "is_superuser": true })
}

fn text_of(header: &Value, claims: &Value) -> String {
    format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
}

fn hs256(key: &[u8], header: &Value, claims: &Value) -> String {
    let text = text_of(header, claims);
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(text.as_bytes());
    format!("{text}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

fn hs384(key: &[u8], header: &Value) -> String {
    let text = text_of(header, &claims());
    let mut mac = Hmac::<Sha384>::new_from_slice(key).expect("any key");
    mac.update(text.as_bytes());
    format!("{text}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

fn hs512(key: &[u8], header: &Value) -> String {
    let text = text_of(header, &claims());
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("any key");
    mac.update(text.as_bytes());
    format!("{text}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

/// The key the stack's tokens are signed with.
fn key(world: &World) -> String {
    world.stack.canaries().into_iter().nth(2).expect("the test mode's token key")
}

#[tokio::test(flavor = "multi_thread")]
async fn other_algorithms_and_keys_from_elsewhere_are_401_even_with_our_own_key() -> Result<()> {
    let world = World::start().await?;
    let key = key(&world);
    let usual = json!({ "alg": "HS256", "typ": "JWT" });
    let own = hs256(key.as_bytes(), &usual, &claims());
    assert_eq!(world.get(PROTECTED, Some(&own)).await?.status, 200, "the hand makes good tokens");

    let attackers = b"a-key-of-the-attacker-of-thirty-two-bytes";
    let by_attacker = |extra: Value| {
        let mut header = usual.clone();
        header.as_object_mut().expect("an object").extend(extra.as_object().cloned().unwrap_or_default());
        hs256(attackers, &header, &claims())
    };
    let (text, signature) = own.rsplit_once('.').expect("three parts");
    let jwk = json!({ "kty": "oct", "k": BASE64.encode(attackers) });
    let public_key = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK\n-----END PUBLIC KEY-----\n";
    let tokens = [
        ("none", format!("{}.", text_of(&json!({ "alg": "none" }), &claims()))),
        ("None", format!("{}.{signature}", text_of(&json!({ "alg": "None" }), &claims()))),
        ("no algorithm", hs256(key.as_bytes(), &json!({ "typ": "JWT" }), &claims())),
        ("no signature", format!("{text}.")),
        ("no dot at the end", text.to_owned()),
        ("HS384 by our key", hs384(key.as_bytes(), &json!({ "alg": "HS384" }))),
        ("HS512 by our key", hs512(key.as_bytes(), &json!({ "alg": "HS512" }))),
        ("HS384 said to be HS256", hs384(key.as_bytes(), &usual)),
        ("RS256 signed with a public key as text", hs256(public_key.as_bytes(), &json!({ "alg": "RS256" }), &claims())),
        ("RS256 signed with our key", hs256(key.as_bytes(), &json!({ "alg": "RS256" }), &claims())),
        ("ES256 signed with our key", hs256(key.as_bytes(), &json!({ "alg": "ES256" }), &claims())),
        ("hs256 in small letters", hs256(key.as_bytes(), &json!({ "alg": "hs256" }), &claims())),
        ("a list of algorithms", hs256(key.as_bytes(), &json!({ "alg": ["HS256"] }), &claims())),
        ("kid of a file", by_attacker(json!({ "kid": "../../../../dev/null" }))),
        ("kid of a query", by_attacker(json!({ "kid": "x' UNION SELECT 'key" }))),
        ("jku", by_attacker(json!({ "jku": format!("{}/keys", world.stack.api_url()) }))),
        ("x5u", by_attacker(json!({ "x5u": format!("{}/cert", world.stack.api_url()) }))),
        ("jwk", by_attacker(json!({ "jwk": jwk }))),
        ("x5c", by_attacker(json!({ "x5c": [BASE64.encode(attackers)] }))),
        ("an empty key", hs256(b"", &usual, &claims())),
        ("the webhook's secret", hs256(world.stack.webhook_secret().as_bytes(), &usual, &claims())),
        ("two tokens in one", format!("{own}.{own}")),
        ("padding", format!("{own}=")),
        ("standard base64", format!("{text}.{}", signature.replace(['-', '_'], "+"))),
        ("100 KB", hs256(key.as_bytes(), &usual, &json!({ "name": "x".repeat(75_000), "user_id": 42 }))),
    ];
    let calls = world.stack.dynamodb_calls().len();
    let arrived = world.stack.upstream_arrivals().len();
    for (name, token) in tokens {
        // What equals our own token says nothing.
        if token == own {
            continue;
        }
        for path in [STATUS, PROTECTED] {
            let asked = super::Asked::new("GET", path).header("authorization", &format!("Bearer {token}"));
            let core = world.stack.shared_core();
            let function = if path == STATUS { status::function(&core) } else { gate::function(&core) };
            let told = asked.of(&function).await?;
            assert_eq!((told.status, told.code().as_str()), (401, "token_not_valid"), "{name} {path}");
        }
    }
    assert_eq!(world.stack.dynamodb_calls().len(), calls, "nobody's records were read");
    assert_eq!(world.stack.upstream_arrivals().len(), arrived, "nothing was passed on or fetched");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_user_id_is_it_names_one_user_or_nobody() -> Result<()> {
    let world = World::start().await?;
    let key = key(&world);
    world.subscribe(&world.token("1")?).await?;
    let with = |user: &str| {
        let text = claims().to_string().replace("\"user_id\":42", &format!("\"user_id\":{user}"));
        let text = format!("{}.{}", BASE64.encode(r#"{"alg":"HS256"}"#), BASE64.encode(text));
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key");
        mac.update(text.as_bytes());
        format!("{text}.{}", BASE64.encode(mac.finalize().into_bytes()))
    };
    let nobody = ["1.0", "1e0", "true", "[1]", "{\"id\":1}", "null", "\"\"", "1e400", "\"\\u0000\"", "\"1\\n\""];
    for user in nobody.map(str::to_owned).into_iter().chain(["9".repeat(400), format!("\"{}\"", "9".repeat(400))]) {
        let answer = world.get(STATUS, Some(&with(&user))).await?;
        assert_eq!((answer.status, answer.code()), (401, "token_not_valid"), "{user:.40}");
    }
    for (user, status) in [
        ("1", "trialing"),
        ("\"1\"", "trialing"),
        ("\"01\"", "none"),
        ("\"+1\"", "none"),
        ("\" 1\"", "none"),
        ("-1", "none"),
        ("\"1#subscription\"", "none"),
        ("\"test#user#1\"", "none"),
        ("\"１\"", "none"),
    ] {
        assert_eq!(world.status(&with(user)).await?["status"], status, "{user}");
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_authorization_header_with_one_token_or_none_at_all() -> Result<()> {
    let world = World::start().await?;
    let token = world.stack.token(json!({ "user_id": 7, "is_superuser": true }))?;
    let asked = |values: &[String]| {
        let request = world.http.request(Method::GET, format!("{}{PROTECTED}", world.api_url));
        answer(values.iter().fold(request, |request, value| request.header("authorization", value)))
    };
    for value in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER  {token}")] {
        assert_eq!(asked(std::slice::from_ref(&value)).await?.status, 200, "{:.10}", value);
    }
    let good = format!("Bearer {token}");
    for values in [
        vec![good.clone(), good.clone()],
        vec![good.clone(), "Bearer x".to_owned()],
        vec![format!("{good}, {good}")],
        vec![format!("{good} x")],
        vec![format!("Bearer{token}")],
        vec![format!("Token {token}")],
        vec![format!("Bearer Bearer {token}")],
        vec![token.clone()],
    ] {
        assert_eq!(
            asked(&values).await?.status,
            401,
            "{:?}",
            values.iter().map(|value| value.len()).collect::<Vec<_>>()
        );
    }
    // Nor anywhere else: a token in a URL is in somebody's log.
    let in_query = world.get(&format!("{PROTECTED}?token={token}&access_token={token}"), None).await?;
    assert_eq!((in_query.status, in_query.code()), (401, "not_authenticated"));
    let cookie = world.request(Method::GET, PROTECTED, None).header("cookie", format!("access={token}"));
    assert_eq!(answer(cookie).await?.status, 401);
    world.stack.shutdown().await
}
