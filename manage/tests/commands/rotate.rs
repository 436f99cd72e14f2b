//! `rotate`: secrets exchanged while the product is in use.

use std::time::Duration;

use anyhow::Result;
use jiff::SignedDuration;
use local::Fault;
use manage::commands::register_webhook::endpoints;
use manage::commands::rotate::Rotation;
use manage::printer::Printer;
use secrecy::ExposeSecret;
use serde_json::json;
use shared::clock::Clock;
use shared::domain::{EventId, Mode};
use shared::sync::event::HANDLED_EVENT_TYPES;
use tests::{Detour, Services, World, core_on};

use crate::support::{auditor, manage, manage_with, says_no_secret, target};

const NEW_JWT_KEY: &str = "a-new-key-0123456789-0123456789-0123456789";

#[tokio::test(flavor = "multi_thread")]
async fn the_webhooks_secret_is_exchanged_and_no_event_is_lost() -> Result<()> {
    let world = World::start().await?;
    let auditor = auditor(&world);
    let old = endpoints(&auditor).await?.remove(0);
    // What the old endpoint has not delivered yet must not be lost with it.
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    world.sandbox(&format!("checkout/{session}/pay"), &json!({ "card": "4242424242424242" })).await?;

    let said = manage(&world, &["rotate", "webhook", "--yes"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    says_no_secret(&world, &format!("{said:?}"));
    assert_eq!(world.status(&token).await?["status"], "trialing", "brought without a delivery");
    let now = endpoints(&auditor).await?;
    assert!(now.len() == 1 && now[0].id != old.id, "{now:?}");
    let secrets = target(&world, Mode::Test).await?.core.secrets.get(Mode::Test).await?;
    assert_eq!(secrets.webhook_signing_secrets.len(), 1, "not even the version before knows the old one");
    assert_eq!(secrets.webhook_signing_secrets[0].endpoint_id, now[0].id);

    world.sandbox("deliver", &json!({ "hold": false })).await?;
    world.subscribe(&world.token("43")?).await?;
    assert_eq!(world.status(&world.token("43")?).await?["status"], "trialing", "the new endpoint delivers");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_what_was_not_delivered_is_brought_before_the_old_endpoint_goes() -> Result<()> {
    let world = World::start().await?;
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    let session = world.checkout(&world.token("42")?).await?;
    world.sandbox(&format!("checkout/{session}/pay"), &json!({ "card": "4242424242424242" })).await?;
    // On this way to Stripe a page has one object.
    let detour = Detour::to(world.stack.stripe_url()).await?;
    let services = Services {
        dynamodb_url: world.stack.dynamodb_url(),
        stripe_url: detour.url(),
        default_price: stripe_sandbox::DEFAULT_PRICE_ID,
    };
    let mut target = target(&world, Mode::Test).await?;
    target.core = core_on(&world.stack, services, Clock::default()).await?;
    let printer = Printer::captured(false).0;
    Rotation { target: &target, printer: &printer, patience: Duration::from_secs(20) }.webhook().await?;
    let auditor = auditor(&world);
    let since = Clock::default().wall_now() - SignedDuration::from_hours(1);
    let made = auditor.account().list_events(since, &HANDLED_EVENT_TYPES, None).await?;
    let handled = made.items.into_iter().filter_map(|listed| listed.value.ok());
    let handled = handled.filter(|event| HANDLED_EVENT_TYPES.contains(&event.event_type.as_str()));
    let ids: Vec<EventId> = handled.map(|event| event.id).collect();
    let known = auditor.books().store().read_events(&ids).await?;
    assert!(ids.len() > 3 && ids.iter().all(|id| known.contains_key(id)), "{} of {}", known.len(), ids.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_stopped_is_gone_on_with() -> Result<()> {
    let world = World::start().await?;
    let auditor = auditor(&world);
    let old = endpoints(&auditor).await?.remove(0);
    world.stack.secrets_manager().fail_next(Some("PutSecretValue"), 10, Fault::AccessDenied);
    let said = manage(&world, &["rotate", "webhook", "--yes"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(endpoints(&auditor).await?.len(), 2, "the new one's secret is lost");
    world.stack.secrets_manager().heal();
    assert_eq!(manage(&world, &["rotate", "webhook", "--yes"]).await.code, 0);
    let now = endpoints(&auditor).await?;
    assert!(now.len() == 1 && now[0].id != old.id, "{now:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_the_webhook_can_be_taken_back_until_the_old_one_is_gone() -> Result<()> {
    let world = World::start().await?;
    let auditor = auditor(&world);
    let old = endpoints(&auditor).await?.remove(0);
    let mut target = target(&world, Mode::Test).await?;
    // Nothing answers there, so the new secret is never proven.
    target.webhook_url = Some(format!("{}/", world.stack.function_url()).parse()?);
    let printer = Printer::captured(false).0;
    world.stack.secrets_manager().fail_next(Some("PutSecretValue"), 10, Fault::AccessDenied);
    let rotation = Rotation { target: &target, printer: &printer, patience: Duration::from_secs(1) };
    assert!(rotation.webhook().await.is_err());
    world.stack.secrets_manager().heal();
    rotation.abort_webhook().await?;
    let now = endpoints(&auditor).await?;
    assert_eq!(now.iter().map(|endpoint| &endpoint.id).collect::<Vec<_>>(), [&old.id]);
    assert_eq!(manage(&world, &["rotate", "webhook", "--abort", "--yes"]).await.code, 0, "safe to repeat");
    world.subscribe(&world.token("42")?).await?;
    assert_eq!(world.status(&world.token("42")?).await?["status"], "trialing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_key_is_added_proven_and_then_the_only_one() -> Result<()> {
    let world = World::start().await?;
    let old_token = world.token("42")?;
    let said = manage_with(&world, &["rotate", "jwt", "--yes"], NEW_JWT_KEY).await;
    assert_eq!(said.code, 1, "the old key is left to retire: {said:?}");
    assert!(said.stdout.contains("✅ the functions accept a token of the new key"), "{said:?}");
    assert!(!format!("{said:?}").contains(NEW_JWT_KEY));
    assert_eq!(world.get("/api/subscriptions/status/", Some(&old_token)).await?.status, 200, "nobody is logged out");

    assert_eq!(manage(&world, &["rotate", "jwt", "--finish", "--yes"]).await.code, 0);
    let secrets = target(&world, Mode::Test).await?.core.secrets.get(Mode::Test).await?;
    let keys: Vec<&str> = secrets.jwt_signing_keys.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(keys, [NEW_JWT_KEY]);
    let again = manage(&world, &["rotate", "jwt", "--finish", "--yes"]).await;
    assert!(again.code == 1 && again.stderr.contains("No new key was added"), "{again:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_key_can_be_taken_back() -> Result<()> {
    let world = World::start().await?;
    let before = target(&world, Mode::Test).await?.core.secrets.get(Mode::Test).await?;
    manage_with(&world, &["rotate", "jwt", "--yes"], NEW_JWT_KEY).await;
    let other = manage_with(&world, &["rotate", "jwt", "--yes"], "another-key-0123456789-0123456789-0123").await;
    assert!(other.code == 1 && other.stderr.contains("Another new key is accepted already"), "{other:?}");
    assert_eq!(manage(&world, &["rotate", "jwt", "--abort", "--yes"]).await.code, 0);
    let after = target(&world, Mode::Test).await?.core.secrets.get(Mode::Test).await?;
    let of = |keys: &[secrecy::SecretString]| keys.iter().map(|key| key.expose_secret().to_owned()).collect::<Vec<_>>();
    assert_eq!(of(&after.jwt_signing_keys), of(&before.jwt_signing_keys));
    Ok(())
}

/// `secrets set` puts its key first, so that the last one need not be the one that the rotation brought.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_is_kept_is_the_one_that_was_added_wherever_it_stands() -> Result<()> {
    let world = World::start().await?;
    let keys = async || -> Result<Vec<String>> {
        let secrets = target(&world, Mode::Test).await?.core.secrets.get(Mode::Test).await?;
        Ok(secrets.jwt_signing_keys.iter().map(|key| key.expose_secret().to_owned()).collect())
    };
    let old = keys().await?;
    manage_with(&world, &["rotate", "jwt", "--yes"], NEW_JWT_KEY).await;
    // The operator stores the new key by hand too.
    let set = manage_with(&world, &["secrets", "set", "jwt_signing_keys", "--yes"], NEW_JWT_KEY).await;
    assert_eq!((set.code, keys().await?[0].as_str()), (0, NEW_JWT_KEY), "{set:?}");
    assert_eq!(keys().await?.last(), old.last());
    assert_eq!(manage(&world, &["rotate", "jwt", "--finish", "--yes"]).await.code, 0);
    assert_eq!(keys().await?, [NEW_JWT_KEY]);

    // Only a note: the run died before it stored its key.
    let third = "a-third-key-0123456789-0123456789-0123456789";
    manage_with(&world, &["secrets", "set", "jwt_signing_keys", "--yes"], third).await;
    world.stack.secrets_manager().fail_next(Some("PutSecretValue"), 10, Fault::AccessDenied);
    let died = manage_with(&world, &["rotate", "jwt", "--yes"], "a-fourth-key-0123456789-0123456789-01234567").await;
    assert_eq!(died.code, 1, "{died:?}");
    world.stack.secrets_manager().heal();
    let finish = manage(&world, &["rotate", "jwt", "--finish", "--yes"]).await;
    assert!(finish.code == 1 && finish.stderr.contains("is not stored any more"), "{finish:?}");
    assert_eq!(manage(&world, &["rotate", "jwt", "--abort", "--yes"]).await.code, 0);
    assert_eq!(keys().await?, [third, NEW_JWT_KEY], "no key is lost");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stripes_key_is_exchanged_for_one_of_the_same_account_only() -> Result<()> {
    let world = World::start().await?;
    world.sandbox("keys", &json!({ "add": "sk_test_rolled1" })).await?;
    for (key, sign) in [
        ("sk_live_rolled1", "not a secret or restricted key of test mode"),
        ("sk_test_unknown", "does not accept the API key that was given. Nothing was changed"),
    ] {
        let said = manage_with(&world, &["rotate", "stripe-key", "--yes"], key).await;
        assert!(said.code == 1 && said.stderr.contains(sign), "{said:?}");
        assert!(!format!("{said:?}").contains(key));
    }
    let old = world.stack.canaries().remove(0);
    let said = manage_with(&world, &["rotate", "stripe-key", "--yes"], "sk_test_rolled1").await;
    assert!(said.code == 1 && said.stdout.contains("✅ it reads customers"), "{said:?}");
    world.sandbox("keys", &json!({ "expire": old })).await?;
    assert_eq!(manage(&world, &["rotate", "stripe-key", "--finish", "--yes"]).await.code, 0);
    let fields = target(&world, Mode::Test).await?.core.secrets.read_previous_fields(Mode::Test).await?;
    assert!(fields.is_none(), "the old key is in no version");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_has_nothing_to_finish() -> Result<()> {
    let world = World::start().await?;
    let before = endpoints(&auditor(&world)).await?;
    let said = manage(&world, &["rotate", "webhook", "--finish", "--yes"]).await;
    assert!(said.code == 2 && said.stderr.contains("nothing to --finish"), "{said:?}");
    assert_eq!(endpoints(&auditor(&world)).await?, before, "no rotation was begun");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stripes_old_key_can_be_put_back() -> Result<()> {
    let world = World::start().await?;
    world.sandbox("keys", &json!({ "add": "sk_test_rolled1" })).await?;
    manage_with(&world, &["rotate", "stripe-key", "--yes"], "sk_test_rolled1").await;
    assert_eq!(manage(&world, &["rotate", "stripe-key", "--abort", "--yes"]).await.code, 0);
    let secrets = target(&world, Mode::Test).await?.core.secrets.get(Mode::Test).await?;
    assert_eq!(secrets.stripe_secret_key.expose_secret(), &world.stack.canaries()[0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_stripes_that_is_not_kept_is_not_said_to_be_back() -> Result<()> {
    let world = World::start().await?;
    world.sandbox("keys", &json!({ "add": "sk_test_rolled1" })).await?;
    let old = world.stack.canaries().remove(0);
    for _ in 0..2 {
        let said = manage_with(&world, &["rotate", "stripe-key", "--yes"], "sk_test_rolled1").await;
        assert!(said.code == 1 && said.stdout.contains("✅ it reads customers"), "it waits for --finish: {said:?}");
    }
    // The version before is then one with the new key.
    manage_with(&world, &["secrets", "set", "jwt_signing_keys", "--yes"], NEW_JWT_KEY).await;
    let said = manage(&world, &["rotate", "stripe-key", "--abort", "--yes"]).await;
    assert!(said.code == 1 && said.stderr.contains("The old key is not kept any more"), "{said:?}");
    assert!(!said.stdout.contains("is back"), "{said:?}");
    manage_with(&world, &["secrets", "set", "stripe_secret_key", "--yes"], &old).await;
    let finish = manage(&world, &["rotate", "stripe-key", "--finish", "--yes"]).await;
    assert!(finish.code == 1 && finish.stderr.contains("is not the one that this rotation stored"), "{finish:?}");
    let said = manage(&world, &["rotate", "stripe-key", "--abort", "--yes"]).await;
    assert!(said.code == 0 && said.stdout.contains("is back"), "{said:?}");

    // Whoever sets a third key by hand is not kept in the rotation for ever, and not sent back either.
    manage_with(&world, &["rotate", "stripe-key", "--yes"], "sk_test_rolled1").await;
    world.sandbox("keys", &json!({ "add": "sk_test_third1" })).await?;
    manage_with(&world, &["secrets", "set", "stripe_secret_key", "--yes"], "sk_test_third1").await;
    let said = manage(&world, &["rotate", "stripe-key", "--abort", "--yes"]).await;
    assert!(said.code == 0 && said.stdout.contains("another key has been set by hand"), "{said:?}");
    let secrets = target(&world, Mode::Test).await?.core.secrets.get(Mode::Test).await?;
    assert_eq!(secrets.stripe_secret_key.expose_secret(), "sk_test_third1");
    let again = manage(&world, &["rotate", "stripe-key", "--finish", "--yes"]).await;
    assert!(again.code == 1 && again.stderr.contains("No new key was stored"), "{again:?}");
    Ok(())
}
