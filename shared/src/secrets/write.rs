//! Changing a mode's secret: for operator commands alone, no function may.
//!
//! Every field that is not changed stays as it is, those this version does not know included, and what the functions
//! would refuse is never written.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{ModeSecrets, SecretStore, SecretsError, document};
use crate::causes::causes;
use crate::domain::Mode;

/// The fields of a secret as they are kept. No readable Debug.
pub struct Fields(Map<String, Value>);

/// A webhook endpoint's signing secret, to be stored.
pub struct NewSigningSecret<'a> {
    pub uuid: &'a str,
    pub endpoint_id: &'a str,
    pub secret: &'a str,
}

/// Tells one secret from another in a record or a note without holding it: sixteen hexadecimal digits of its SHA-256.
pub fn fingerprint(secret: &str) -> String {
    hex::encode(&Sha256::digest(secret)[..8])
}

impl Fields {
    pub(super) fn of(fields: Map<String, Value>) -> Fields {
        Fields(fields)
    }

    pub(super) fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// Adds an endpoint's secret in front, or replaces the one that endpoint has.
    pub fn put_signing_secret(&mut self, new: &NewSigningSecret<'_>) {
        self.remove_signing_secret(new.endpoint_id);
        let entry = json!({ "uuid": new.uuid, "endpoint_id": new.endpoint_id, "secret": new.secret });
        self.signing_secrets().insert(0, entry);
    }

    /// Whether there was one.
    pub fn remove_signing_secret(&mut self, endpoint_id: &str) -> bool {
        let secrets = self.signing_secrets();
        let before = secrets.len();
        secrets.retain(|entry| entry["endpoint_id"] != endpoint_id);
        secrets.len() < before
    }

    fn signing_secrets(&mut self) -> &mut Vec<Value> {
        const NAME: &str = "webhook_signing_secrets";
        let entry = self.0.entry(NAME).or_insert_with(|| json!([]));
        if !entry.is_array() {
            *entry = json!([]);
        }
        entry.as_array_mut().expect("it was made an array above")
    }
}

impl SecretStore {
    /// The mode's secret as it is kept, unchecked; empty when it has no value yet.
    pub async fn read_fields(&self, mode: Mode) -> Result<Fields, SecretsError> {
        let slot = self.slot(mode);
        let text = match &slot.secret_id {
            Ok(secret_id) => self.version(secret_id, "AWSCURRENT").await,
            Err(missing) => Err(super::store::Failure::NotSet(missing.clone())),
        };
        match text.map_err(|failure| slot.error(failure))?.as_deref() {
            None | Some("") => Ok(Fields(Map::new())),
            Some(text) => match serde_json::from_str(text) {
                Ok(Value::Object(fields)) => Ok(Fields(fields)),
                _ => Err(self.invalid(mode, "SecretString", "is not a JSON object")),
            },
        }
    }

    /// Reads, changes, checks and writes the secret; the process then uses the new values.
    ///
    /// # Errors
    /// [`SecretsError::Invalid`] names the field that would be refused by the functions: nothing was written.
    pub async fn edit(&self, mode: Mode, change: impl FnOnce(&mut Fields)) -> Result<(), SecretsError> {
        let mut fields = self.read_fields(mode).await?;
        change(&mut fields);
        let text = Value::Object(fields.0).to_string();
        let _: ModeSecrets =
            document::read(mode, &text).map_err(|complaint| self.invalid(mode, &complaint.field, complaint.problem))?;
        let secret_id = self.secret_id(mode);
        let put = self
            .client
            .put_secret_value()
            .secret_id(&secret_id)
            .secret_string(text)
            // The same write sent twice makes one version.
            .client_request_token(uuid::Uuid::new_v4().to_string())
            .send()
            .await;
        put.map_err(|error| SecretsError::Unavailable { secret_id, detail: causes(&error) })?;
        self.slot(mode).forget();
        Ok(())
    }

    fn secret_id(&self, mode: Mode) -> String {
        self.slot(mode).secret_id.clone().unwrap_or_else(|_| format!("of {mode} mode"))
    }

    fn invalid(&self, mode: Mode, field: &str, problem: &str) -> SecretsError {
        SecretsError::Invalid { secret_id: self.secret_id(mode), field: field.to_owned(), problem: problem.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::stand_in::{SecretsManager, good};

    const KEY: &str = "current-key-0123456789-0123456789-0123456789";

    fn new(secret: &str) -> NewSigningSecret<'_> {
        NewSigningSecret { uuid: "u-2", endpoint_id: "we_2", secret }
    }

    #[tokio::test]
    async fn an_endpoints_secret_is_added_and_every_other_field_stays() {
        let manager = SecretsManager::default();
        let mut document = good(&[KEY]);
        document["something_of_a_later_version"] = json!({"kept": true});
        manager.put("AWSCURRENT", &document);
        let store = manager.store().await;
        let before = store.get(Mode::Test).await.unwrap();
        assert_eq!(before.webhook_signing_secrets.len(), 1);
        store.edit(Mode::Test, |fields| fields.put_signing_secret(&new("whsec_fedcba9876543210"))).await.unwrap();
        let fields = store.read_fields(Mode::Test).await.unwrap();
        assert_eq!(fields.get("something_of_a_later_version"), Some(&json!({"kept": true})));
        let after = store.get(Mode::Test).await.unwrap();
        let endpoints: Vec<&str> = after.webhook_signing_secrets.iter().map(|of| of.endpoint_id.as_str()).collect();
        assert_eq!(endpoints, ["we_2", "we_1"], "the process uses the new values at once");
    }

    #[tokio::test]
    async fn an_endpoint_has_one_secret_and_loses_it_when_it_is_removed() {
        let manager = SecretsManager::default();
        manager.put("AWSCURRENT", &good(&[KEY]));
        let store = manager.store().await;
        for secret in ["whsec_fedcba9876543210", "whsec_00000000000000000"] {
            store.edit(Mode::Test, |fields| fields.put_signing_secret(&new(secret))).await.unwrap();
        }
        assert_eq!(store.get(Mode::Test).await.unwrap().webhook_signing_secrets.len(), 2);
        store.edit(Mode::Test, |fields| assert!(fields.remove_signing_secret("we_2"))).await.unwrap();
        assert_eq!(store.get(Mode::Test).await.unwrap().webhook_signing_secrets.len(), 1);
    }

    #[tokio::test]
    async fn what_the_functions_would_refuse_is_not_written() {
        let manager = SecretsManager::default();
        manager.put("AWSCURRENT", &good(&[KEY]));
        let store = manager.store().await;
        let error = store.edit(Mode::Test, |fields| fields.put_signing_secret(&new("canary"))).await.unwrap_err();
        assert!(error.to_string().contains("webhook_signing_secrets[0].secret"), "{error}");
        assert!(!error.to_string().contains("canary"));
        let error = store.edit(Mode::Test, |fields| fields.set("stripe_secret_key", json!("sk_live_1"))).await;
        assert!(error.unwrap_err().to_string().contains("is a key of the other mode"));
        assert_eq!(store.get(Mode::Test).await.unwrap().webhook_signing_secrets.len(), 1);
        assert_eq!(manager.writes(), 0);
    }
}
