//! Webhooks that Stripe did not send, and genuine ones that look strange.

use std::collections::BTreeMap;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::domain::Mode;
use shared::stripe::signature;
use stripe_webhook::{Webhook, WebhookError};
use tests::{EventBuilder, World, signature_cases};

use super::{Asked, Told};

fn now() -> i64 {
    Clock::default().wall_now().as_second()
}

fn body() -> String {
    EventBuilder::subscription("evt_1", "sub_1", "cus_1", 1_760_000_000).owned_by("42").body()
}

fn signed(secret: &str, second: i64, body: &[u8]) -> String {
    signature::sign(&secret.into(), second, body)
}

fn tag_of(header: &str) -> &str {
    header.split_once("v1=").map_or("", |(_, tag)| tag)
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_signatures_are_401_cost_nothing_and_are_not_repeated() -> Result<()> {
    let world = World::start().await?;
    let webhook = webhook::function(&world.stack.shared_core());
    let (secret, body, now) = (world.stack.webhook_secret(), body(), now());
    let good = signed(secret, now, body.as_bytes());
    let tag = tag_of(&good);
    let at = |time: &str| format!("t={time},v1={tag}");
    let shift = |seconds: i64| signed(secret, now + seconds, body.as_bytes());
    let thousands = |last: &str| format!("t={now},{}{last}", format!("v1={},", "0".repeat(64)).repeat(10_000));
    let headers = [
        ("empty", String::new()),
        ("no time", format!("v1={tag}")),
        ("v0 only", format!("t={now},v0={tag}")),
        ("no v1", format!("t={now}")),
        ("an empty v1", format!("t={now},v1=")),
        ("not hex", format!("t={now},v1={}", "z".repeat(64))),
        ("odd length", format!("t={now},v1={}", &tag[..63])),
        ("truncated", format!("t={now},v1={}", &tag[..32])),
        ("too long", format!("t={now},v1={tag}00")),
        ("one digit changed", good.replace(&tag[..1], if tag.starts_with('0') { "1" } else { "0" })),
        ("10,000 wrong ones", thousands("v1=00")),
        ("10,000 wrong ones and the right one", thousands(&format!("v1={tag}"))),
        ("over 4 KB, the right one first", format!("{good},v0={}", "0".repeat(4096))),
        ("two times", format!("t={now},t={},v1={tag}", now - 1)),
        ("another time than was signed", at(&(now - 1).to_string())),
        ("the least time", at(&i64::MIN.to_string())),
        ("the greatest time", at(&i64::MAX.to_string())),
        ("a time beyond 64 bits", at("99999999999999999999")),
        ("a sign", at(&format!("+{now}"))),
        ("an exponent", at("1.76e9")),
        ("a fraction", at(&format!("{now}.0"))),
        ("hexadecimal", at("0x68e7")),
        ("no time at all", at("")),
        ("stale", shift(-310)),
        ("from the future", shift(310)),
        ("of another body", signed(secret, now, b"{}")),
        ("of the body and a line feed", signed(secret, now, format!("{body}\n").as_bytes())),
        ("by live mode's secret", signed(world.stack.webhook_secret_of(Mode::Live), now, body.as_bytes())),
        ("by an empty secret", signed("", now, body.as_bytes())),
        ("by the secret without its prefix", signed(secret.trim_start_matches("whsec_"), now, body.as_bytes())),
        ("semicolons", good.replace(',', ";")),
        ("capital names", good.to_uppercase()),
        ("quotes", format!("\"{good}\"")),
        ("with NUL", format!("{good}\u{0}")),
    ];
    let path = world.stack.webhook_path();
    let secrets_before = world.stack.secrets_calls().len();
    for (name, header) in headers {
        let asked = Asked::new("POST", &path).header("stripe-signature", &header).text(&body);
        match asked.of(&webhook).await {
            Ok(told) => assert_refused(name, &told),
            // No header holds a NUL: lambda_http says so before the function is asked.
            Err(error) => assert_eq!(name, "with NUL", "{error}"),
        }
    }
    let none = Asked::new("POST", &path).text(&body).of(&webhook).await?;
    assert_refused("absent", &none);
    let in_arabic_digits = at("١٧٦٠٠٠٠٠٠٠");
    let told = Asked::new("POST", &path).header("stripe-signature", &in_arabic_digits).text(&body).of(&webhook).await?;
    assert_refused("Arabic digits", &told);
    assert!(world.stack.dynamodb_calls().is_empty(), "nothing was stored");
    assert!(world.stripe_calls().await?.is_empty());
    let reads = world.stack.secrets_calls().len() - secrets_before;
    assert!(reads <= 8, "two versions of two secrets, and once more because they might be new: {reads}");
    world.stack.shutdown().await
}

fn assert_refused(name: &str, told: &Told) {
    assert_eq!(told.status, 401, "{name}: {told:?}");
    assert_eq!(told.body(), json!({ "error": "Invalid signature", "code": "INVALID_SIGNATURE" }), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_signature_headers_are_refused_though_both_be_right() -> Result<()> {
    let world = World::start().await?;
    let body = body();
    let header = signed(world.stack.webhook_secret(), now(), body.as_bytes());
    let url = format!("{}{}", world.function_url, world.stack.webhook_path());
    let request = world.http.post(url).header("stripe-signature", &header).header("stripe-signature", &header);
    // A function URL joins them with a comma, so the time is there twice: the same one, which is no contradiction.
    let joined = tests::answer(request.body(body.clone())).await?;
    assert_eq!(joined.status, 200, "{joined:?}");
    let differing = format!("{header},{}", signed(world.stack.webhook_secret(), now() - 5, body.as_bytes()));
    let refused = world.deliver_as(&world.stack.webhook_path(), Some(&differing), body.as_bytes()).await?;
    assert_eq!(refused.status, 401);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_that_were_signed_are_judged_and_no_others() -> Result<()> {
    let world = World::start().await?;
    let webhook = webhook::function(&world.stack.shared_core());
    let path = world.stack.webhook_path();
    let secret = world.stack.webhook_secret().to_owned();
    let sign = |bytes: &[u8]| signed(&secret, now(), bytes);
    let with = |signature: String| Asked::new("POST", &path).header("stripe-signature", &signature);

    let plain = body();
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&plain)?)?;
    let crlf = pretty.replace('\n', "\r\n");
    for (name, bytes, expected) in [
        ("as Stripe sends it", plain.clone(), (200, "")),
        ("line feeds", pretty.clone(), (200, "")),
        ("CRLF", crlf.clone(), (200, "")),
        ("a byte order mark", format!("\u{feff}{plain}"), (400, "INVALID_EVENT")),
        ("a NUL at the end", format!("{plain}\u{0}"), (400, "INVALID_EVENT")),
        ("nothing", String::new(), (400, "INVALID_EVENT")),
    ] {
        let told = with(sign(bytes.as_bytes())).text(&bytes).of(&webhook).await?;
        assert_eq!((told.status, told.code().as_str()), expected, "{name} as text: {told:?}");
        let told = with(sign(bytes.as_bytes())).base64(&BASE64.encode(&bytes)).of(&webhook).await?;
        assert_eq!((told.status, told.code().as_str()), expected, "{name} as base64: {told:?}");
    }

    let not_utf8 = [plain.as_bytes(), b"\xff"].concat();
    let told = with(sign(&not_utf8)).base64(&BASE64.encode(&not_utf8)).of(&webhook).await?;
    assert_eq!((told.status, told.code().as_str()), (400, "INVALID_EVENT"), "genuine, and still not JSON");

    // Whoever changes a byte on the way, or signs what travels in place of what it means, is not Stripe.
    let encoded = BASE64.encode(&plain);
    for (name, asked) in [
        ("CRLF for the line feeds that were signed", with(sign(pretty.as_bytes())).text(&crlf)),
        ("a byte order mark was added", with(sign(plain.as_bytes())).text(&format!("\u{feff}{plain}"))),
        ("a byte order mark was lost", with(sign(format!("\u{feff}{plain}").as_bytes())).text(&plain)),
        ("a NUL was added", with(sign(plain.as_bytes())).text(&format!("{plain}\u{0}"))),
        ("the base64 was signed", with(sign(encoded.as_bytes())).base64(&encoded)),
        ("base64 that is not said to be", with(sign(plain.as_bytes())).text(&encoded)),
        ("replacement characters for broken bytes", with(sign(&not_utf8)).text(&String::from_utf8_lossy(&not_utf8))),
    ] {
        assert_refused(name, &asked.of(&webhook).await?);
    }
    world.stack.shutdown().await
}

#[test]
fn our_verdicts_are_those_the_cases_were_made_for() -> Result<()> {
    let cases = signature_cases::all();
    assert!(cases.len() > 2_500, "{}", cases.len());
    for case in &cases {
        let now = jiff::Timestamp::from_second(case.now)?;
        let secret = case.secret.clone().into();
        let verdict = signature::verify(Some(case.header.as_bytes()), &case.bytes(), [&secret], now);
        assert_eq!(verdict.is_ok(), case.ours, "{case:?}: {verdict:?}");
    }
    assert!(cases.iter().filter(|case| case.kind == "one character changed" && !case.ours).count() > 1_000);
    Ok(())
}

/// The webhook crate of async-stripe judges the same headers. docs/SECURITY.md says why where it differs.
#[test]
fn the_verdicts_of_async_stripe_are_ours_but_for_those_explained() -> Result<()> {
    let (accepts, refuses) = (true, false);
    let explained = BTreeMap::from([
        ("a sign before the time", accepts),
        ("zeros before the time", accepts),
        ("two times, the signed one last", accepts),
        ("over 4 KB", accepts),
        ("zeros that were signed", refuses),
        ("a space after the comma", refuses),
        ("an empty part", refuses),
        ("an unknown part", refuses),
        ("one character changed", refuses),
    ]);
    let (mut differing, mut judged) = (BTreeMap::new(), 0);
    for case in signature_cases::all() {
        // It takes text alone.
        let Ok(body) = String::from_utf8(case.bytes()) else { continue };
        let verdict = Webhook::construct_event_with_timestamp(&body, &case.header, &case.secret, case.now);
        // What it cannot read has passed: the signature is judged first.
        let is_accepted = matches!(verdict, Ok(_) | Err(WebhookError::BadParse(_)));
        judged += 1;
        if is_accepted != case.ours {
            assert_eq!(differing.insert(case.kind, is_accepted).unwrap_or(is_accepted), is_accepted, "{case:?}");
        }
    }
    assert!(judged > 2_500, "{judged}");
    assert_eq!(differing, explained);
    Ok(())
}

#[test]
fn what_async_stripe_signs_for_tests_is_what_we_sign_and_is_accepted() -> Result<()> {
    for case in signature_cases::all().iter().filter(|case| case.kind == "genuine") {
        let body = String::from_utf8(case.bytes())?;
        let header = Webhook::generate_test_header(&body, &case.secret, Some(case.now));
        assert_eq!(header, signed(&case.secret, case.now, body.as_bytes()));
        let secret = case.secret.clone().into();
        let now = jiff::Timestamp::from_second(case.now)?;
        signature::verify(Some(header.as_bytes()), body.as_bytes(), [&secret], now)?;
    }
    Ok(())
}
