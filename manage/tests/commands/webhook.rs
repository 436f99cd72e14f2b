//! `register-webhook`: endpoints and their secrets.

use anyhow::Result;
use local::Fault;
use manage::commands::register_webhook::{create, endpoints, keep_secret, list};
use manage::done::Done;
use manage::printer::Printer;
use secrecy::ExposeSecret;
use shared::domain::Mode;
use shared::stripe::API_VERSION;
use shared::sync::event::HANDLED_EVENT_TYPES;
use tests::World;

use crate::support::{auditor, manage, manage_with, records};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_endpoint_is_registered_as_it_must_be_and_its_events_are_accepted_at_once() -> Result<()> {
    let world = World::start().await?;
    let (printer, said) = Printer::captured(false);
    let auditor = auditor(&world);
    assert_eq!(create(&auditor, &printer, world.stack.function_url(), false).await?, Done::Everything);
    let new = endpoints(&auditor).await?.into_iter().next().unwrap();
    let expected = format!(
        "📡 Creating webhook endpoint in Stripe...\n✅ Created in Stripe: {id}\n📥 Syncing to local database...\n\
         ✅ Synced to database: {id}\n",
        id = new.id
    );
    assert_eq!(said.stdout(), expected);
    assert_eq!(new.api_version.as_deref(), Some(API_VERSION));
    let of = |types: Vec<&str>| types.into_iter().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(of(new.enabled_events.iter().map(String::as_str).collect()), of(HANDLED_EVENT_TYPES.to_vec()));
    let path = new.url.strip_prefix(world.stack.function_url()).unwrap();
    let uuid = path.trim_start_matches("/stripe/webhook/").trim_end_matches('/');
    assert!(uuid::Uuid::parse_str(uuid).is_ok(), "{}", new.url);
    assert_ne!(path, world.stack.webhook_path(), "a path of its own");
    assert_eq!(records(&world, "test#webhook").await[&format!("endpoint#{uuid}")]["endpoint_id"], new.id);

    let secrets = auditor.secrets().get(Mode::Test).await?;
    let stored = secrets.webhook_signing_secrets.iter().find(|stored| stored.endpoint_id == new.id).unwrap();
    let secret = stored.secret.expose_secret();
    assert!(!said.stdout().contains(secret) && !said.stderr().contains(secret), "a secret is not printed unasked");
    let body = r#"{"id":"evt_new","object":"event","type":"invoice.created","created":1760000000,"livemode":false,"data":{"object":{"id":"in_1"}}}"#;
    let answer = world.deliver_as(path, Some(&tests::sign(secret, body)), body.as_bytes()).await?;
    assert_eq!((answer.status, &answer.body["outcome"]), (200, &"ignored".into()));
    let old = world.deliver(body).await?;
    assert_eq!(old.status, 200, "the endpoint that was there before goes on: {}", old.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_printed_when_asked_for_and_then_works() -> Result<()> {
    let world = World::start().await?;
    let url = world.stack.function_url().to_owned();
    let said = manage(&world, &["register_stripe_webhook", "--url", &url, "--create-in-stripe", "--show-secret"]).await;
    let lines = said.lines();
    let secret = lines[4].strip_prefix("Signing secret: ").unwrap();
    assert!(secret.starts_with("whsec_"), "{said:?}");
    assert!(said.stderr.contains("sends there already"), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_listed_and_recorded() -> Result<()> {
    let world = World::start().await?;
    let (printer, said) = Printer::captured(false);
    assert_eq!(list(&auditor(&world), &printer).await?, Done::Everything);
    let registered = endpoints(&auditor(&world)).await?.remove(0);
    assert_eq!(said.stdout(), format!("Found 1 endpoint(s) in Stripe:\n  - {}: {}\n", registered.id, registered.url));
    let kept = records(&world, "test#webhook").await;
    assert_eq!(kept.values().next().unwrap()["url"], registered.url);
    assert!(!format!("{kept:?}").contains("whsec_"), "no secret is in the table");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_whose_secret_cannot_be_stored_is_undone() -> Result<()> {
    let world = World::start().await?;
    let auditor = auditor(&world);
    auditor.secrets().get(Mode::Test).await?;
    world.stack.secrets_manager().fail_next(Some("PutSecretValue"), 10, Fault::AccessDenied);
    let (printer, said) = Printer::captured(false);
    let error = create(&auditor, &printer, world.stack.function_url(), false).await.unwrap_err();
    let sentence = manage::sentence::of(&error);
    assert!(sentence.contains("was deleted again") && sentence.contains("AWS does not allow it"), "{sentence}");
    assert!(!said.stdout().contains("✅ Created"), "{}", said.stdout());
    assert_eq!(endpoints(&auditor).await?.len(), 1, "the one that was there");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_an_endpoint_made_by_hand_is_taken_from_standard_input() -> Result<()> {
    let world = World::start().await?;
    let form = "url=http%3A%2F%2F127.0.0.1%3A1%2Fstripe%2Fwebhook%2F&enabled_events[]=invoice.paid";
    let made = world.stripe_post("/v1/webhook_endpoints", form).await?.body;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let said = manage_with(&world, &["register-webhook", "--secret-stdin", id], &format!("{secret}\n")).await;
    assert_eq!(said.lines(), [format!("✅ Synced to database: {id}")]);
    assert!(!said.stderr.contains(secret));
    let body = r#"{"id":"evt_hand","object":"event","type":"invoice.created","created":1760000000,"livemode":false,"data":{"object":{"id":"in_1"}}}"#;
    let answer = world.deliver_as("/stripe/webhook/", Some(&tests::sign(secret, body)), body.as_bytes()).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);

    let said = manage_with(&world, &["register-webhook", "--secret-stdin", id], "").await;
    assert_eq!(said.code, 2, "{said:?}");
    let said = manage_with(&world, &["register-webhook", "--secret-stdin", id], "canary-no-secret\n").await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("webhook_signing_secrets[0].secret") && !said.stderr.contains("canary"), "{said:?}");
    let error =
        keep_secret(&auditor(&world), &Printer::captured(false).0, "we_nobody", &secret.to_owned().into()).await;
    assert!(error.unwrap_err().to_string().contains("Stripe has no endpoint we_nobody"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_stripe_could_not_reach_safely_is_a_usage_error() -> Result<()> {
    let world = World::start().await?;
    let said = manage(&world, &["register-webhook", "--create-in-stripe", "--url", "http://example.com"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert_eq!(endpoints(&auditor(&world)).await?.len(), 1);
    Ok(())
}
