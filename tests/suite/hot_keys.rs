//! No item and no partition is written by every request: what DynamoDB gives one partition must not bound them all.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use lambda_http::Body;
use serde_json::{Value, json};
use shared::boot::Core;
use shared::clock::Clock;
use shared::config::Misconfigured;
use shared::http::{Function, Request};
use tests::meter::Meter;
use tests::{EventBuilder, Services, World, core_on, sign};

/// The functions on a table whose writes are noted.
struct Watched {
    world: World,
    meter: Meter,
    core: Result<Core, Misconfigured>,
}

impl Watched {
    async fn start() -> Result<Watched> {
        let world = World::start().await?;
        let meter = Meter::before(world.stack.dynamodb_url()).await?;
        let services = Services {
            dynamodb_url: &meter.url,
            stripe_url: world.stack.stripe_url(),
            default_price: stripe_sandbox::DEFAULT_PRICE_ID,
        };
        let core = core_on(&world.stack, services, Clock::default()).await;
        Ok(Watched { world, meter, core })
    }

    /// The partitions that the request writes to.
    async fn partitions(&self, function: &Function, request: Request) -> Result<BTreeSet<String>> {
        self.meter.take();
        let reply = function.call(request).await;
        anyhow::ensure!(reply.status() == 200, "answered {} {:?}", reply.status(), reply.body());
        Ok(self.meter.take().written.into_iter().map(|(pk, _)| pk).collect())
    }

    fn webhook(&self, event: &Value) -> Result<Request> {
        let body = event.to_string();
        let request = lambda_http::http::Request::post(self.world.stack.webhook_path())
            .header("stripe-signature", sign(self.world.stack.webhook_secret(), &body))
            .body(Body::Text(body))?;
        Ok(with_path(request))
    }

    fn with_token(&self, method: &str, path: &str, user: &str) -> Result<Request> {
        let request = lambda_http::http::Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.world.token(user)?))
            .body(Body::Text("{}".to_owned()))?;
        Ok(with_path(request))
    }
}

fn with_path(request: Request) -> Request {
    use lambda_http::RequestExt;
    let path = request.uri().path().to_owned();
    request.with_raw_http_path(&path)
}

fn of_user(event_type: &str, number: usize, created: i64, object: Option<Value>) -> Value {
    let name = event_type.replace('.', "_");
    let (subscription, customer) = (format!("sub_{name}{number}"), format!("cus_{name}{number}"));
    let event = match object {
        Some(object) => EventBuilder::of(&format!("evt_{name}{number}"), event_type, created, object),
        None => EventBuilder::subscription(&format!("evt_{name}{number}"), &subscription, &customer, created)
            .owned_by(&format!("{event_type}-{number}"))
            .with("/type", event_type),
    };
    event.value().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_requests_write_to_no_partition_in_common() -> Result<()> {
    let watched = Watched::start().await?;
    let webhook = webhook::function(&watched.core);
    let checkout = checkout::function(&watched.core);
    let now = Clock::default().wall_now().as_second();
    let invoice = |number: usize| {
        json!({
            "id": format!("in_{number}"), "object": "invoice", "customer": format!("cus_{number}"), "status": "paid",
            "currency": "brl", "amount_due": 4990, "amount_paid": 4990, "attempt_count": 1, "created": now,
            "period_start": now, "period_end": now,
            "parent": { "subscription_details": {
                "subscription": format!("sub_{number}"), "metadata": { "user_id": format!("invoiced-{number}") } } },
        })
    };
    let mut of_each: Vec<(String, Vec<BTreeSet<String>>)> = Vec::new();
    for event_type in
        ["customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted"]
    {
        let mut partitions = Vec::new();
        for number in 0..2 {
            let event = of_user(event_type, number, now - 10, None);
            partitions.push(watched.partitions(&webhook, watched.webhook(&event)?).await?);
        }
        of_each.push((event_type.to_owned(), partitions));
    }
    let mut partitions = Vec::new();
    for number in 0..2 {
        let event = of_user("invoice.paid", number, now - 10, Some(invoice(number)));
        partitions.push(watched.partitions(&webhook, watched.webhook(&event)?).await?);
    }
    of_each.push(("invoice.paid".to_owned(), partitions));
    let mut partitions = Vec::new();
    for user in ["buyer-1", "buyer-2"] {
        let request = watched.with_token("POST", "/api/subscriptions/checkout/", user)?;
        partitions.push(watched.partitions(&checkout, request).await?);
    }
    of_each.push(("checkout".to_owned(), partitions));

    for (what, partitions) in of_each {
        let (one, other) = (partitions.first().context("one")?, partitions.get(1).context("another")?);
        assert!(!one.is_empty() && !other.is_empty(), "{what} writes nothing");
        let common: Vec<_> = one.intersection(other).collect();
        assert!(common.is_empty(), "every {what} writes to {common:?}");
    }
    watched.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_write_nothing() -> Result<()> {
    let watched = Watched::start().await?;
    let (status, health) = (status::function(&watched.core), health::function(&watched.core));
    for (function, path) in [(&status, "/api/subscriptions/status/"), (&health, "/health/")] {
        let written = watched.partitions(function, watched.with_token("GET", path, "reader")?).await?;
        assert_eq!(written, BTreeSet::new(), "{path}");
    }
    watched.world.stack.shutdown().await
}
