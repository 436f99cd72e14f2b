//! The store of secrets against a small Secrets Manager, through the real SDK.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::json;

use super::stand_in::{SecretsManager, good};
use super::*;

const KEY_ONE: &str = "jwt-key-one-0123456789012345678901234567890";
const KEY_TWO: &str = "jwt-key-two-0123456789012345678901234567890";

fn start() -> Timestamp {
    "2025-10-06T12:00:00Z".parse().unwrap()
}

fn after(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

fn jwt_keys(secrets: &ModeSecrets) -> Vec<&str> {
    secrets.jwt_signing_keys.iter().map(SecretString::expose_secret).collect()
}

#[tokio::test]
async fn the_secret_is_read_once_in_five_minutes() {
    let manager = SecretsManager::default();
    manager.put("AWSCURRENT", &good(&[KEY_ONE]));
    let store = manager.store().await;

    let secrets = store.get_at(Mode::Test, start()).await.unwrap();
    assert_eq!(secrets.stripe_secret_key.expose_secret(), "sk_test_51Abc");
    assert_eq!(secrets.webhook_signing_secrets[0].endpoint_id, "we_1");
    store.get_at(Mode::Test, after(4)).await.unwrap();
    assert_eq!(manager.reads(), 1);

    manager.put("AWSCURRENT", &good(&[KEY_TWO]));
    let later = store.get_at(Mode::Test, after(5)).await.unwrap();
    assert_eq!(jwt_keys(&later), [KEY_TWO]);
    assert_eq!(manager.reads(), 1);
}

#[tokio::test]
async fn a_failure_ahead_of_need_is_forgotten_and_a_success_is_kept() {
    let manager = SecretsManager::default();
    manager.put("AWSCURRENT", &good(&[KEY_ONE]));
    let store = manager.store().await;
    manager.is_down(true);
    store.read_ahead(Mode::Test).await;
    manager.is_down(false);
    assert!(store.get(Mode::Test).await.is_ok(), "asked again at once");

    let store = manager.store().await;
    store.read_ahead(Mode::Test).await;
    manager.reads();
    assert!(store.get(Mode::Test).await.is_ok());
    assert_eq!(manager.reads(), 0, "it was there already");
}

#[tokio::test]
async fn the_previous_version_verifies_too_but_its_stripe_key_is_gone() {
    let manager = SecretsManager::default();
    let mut previous = good(&[KEY_ONE]);
    previous["stripe_secret_key"] = json!("sk_test_old");
    previous["webhook_signing_secrets"][0]["secret"] = json!("whsec_old0123456789abcdef");
    manager.put("AWSPREVIOUS", &previous);
    manager.put("AWSCURRENT", &good(&[KEY_TWO, KEY_ONE]));

    let secrets = manager.store().await.get_at(Mode::Test, start()).await.unwrap();

    assert_eq!(jwt_keys(&secrets), [KEY_TWO, KEY_ONE], "current first, none twice");
    assert_eq!(secrets.stripe_secret_key.expose_secret(), "sk_test_51Abc");
    let signing: Vec<&str> = secrets.webhook_signing_secrets.iter().map(|one| one.secret.expose_secret()).collect();
    assert_eq!(signing, ["whsec_0123456789abcdef", "whsec_old0123456789abcdef"]);
}

#[tokio::test]
async fn a_bad_previous_version_is_ignored() {
    let manager = SecretsManager::default();
    manager.put("AWSCURRENT", &good(&[KEY_ONE]));
    manager.put_text("AWSPREVIOUS", "{}");
    let secrets = manager.store().await.get_at(Mode::Test, start()).await.unwrap();
    assert_eq!(jwt_keys(&secrets), [KEY_ONE]);
}

#[tokio::test]
async fn the_last_good_secret_serves_a_day_while_secrets_manager_fails() {
    let manager = SecretsManager::default();
    manager.put("AWSCURRENT", &good(&[KEY_ONE]));
    let store = manager.store().await;
    let secrets = store.get_at(Mode::Test, start()).await.unwrap();
    manager.is_down(true);
    manager.reads();

    let kept = store.get_at(Mode::Test, after(10)).await.unwrap();
    assert!(Arc::ptr_eq(&secrets, &kept));
    store.get_at(Mode::Test, after(10)).await.unwrap();
    assert_eq!(manager.reads(), 1, "tried again once a minute, not with every request");

    assert!(store.get_at(Mode::Test, after(24 * 60 - 1)).await.is_ok());
    let error = store.get_at(Mode::Test, after(24 * 60)).await.unwrap_err();
    assert!(matches!(error, SecretsError::Unavailable { .. }), "{error}");

    manager.is_down(false);
    assert!(store.get_at(Mode::Test, after(24 * 60 + 1)).await.is_ok(), "and is over when it is over");
}

#[tokio::test]
async fn with_nothing_to_serve_a_failure_is_remembered_for_seconds() {
    let manager = SecretsManager::default();
    manager.is_down(true);
    let store = manager.store().await;
    for _ in 0..3 {
        assert!(store.get_at(Mode::Test, start()).await.is_err());
    }
    assert_eq!(manager.reads(), 1);
    manager.is_down(false);
    manager.put("AWSCURRENT", &good(&[KEY_ONE]));
    assert!(store.get_at(Mode::Test, after(1)).await.is_ok());
}

#[tokio::test]
async fn many_callers_at_once_are_one_read() {
    let manager = SecretsManager::default();
    manager.put("AWSCURRENT", &good(&[KEY_ONE]));
    let store = Arc::new(manager.store().await);
    let all = || {
        let callers = (0..20).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.get_at(Mode::Test, start()).await.is_ok() })
        });
        callers.collect::<Vec<_>>()
    };
    for caller in all() {
        assert!(caller.await.unwrap());
    }
    assert_eq!(manager.reads(), 1);
}

