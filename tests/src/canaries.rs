//! Everything personal or secret, in values that are found again, through every function: in tokens, headers, queries,
//! bodies, Stripe's objects and Stripe's own error texts, while all goes well and while all fails.
//!
//! The log of the process is the functions' own, at DEBUG, on standard output; refusals are written between its lines.

use std::fs;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::http::StatusCode;
use local::Fault;
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::domain::Mode;
use shared::http::Function;
use shared::telemetry;
use tokio::net::TcpListener;
use tracing::Level;

use crate::{Answer, EventBuilder, Services, World, answer, core_on, sign};

/// No line and no refusal may hold any of these.
pub const WRITTEN_DOWN: [&str; 14] = [
    "canary-email@example.com",
    "Canary Silva",
    "canary-typed@example.com",
    "canary-query",
    "canary-header",
    "canary-cookie",
    "canary-body",
    "canary-token",
    "canary-path",
    "canary-url",
    "canary-stripe",
    "canary-panic",
    "canary-secret",
    "canary-angle",
];

/// Plays it, and writes to the file the secrets and tokens of this very run, one a line.
pub async fn play(found_again: &Path) -> Result<()> {
    telemetry::start(Level::DEBUG, "canaries");
    let world = World::start().await?;
    let mut secrets = world.stack.canaries();
    secrets.extend(Mode::BOTH.map(|mode| world.stack.webhook_secret_of(mode).trim_start_matches("whsec_").to_owned()));
    let token = world.stack.token(json!({
        "user_id": "7001", "email": "canary-email@example.com", "name": "Canary Silva", "acquisition_angle": "canary-angle",
    }))?;
    let superuser = world.stack.token(json!({ "user_id": "7002", "is_superuser": true }))?;
    secrets.extend([token.clone(), superuser.clone()]);
    // The signature alone opens nothing, and still is nobody's business.
    secrets.extend([&token, &superuser].map(|token| token.rsplit('.').next().unwrap_or_default().to_owned()));
    fs::write(found_again, secrets.join("\n"))?;

    a_good_day(&world, &token, &superuser).await?;
    refusals(&world, &token).await?;
    bad_webhooks(&world).await?;
    failures(&world, &token, &superuser).await?;
    a_talkative_stripe(&world, &token).await?;
    a_panic(&world, &token).await?;
    bad_secrets(&world, &token).await?;
    world.stack.shutdown().await
}

fn told(answer: &Answer) -> Result<()> {
    if answer.status >= 400 {
        writeln!(stdout(), "REFUSAL {} {:?} {}", answer.status, answer.headers, answer.body)?;
    }
    Ok(())
}

/// A request with a canary wherever there is room for one.
async fn ask(world: &World, method: Method, path: &str, token: Option<&str>) -> Result<Answer> {
    let request = world
        .request(method, path, token)
        .header("x-api-key", "canary-header")
        .header("cookie", "session=canary-cookie")
        .header("user-agent", "canary-header")
        .header("referer", "https://app.example.com/?reset=canary-header")
        .body(json!({ "note": "canary-body", "email": "canary-email@example.com" }).to_string());
    let answered = answer(request).await?;
    told(&answered)?;
    Ok(answered)
}

async fn a_good_day(world: &World, token: &str, superuser: &str) -> Result<()> {
    for path in ["/api/subscriptions/config/", "/api/subscriptions/status/", "/health/"] {
        ask(world, Method::GET, &format!("{path}?x=canary-query"), Some(token)).await?;
    }
    let session = world.checkout(token).await?;
    let pay = json!({ "card": "4242424242424242", "email": "canary-typed@example.com" });
    let paid = world.sandbox(&format!("checkout/{session}/pay"), &pay).await?;
    world.delivered().await?;
    for caller in [None, Some(token), Some(superuser)] {
        ask(
            world,
            Method::GET,
            &format!("/api/subscriptions/session-status/?session_id={session}&y=canary-query"),
            caller,
        )
        .await?;
    }
    let customer = paid["customer"].as_str().context("a customer")?;
    world
        .stripe_post(&format!("/v1/customers/{customer}"), "email=canary-typed%40example.com&name=Canary+Silva")
        .await?;
    world.delivered().await?;
    ask(world, Method::POST, "/api/subscriptions/portal/", Some(token)).await?;
    for caller in [token, superuser] {
        let path = "/api/banking/canary-path/canary-email@example.com?x=canary-query";
        ask(world, Method::POST, path, Some(caller)).await?;
    }
    ask(world, Method::POST, "/api/auth/reset/canary-path", None).await?;
    world.advance_days(8).await?;
    world.sandbox(&format!("customers/{customer}/card"), &json!({ "card": "4000000000000341" })).await?;
    world.advance_days(31).await?;
    let core = world.stack.shared_core();
    reconcile::run(&core, Instant::now() + Duration::from_secs(30)).await?;
    for caller in [token, "canary-token"] {
        let asked = json!({
            "type": "REQUEST", "methodArn": "arn:aws:execute-api:sa-east-1:1:a/live/GET/x",
            "multiValueHeaders": { "Authorization": [format!("Bearer {caller}")], "Cookie": ["canary-cookie"] },
        });
        let ask = serde_json::from_value(asked)?;
        let verdict = authorizer::Authorizer::new(&core).decide(&ask, "request-1", Duration::from_secs(10)).await;
        writeln!(stdout(), "REFUSAL {:?}", verdict.err())?;
    }
    Ok(())
}

