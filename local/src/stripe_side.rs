//! Which Stripe the stack talks to: the sandbox inside it, or Stripe's own test mode.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub enum StripeSide {
    Sandbox,
    TestMode(TestMode),
}

/// Keys of a real account's test mode. No readable Debug.
#[derive(Clone)]
pub struct TestMode {
    secret_key: String,
    publishable_key: Option<String>,
    webhook_secret: Option<String>,
}

impl fmt::Debug for TestMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TestMode(hidden)")
    }
}

impl TestMode {
    /// Errors: a live key is refused, and so is whatever is not a key; the sentence never holds the key.
    pub fn new(secret_key: &str, publishable_key: Option<String>, webhook_secret: Option<String>) -> Result<TestMode> {
        let secret_key = secret_key.trim();
        if secret_key.starts_with("sk_live_") || secret_key.starts_with("rk_live_") {
            bail!("The Stripe key is a live one: the local stack moves no real money. Give it a key of test mode.");
        }
        if !secret_key.starts_with("sk_test_") && !secret_key.starts_with("rk_test_") {
            bail!("The Stripe key must start with sk_test_ or rk_test_.");
        }
        if publishable_key.as_ref().is_some_and(|key| !key.starts_with("pk_test_")) {
            bail!("The publishable key must start with pk_test_.");
        }
        if webhook_secret.as_ref().is_some_and(|secret| !secret.starts_with("whsec_")) {
            bail!("The webhook signing secret must start with whsec_.");
        }
        Ok(TestMode { secret_key: secret_key.to_owned(), publishable_key, webhook_secret })
    }

    /// Writes the given keys over those of the secret.
    pub(crate) fn put_into(&self, secret: &mut Value) {
        secret["stripe_secret_key"] = json!(self.secret_key);
        if let Some(key) = &self.publishable_key {
            secret["stripe_publishable_key"] = json!(key);
        }
        if let Some(webhook_secret) = &self.webhook_secret {
            secret["webhook_signing_secrets"][0]["secret"] = json!(webhook_secret);
        }
    }
}

impl StripeSide {
    /// Customers of the sandbox and of a real account never share a table.
    pub(crate) fn folder_in(&self, data_folder: &Path) -> PathBuf {
        match self {
            StripeSide::Sandbox => data_folder.to_owned(),
            StripeSide::TestMode(_) => data_folder.join("stripe-test-mode"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_key_is_refused_and_not_repeated() {
        for key in ["sk_live_canary", "rk_live_canary", "canary"] {
            let error = TestMode::new(key, None, None).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
        let test_mode = TestMode::new(" sk_test_canary\n", None, None).unwrap();
        assert!(!format!("{test_mode:?}").contains("canary"));
    }

    #[test]
    fn the_given_keys_replace_those_of_the_secret() {
        let given = TestMode::new("rk_test_1", Some("pk_test_1".to_owned()), Some("whsec_1".to_owned())).unwrap();
        let mut secret = crate::keys::Keys::open(None).unwrap().of(shared::domain::Mode::Test).secret();
        given.put_into(&mut secret);
        assert_eq!(secret["stripe_secret_key"], "rk_test_1");
        assert_eq!(secret["stripe_publishable_key"], "pk_test_1");
        assert_eq!(secret["webhook_signing_secrets"][0]["secret"], "whsec_1");
    }
}
