//! A crowd of mixed requests, most of them hostile, on functions in one process: what it costs and what stays behind.

use std::fs;

use anyhow::{Context, Result, ensure};
use fuzz_targets::mutate::mutated;
use fuzz_targets::still::{JWT_KEY, Still, WEBHOOK_SECRET, WEBHOOK_UUID};
use lambda_http::Body;
use serde::Serialize;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::http::Request;
use shared::stripe::signature;

use crate::EventBuilder;

/// What a crowd did to the process.
#[derive(Debug, Serialize)]
pub struct Cost {
    pub requests: usize,
    /// After a tenth of the requests, when everything that is kept is there.
    pub resident_kb_before: u64,
    pub resident_kb_after: u64,
    /// Answers of 500 and above that are not the unreachable product's.
    pub server_errors: usize,
    pub dynamodb_calls: usize,
    pub secrets_calls: usize,
}

/// Sends so many requests, the same ones for the same number. Their services answer from memory, so that nothing but
/// the functions can grow.
///
/// # Errors
/// When this machine does not tell what memory a process has.
pub async fn crowd(requests: usize) -> Result<Cost> {
    let still = Still::default();
    let core = Ok(still.core(&[("STRIPE_DEFAULT_PRICE_ID", "")]));
    let functions = [
        webhook::function(&core),
        status::function(&core),
        config::function(&core),
        checkout::function(&core),
        gate::function(&core),
    ];
    let mut rng = fastrand::Rng::with_seed(6);
    let mut cost = Cost {
        requests,
        resident_kb_before: 0,
        resident_kb_after: 0,
        server_errors: 0,
        dynamodb_calls: 0,
        secrets_calls: 0,
    };
    for number in 0..requests {
        if number == requests / 10 {
            cost.resident_kb_before = resident_kb()?;
        }
        let function = &functions[number % functions.len()];
        let request = match function.name() {
            "webhook" => webhook_request(&mut rng, number)?,
            name => caller_request(&mut rng, name)?,
        };
        let status = function.call(request).await.status();
        cost.server_errors += usize::from(status.is_server_error());
    }
    cost.resident_kb_after = resident_kb()?;
    cost.dynamodb_calls = still.dynamodb_calls();
    cost.secrets_calls = still.secrets_calls();
    Ok(cost)
}

fn webhook_request(rng: &mut fastrand::Rng, number: usize) -> Result<Request> {
    let event = EventBuilder::subscription(&format!("evt_{number}"), "sub_1", "cus_1", 1_760_000_000).owned_by("42");
    let body = event.body();
    let now = Clock::default().wall_now().as_second();
    let header = signature::sign(&WEBHOOK_SECRET.into(), now, body.as_bytes());
    let (header, body) = match rng.u8(0..4) {
        0 => (header, body.into_bytes()),
        1 => (header, mutated(rng, &[body.into_bytes()])),
        2 => (header.replace("v1=", "v1=00"), body.into_bytes()),
        _ => (format!("t={now},{}", "v1=00,".repeat(600)), mutated(rng, &[body.into_bytes()])),
    };
    let mut request = Request::new(Body::Binary(body));
    *request.method_mut() = shared::http::Method::POST;
    *request.uri_mut() = format!("/stripe/webhook/{WEBHOOK_UUID}/").parse()?;
    request.headers_mut().insert("stripe-signature", header.parse()?);
    Ok(lambda_http::RequestExt::with_raw_http_path(request, format!("/stripe/webhook/{WEBHOOK_UUID}/")))
}

fn caller_request(rng: &mut fastrand::Rng, function: &str) -> Result<Request> {
    let good = token(rng.u32(..))?;
    let token = match rng.u8(0..4) {
        0 => good,
        1 => String::from_utf8_lossy(&mutated(rng, &[good.into_bytes()])).into_owned(),
        2 => "x".repeat(rng.usize(0..9_000)),
        _ => format!("{}.{}.{}", rng.u64(..), rng.u64(..), rng.u64(..)),
    };
    let body =
        mutated(rng, &[json!({ "price_id": "price_1", "success_url": "https://app.example.com/" }).to_string().into()]);
    let mut request = Request::new(Body::Binary(body));
    // The product behind the gate is not there: only those who are refused are sent.
    let path =
        if function == "gate" { format!("/api/%2e%2e/{}", rng.u64(..)) } else { "/api/subscriptions/x/".to_owned() };
    *request.method_mut() = if function == "checkout" { shared::http::Method::POST } else { shared::http::Method::GET };
    *request.uri_mut() = path.parse()?;
    if let Ok(value) = format!("Bearer {token}").parse() {
        request.headers_mut().insert("authorization", value);
    }
    Ok(lambda_http::RequestExt::with_raw_http_path(request, &path))
}

fn token(user: u32) -> Result<String> {
    shared::auth::use_hs256_only();
    let expires_at = Clock::default().wall_now().as_second() + 300;
    let claims: Value = json!({ "token_type": "access", "exp": expires_at, "user_id": user });
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_KEY.as_bytes());
    Ok(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?)
}

fn resident_kb() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("this machine has no /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kb = line.trim().trim_end_matches("kB").trim().parse()?;
    ensure!(kb > 0, "no memory at all");
    Ok(kb)
}
