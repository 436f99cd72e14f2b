//! `secrets set|check`: the mode's secret from standard input.

use anyhow::Result;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use shared::domain::Mode;
use tests::World;

use crate::support::{auditor_of, manage, manage_with, put_secret, says_no_secret};

const NEW_JWT_KEY: &str = "a-new-key-0123456789-0123456789-0123456789";

#[tokio::test(flavor = "multi_thread")]
async fn a_good_secret_is_said_to_be_good_field_by_field() -> Result<()> {
    let world = World::start().await?;
    let said = manage(&world, &["secrets", "check"]).await;
    let fields = ["stripe_secret_key", "stripe_publishable_key", "jwt_signing_keys", "webhook_signing_secrets"];
    assert_eq!(said.lines(), fields.map(|field| format!("✓ {field}")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_field_is_named_with_the_command_that_mends_it() -> Result<()> {
    let world = World::start().await?;
    put_secret(&world, Mode::Test, r#"{"stripe_secret_key": "sk_live_canary", "jwt_signing_keys": []}"#).await?;
    let said = manage(&world, &["secrets", "check", "--json"]).await;
    assert_eq!(said.code, 1);
    let of = |line: &str| serde_json::from_str::<Value>(line).unwrap()["problem"].clone();
    let problems: Vec<Value> = said.stdout.lines().map(of).collect();
    assert_eq!(problems, ["is a key of the other mode", "is missing", "is empty", "is missing"]);
    assert!(said.stderr.contains("secrets set") && !format!("{said:?}").contains("canary"), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_field_is_replaced_from_standard_input_and_every_other_stays() -> Result<()> {
    let world = World::start().await?;
    let before = auditor_of(&world, Mode::Test).secrets().get(Mode::Test).await?;
    let set = ["secrets", "set", "stripe_publishable_key"];
    let said = manage_with(&world, &set, "pk_test_canary1\n").await;
    assert_eq!(said.code, 2, "what is there is not replaced unasked: {said:?}");
    let said = manage_with(&world, &[&set[..], &["--yes"]].concat(), "pk_test_canary1\n").await;
    assert_eq!(said.lines(), ["✅ stripe_publishable_key stored for test mode"]);
    assert!(!format!("{said:?}").contains("canary"), "no value is printed");
    says_no_secret(&world, &said.stderr);
    let after = crate::support::target(&world, Mode::Test).await?.core.secrets.get(Mode::Test).await?;
    assert_eq!(after.stripe_publishable_key, "pk_test_canary1");
    assert_eq!(after.stripe_secret_key.expose_secret(), before.stripe_secret_key.expose_secret());
    assert_eq!(after.webhook_signing_secrets.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_functions_would_refuse_is_refused() -> Result<()> {
    let world = World::start().await?;
    for (field, value, sign) in [
        ("stripe_secret_key", "sk_live_canary", "is a key of the other mode"),
        ("jwt_signing_keys", "canary-too-short", "is shorter than 32 bytes"),
        ("stripe_publishable_key", "sk_test_canary", "is a Stripe key of another kind"),
    ] {
        let said = manage_with(&world, &["secrets", "set", field, "--yes"], value).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stderr.contains(sign) && !format!("{said:?}").contains("canary"), "{said:?}");
    }
    assert_eq!(manage(&world, &["secrets", "check"]).await.code, 0, "the secret is as it was");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_secret_is_filled_at_once_or_not_at_all() -> Result<()> {
    let world = World::start().await?;
    put_secret(&world, Mode::Live, "{}").await?;
    let part = json!({ "stripe_secret_key": "sk_live_51Abc" }).to_string();
    let said = manage_with(&world, &["--live", "secrets", "set"], &part).await;
    assert!(said.code == 1 && said.stderr.contains("stripe_publishable_key is missing"), "{said:?}");
    let whole = json!({
        "stripe_secret_key": "sk_live_51Abc", "stripe_publishable_key": "pk_live_51Abc", "jwt_signing_keys": [NEW_JWT_KEY],
    });
    let said = manage_with(&world, &["--live", "secrets", "set"], &whole.to_string()).await;
    assert_eq!(said.code, 0, "nothing is replaced, so nothing is asked: {said:?}");
    assert_eq!(manage(&world, &["--live", "secrets", "check"]).await.code, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_key_leaves_who_is_logged_in_logged_in() -> Result<()> {
    let world = World::start().await?;
    let said = manage_with(&world, &["secrets", "set", "jwt_signing_keys", "--yes"], NEW_JWT_KEY).await;
    assert_eq!(said.code, 0, "{said:?}");
    let secrets = crate::support::target(&world, Mode::Test).await?.core.secrets.get(Mode::Test).await?;
    assert_eq!((secrets.jwt_signing_keys.len(), secrets.jwt_signing_keys[0].expose_secret()), (2, NEW_JWT_KEY));
    Ok(())
}
