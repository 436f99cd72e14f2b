//! `go-live` and `rollback`: there, back, and interrupted on the way.

use anyhow::Result;
use local::Fault;
use serde_json::{Value, json};
use shared::domain::Mode;
use tests::World;

use crate::support::{auditor_of, manage, put_secret, says_no_secret};

const YES: [&str; 3] = ["go-live", "--live", "--yes"];

async fn live_get(world: &World, path: &str) -> Result<Value> {
    let key = &world.stack.canaries()[3];
    let request = world.http.get(format!("{}{path}", world.stack.stripe_url())).bearer_auth(key);
    Ok(tests::answer(request).await?.body)
}

async fn live_post(world: &World, path: &str, form: &str) -> Result<Value> {
    let key = &world.stack.canaries()[3];
    let request = world.http.post(format!("{}{path}", world.stack.stripe_url())).bearer_auth(key);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    Ok(tests::answer(request).await?.body)
}

async fn served(world: &World) -> Result<String> {
    Ok(world.get("/health/", None).await?.body["mode"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_alone_changes_nothing() -> Result<()> {
    let world = World::start().await?;
    let said = manage(&world, &["go-live", "--plan"]).await;
    assert_eq!(said.code, 1, "something is left to do");
    let first = "1. → create CaixaHub Premium at R$ 49.90 in live mode, with lookup key caixahub_premium_monthly";
    assert_eq!(said.stdout.lines().next(), Some(first));
    assert_eq!(
        (served(&world).await?.as_str(), live_get(&world, "/v1/prices").await?["data"].as_array().unwrap().len()),
        ("test", 0)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn live_mode_sells_what_test_mode_sold_and_a_second_run_makes_nothing_twice() -> Result<()> {
    let world = World::start().await?;
    for _ in 0..2 {
        let said = manage(&world, &YES).await;
        assert_eq!(said.code, 0, "{said:?}");
        says_no_secret(&world, &format!("{said:?}"));
        assert_eq!(served(&world).await?, "live");
    }
    let prices = live_get(&world, "/v1/prices").await?;
    let prices = prices["data"].as_array().unwrap();
    assert_eq!(prices.len(), 1);
    assert_eq!(
        (&prices[0]["lookup_key"], &prices[0]["unit_amount"]),
        (&json!("caixahub_premium_monthly"), &json!(4990))
    );
    assert_eq!(live_get(&world, "/v1/products").await?["data"].as_array().unwrap().len(), 1);
    let config = world.get("/api/subscriptions/config/", None).await?.body;
    assert!(config["publishable_key"].as_str().unwrap().starts_with("pk_live_"), "{config}");
    assert_eq!(config["default_price_id"], prices[0]["id"]);
    assert_eq!(manage(&world, &["go-live", "--plan"]).await.code, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_live_mode_lacks_is_made() -> Result<()> {
    let world = World::start().await?;
    let auditor = auditor_of(&world, Mode::Live);
    let seeded = manage::commands::register_webhook::endpoints(&auditor).await?.remove(0).id;
    auditor.account().delete_webhook_endpoint(&seeded).await?;
    auditor.secrets().edit(Mode::Live, |fields| assert!(fields.remove_signing_secret(&seeded))).await?;
    let portal = auditor.setup().list_portal_configurations().await?.remove(0);
    let form = "features[payment_method_update][enabled]=false";
    live_post(&world, &format!("/v1/billing_portal/configurations/{}", portal.id), form).await?;

    let said = manage(&world, &YES).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(auditor.setup().list_portal_configurations().await?[0].serves());
    let endpoints = manage::commands::register_webhook::endpoints(&auditor).await?;
    assert!(endpoints.len() == 1 && endpoints[0].id != seeded && endpoints[0].is_enabled);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_stopped_is_finished_by_the_next() -> Result<()> {
    let world = World::start().await?;
    world.stack.dynamodb().fail_next(Some("TransactWriteItems"), 100, Fault::AccessDenied);
    let said = manage(&world, &YES).await;
    assert_eq!((said.code, served(&world).await?.as_str()), (1, "test"), "{said:?}");
    world.stack.dynamodb().heal();
    let said = manage(&world, &YES).await;
    assert_eq!((said.code, served(&world).await?.as_str()), (0, "live"), "{said:?}");
    for path in ["/v1/prices", "/v1/products"] {
        assert_eq!(live_get(&world, path).await?["data"].as_array().unwrap().len(), 1, "{path}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_live_secret_nothing_is_done_and_the_way_is_shown() -> Result<()> {
    let world = World::start().await?;
    put_secret(&world, Mode::Live, "{}").await?;
    let said = manage(&world, &YES).await;
    assert_eq!((said.code, served(&world).await?.as_str()), (1, "test"));
    assert!(
        said.stderr.contains("live secret: stripe_secret_key is missing") && said.stderr.contains("--live secrets set")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_mode_that_is_not_well_is_not_gone_to() -> Result<()> {
    let world = World::start().await?;
    live_post(&world, "/v1/customers", "email=nobody%40example.com").await?;
    let said = manage(&world, &YES).await;
    assert_eq!((said.code, served(&world).await?.as_str()), (1, "test"), "{said:?}");
    assert!(
        said.stdout.contains("✗ Every customer has a user") && said.stderr.contains("The functions were not changed")
    );
    // A customer of something else that the account sells: known, by its name and no other.
    let other = manage(&world, &["go-live", "--live", "--yes", "--accept", "No event has failed"]).await;
    assert_eq!((other.code, served(&world).await?.as_str()), (1, "test"), "{other:?}");
    let said = manage(&world, &["go-live", "--live", "--yes", "--accept", "Every customer has a user"]).await;
    assert_eq!((said.code, served(&world).await?.as_str()), (0, "live"), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_is_asked_for_live_mode_in_live_modes_way() -> Result<()> {
    let world = World::start().await?;
    for arguments in [&["go-live"][..], &["go-live", "--yes"]] {
        let said = manage(&world, arguments).await;
        assert_eq!((said.code, served(&world).await?.as_str()), (2, "test"), "{said:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_changes_no_live_record_and_live_webhooks_go_on() -> Result<()> {
    let world = World::start().await?;
    assert_eq!(manage(&world, &YES).await.code, 0);
    world.subscribe(&world.token("42")?).await?;
    let said = manage(&world, &["rollback", "--check", "--live", "--yes"]).await;
    assert_eq!((said.code, served(&world).await?.as_str()), (0, "test"), "{said:?}");
    assert!(
        said.stdout.contains("✅ No live record changed") && said.stdout.contains("still accepts what Stripe signs")
    );
    let again = manage(&world, &["rollback", "--live", "--yes"]).await;
    assert_eq!(again.lines(), ["The functions serve test mode already."]);

    let live = world.stack.core().unwrap().store(Mode::Live)?;
    let before = live.fingerprint().await?;
    assert!(before.count() > 3);
    world.advance_days(8).await?;
    assert_eq!(live.fingerprint().await?.differences(&before), ["customer", "user"], "the trial's end arrived");
    assert_eq!(manage(&world, &YES).await.code, 0);
    assert_eq!(world.status(&world.token("42")?).await?["status"], "active", "no event was lost");
    Ok(())
}