async fn refusals(world: &World, token: &str) -> Result<()> {
    for caller in [None, Some("canary-token"), Some("canary-token.canary-token.canary-token")] {
        for path in ["/api/subscriptions/status/", "/api/banking/canary-path/x?reset=canary-query"] {
            ask(world, Method::GET, path, caller).await?;
        }
    }
    let basic =
        world.request(Method::GET, "/api/subscriptions/status/", None).header("authorization", "Basic canary-token");
    told(&answer(basic).await?)?;
    let bodies = [
        json!({ "success_url": "https://canary-url.example/?x=canary-body" }),
        json!({ "price_id": { "canary-body": 1 } }),
        json!({ "price_id": "canary-body" }),
        json!(["canary-body"]),
    ];
    for path in ["/api/subscriptions/checkout/", "/api/subscriptions/portal/"] {
        for body in &bodies {
            told(&world.post(path, Some(token), body).await?)?;
        }
        let broken = world.request(Method::POST, path, Some(token)).body("{\"canary-body\": canary-body");
        told(&answer(broken).await?)?;
    }
    ask(world, Method::DELETE, "/api/subscriptions/status/", Some(token)).await?;
    ask(world, Method::GET, "/api/subscriptions/session-status/?session_id=canary-query", Some(token)).await?;
    ask(world, Method::GET, "/api/banking/..;/canary-path?x=canary-query", Some(token)).await?;
    Ok(())
}

async fn bad_webhooks(world: &World) -> Result<()> {
    let path = world.stack.webhook_path();
    let forged = world.deliver_as(&path, Some("t=1,v1=canary-header"), b"{\"email\":\"canary-body\"}").await?;
    told(&forged)?;
    for body in ["canary-body", "{\"id\":\"canary-body\"}", "[\"canary-body\"]"] {
        told(&world.deliver(body).await?)?;
    }
    let kinds = [
        "customer.subscription.updated",
        "invoice.paid",
        "customer.updated",
        "payment_method.updated",
        "price.updated",
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let object = json!({
            "id": 7, "object": { "canary-body": 1 }, "email": "canary-email@example.com", "name": "Canary Silva",
            "customer": { "id": "canary-body " }, "status": ["canary-body"], "metadata": { "user_id": ["canary-body"] },
        });
        let event = EventBuilder::of(&format!("evt_canary{number}"), kind, world.business_now_second(), object);
        told(&world.deliver(&event.body()).await?)?;
    }
    Ok(())
}

async fn failures(world: &World, token: &str, superuser: &str) -> Result<()> {
    let post = async |path: &str| -> Result<()> { told(&world.post(path, Some(token), &json!({})).await?) };
    for fault in [Fault::AccessDenied, Fault::InternalError, Fault::Throttled, Fault::TransactionConflict] {
        world.stack.dynamodb().fail_next(None, 60, fault);
        ask(world, Method::GET, "/api/subscriptions/status/?x=canary-query", Some(token)).await?;
        ask(world, Method::GET, "/api/banking/canary-path?x=canary-query", Some(token)).await?;
        post("/api/subscriptions/portal/").await?;
        let event =
            EventBuilder::subscription("evt_canary_fails", "sub_canary", "cus_canary", world.business_now_second())
                .owned_by("7001")
                .with("/data/object/description", "canary-body");
        told(&world.deliver(&event.body()).await?)?;
        world.stack.dynamodb().heal();
    }
    for kind in ["500", "429"] {
        world.sandbox("faults", &json!({ "api": [{ "path_prefix": "/v1", "kind": kind, "count": 40 }] })).await?;
        post("/api/subscriptions/portal/").await?;
        let stranger = world.stack.token(json!({ "user_id": "7003", "email": "canary-email@example.com" }))?;
        told(&world.post("/api/subscriptions/checkout/", Some(&stranger), &json!({})).await?)?;
        ask(world, Method::GET, "/api/subscriptions/session-status/?session_id=cs_test_x", Some(superuser)).await?;
        world.heal_stripe().await?;
    }
    Ok(())
}

