//! No command says a secret: not when all goes well, not when nothing does, not when it is given where it does not belong.

use anyhow::Result;
use serde_json::json;
use shared::domain::Mode;
use tests::World;

use crate::support::{Said, manage, manage_with, put_secret};

const COMMANDS: &[&[&str]] = &[
    &["sync-stripe"],
    &["sync-stripe", "--clean", "--yes"],
    &["register-webhook"],
    &["check-trial-status"],
    &["fix-customer-links"],
    &["events", "--last", "50"],
    &["events", "--failed"],
    &["replay", "evt_unknown"],
    &["mark-trial-used", "--user", "42"],
    &["inspect", "user", "42"],
    &["doctor"],
    &["doctor", "--json"],
    &["explain", "42"],
    &["go-live", "--plan"],
    &["rollback", "--check"],
    &["report"],
    &["report", "--json"],
    &["secrets", "check"],
    &["secrets", "check", "--live"],
];

fn holds_none(said: &Said, canaries: &[String], what: &str) {
    for canary in canaries {
        assert!(!said.stdout.contains(canary) && !said.stderr.contains(canary), "{what} says a secret");
    }
}

async fn run_all(world: &World, canaries: &[String], when: &str) {
    for arguments in COMMANDS {
        for verbosity in [&[][..], &["--verbose"]] {
            let said = manage(world, &[arguments, verbosity].concat()).await;
            assert_ne!(said.code, 2, "{arguments:?} is no command: {said:?}");
            holds_none(&said, canaries, &format!("{arguments:?} {verbosity:?}, {when},"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_says_a_secret_whatever_happens_to_it() -> Result<()> {
    let world = World::start().await?;
    world.subscribe(&world.token("42")?).await?;
    let canaries = world.stack.canaries();
    assert!(canaries.len() >= 6 && canaries.iter().all(|canary| canary.len() >= 16));
    run_all(&world, &canaries, "when all is well").await;

    let refused = json!({ "kind": "403", "path_prefix": "/v1/", "count": 100_000 });
    world.sandbox("faults", &json!({ "api": [refused] })).await?;
    run_all(&world, &canaries, "when Stripe refuses the key").await;
    world.heal_stripe().await?;

    // Right values in wrong fields, and one that is cut off: what is wrong is named and not shown.
    let [stripe_key, webhook_secret, jwt_key] = &canaries[..3] else { panic!("three secrets of test mode") };
    let swapped = json!({
        "stripe_secret_key": webhook_secret, "stripe_publishable_key": stripe_key, "jwt_signing_keys": [stripe_key],
        "webhook_signing_secrets": [{ "uuid": jwt_key, "endpoint_id": "we_1", "secret": jwt_key }],
    });
    for value in [swapped.to_string(), format!("{{\"stripe_secret_key\": \"{stripe_key}")] {
        put_secret(&world, Mode::Test, &value).await?;
        run_all(&world, &canaries, "when the secret is wrong").await;
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_where_it_does_not_belong_is_not_said_once_more() -> Result<()> {
    let world = World::start().await?;
    let canaries = world.stack.canaries();
    let (stripe_key, webhook_secret) = (canaries[0].as_str(), canaries[1].as_str());
    for arguments in [
        &["sync-stripe", stripe_key][..],
        &["explain", stripe_key],
        &["inspect", "user", webhook_secret],
        &["mark-trial-used", "--user", webhook_secret],
        &["replay", stripe_key],
        &["secrets", "set", stripe_key],
        &["rotate", "stripe-key", stripe_key],
        &["--stack", webhook_secret, "events"],
    ] {
        let said = manage_with(&world, arguments, "").await;
        assert_ne!(said.code, 0, "{arguments:?}");
        holds_none(&said, &canaries, "a command that was given a secret as an argument");
    }
    // Typed at the wrong prompt.
    let said =
        manage_with(&world, &["secrets", "set"], &format!("{webhook_secret}\n{stripe_key}\n{stripe_key}\n")).await;
    holds_none(&said, &canaries, "secrets set");
    world.stack.shutdown().await
}