#[tokio::test]
async fn a_rotation_is_found_at_once_and_looked_for_once_a_minute() {
    let manager = SecretsManager::default();
    manager.put("AWSCURRENT", &good(&[KEY_ONE]));
    let store = manager.store().await;
    let known = store.get_at(Mode::Test, start()).await.unwrap();
    manager.put("AWSPREVIOUS", &good(&[KEY_ONE]));
    manager.put("AWSCURRENT", &good(&[KEY_TWO]));
    manager.reads();

    let newer = store.refreshed_at(Mode::Test, &known, start()).await.unwrap();
    assert_eq!(jwt_keys(&newer), [KEY_TWO, KEY_ONE]);
    assert!(store.refreshed_at(Mode::Test, &newer, start()).await.is_none(), "forged tokens cause no reads");
    assert_eq!(manager.reads(), 1);

    assert!(Arc::ptr_eq(&store.refreshed_at(Mode::Test, &known, start()).await.unwrap(), &newer));
    assert!(store.refreshed_at(Mode::Test, &newer, after(1)).await.is_none(), "the same values are nothing newer");
    assert_eq!(manager.reads(), 1);
}

#[tokio::test]
async fn a_secret_gone_wrong_serves_nobody() {
    let manager = SecretsManager::default();
    manager.put("AWSCURRENT", &good(&[KEY_ONE]));
    let store = manager.store().await;
    store.get_at(Mode::Test, start()).await.unwrap();
    manager.put("AWSCURRENT", &good(&[]));

    let error = store.get_at(Mode::Test, after(5)).await.unwrap_err();
    assert_eq!(error.to_string(), "secret test-secret: jwt_signing_keys is empty");
    assert!(store.get_at(Mode::Test, after(5)).await.is_err());
}

#[tokio::test]
async fn a_secret_that_is_not_there_or_not_named_is_a_misconfiguration() {
    let store = SecretsManager::default().store().await;
    let error = store.get_at(Mode::Test, start()).await.unwrap_err();
    assert_eq!(error.to_string(), "secret test-secret: AWSCURRENT does not exist");
    let error = store.get_at(Mode::Live, start()).await.unwrap_err();
    assert_eq!(error.to_string(), "secret of live mode: SECRET_ID_LIVE is not set");
}

#[tokio::test]
async fn nothing_secret_shows_in_debug() {
    let manager = SecretsManager::default();
    manager.put("AWSCURRENT", &good(&[KEY_ONE]));
    let secrets = manager.store().await.get_at(Mode::Test, start()).await.unwrap();
    let shown = format!("{secrets:?} {:?}", secrets.webhook_signing_secrets);
    for value in ["sk_test", "pk_test", "whsec", "jwt-key"] {
        assert!(!shown.contains(value), "{shown}");
    }
}

#[tokio::test]
async fn a_secret_that_is_only_pending_is_none() {
    let manager = SecretsManager::default();
    manager.put("AWSPENDING", &good(&[KEY_ONE]));
    let store = manager.store().await;
    let error = store.get_at(Mode::Test, start()).await.unwrap_err();
    assert!(matches!(error, SecretsError::Invalid { .. }), "{error}");
    manager.put("AWSCURRENT", &good(&[KEY_TWO]));
    let secrets = store.get_at(Mode::Test, after(1)).await.unwrap();
    assert_eq!(jwt_keys(&secrets), [KEY_TWO], "a pending version verifies nothing");
}