/// Stripe's error texts quote what they complain of.
async fn a_talkative_stripe(world: &World, token: &str) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let error = json!({ "error": {
        "type": "invalid_request_error", "code": "parameter_unknown", "param": "canary-stripe", "decline_code": "canary-stripe",
        "message": "No such customer: canary-email@example.com, canary-stripe", "request_log_url": "https://canary-stripe",
    } });
    let router = Router::new().fallback(move || {
        let body = error.to_string();
        async move { (StatusCode::BAD_REQUEST, [("request-id", "req_1")], body) }
    });
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let services = Services {
        dynamodb_url: world.stack.dynamodb_url(),
        stripe_url: &url,
        default_price: stripe_sandbox::DEFAULT_PRICE_ID,
    };
    let core = Ok(core_on(&world.stack, services, Clock::default()).await?);
    let stranger = world.stack.token(json!({ "user_id": "7004", "email": "canary-email@example.com" }))?;
    for function in [checkout::function(&core), portal::function(&core)] {
        for token in [token, &stranger] {
            call(&function, Method::POST, token).await?;
        }
    }
    serving.abort();
    Ok(())
}

async fn call(function: &Function, method: Method, token: &str) -> Result<()> {
    let mut request = shared::http::Request::default();
    *request.method_mut() = method;
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
    let reply = function.call(request).await;
    writeln!(stdout(), "REFUSAL {} {:?}", reply.status(), reply.body())?;
    Ok(())
}

async fn a_panic(world: &World, token: &str) -> Result<()> {
    let panicking = Function::new(
        "panicking",
        &[],
        &world.stack.shared_core(),
        |_| Ok(()),
        |_deps, request| async move { panic!("canary-panic {:?}", request.headers()) },
    );
    call(&panicking, Method::GET, token).await
}

/// Each is wrong in another field; a message may name the field.
async fn bad_secrets(world: &World, token: &str) -> Result<()> {
    let good = json!({
        "stripe_secret_key": "sk_test_canary1", "stripe_publishable_key": "pk_test_canary1",
        "webhook_signing_secrets": [{ "uuid": "canary-secret", "endpoint_id": "we_1", "secret": "whsec_0123456789canary" }],
        "jwt_signing_keys": ["canary-secret-of-more-than-thirty-two-bytes"],
    });
    let wrong: [(&str, Value); 8] = [
        ("/stripe_secret_key", json!("sk_live_canary-secret")),
        ("/stripe_secret_key", json!("pk_test_canary-secret")),
        ("/stripe_secret_key", json!(" canary-secret ")),
        ("/stripe_publishable_key", json!("sk_test_canary-secret")),
        ("/webhook_signing_secrets/0/secret", json!("canary-secret")),
        ("/webhook_signing_secrets/0/secret", json!("")),
        ("/jwt_signing_keys/0", json!("canary-secret")),
        ("/jwt_signing_keys", json!({ "canary-secret": 1 })),
    ];
    let mut documents: Vec<String> = vec!["canary-secret".to_owned(), "{\"a\": canary-secret".to_owned()];
    for (pointer, value) in wrong {
        let mut document = good.clone();
        *document.pointer_mut(pointer).context("a field")? = value;
        documents.push(document.to_string());
    }
    for document in documents {
        let put = json!({ "SecretId": world.stack.secret_id(Mode::Test), "SecretString": document });
        let request = world
            .http
            .post(world.stack.secrets_url())
            .header("x-amz-target", "secretsmanager.PutSecretValue")
            .header("authorization", "AWS4-HMAC-SHA256 …")
            .body(put.to_string());
        anyhow::ensure!(answer(request).await?.status == 200, "the secret was not put");
        let services = Services {
            dynamodb_url: world.stack.dynamodb_url(),
            stripe_url: world.stack.stripe_url(),
            default_price: stripe_sandbox::DEFAULT_PRICE_ID,
        };
        let core = Ok(core_on(&world.stack, services, Clock::default()).await?);
        for function in [config::function(&core), status::function(&core), checkout::function(&core)] {
            let method = if function.name() == "checkout" { Method::POST } else { Method::GET };
            call(&function, method, token).await?;
        }
        let webhook = webhook::function(&core);
        let mut request = shared::http::Request::new("{}".into());
        *request.method_mut() = Method::POST;
        request.headers_mut().insert("stripe-signature", sign("", "{}").parse()?);
        writeln!(stdout(), "REFUSAL {:?}", webhook.call(request).await.status())?;
    }
    Ok(())
}
