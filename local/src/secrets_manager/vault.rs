//! Secrets with their versions and staging labels, as AWS keeps them:
//! <https://docs.aws.amazon.com/secretsmanager/latest/userguide/getting-started.html#term_version>.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Vault {
    secrets: BTreeMap<String, Secret>,
}

#[derive(Serialize, Deserialize)]
struct Secret {
    arn: String,
    description: Option<String>,
    created_at: Timestamp,
    changed_at: Timestamp,
    versions: Vec<Version>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Version {
    id: String,
    pub secret_string: String,
    stages: Vec<String>,
    created_at: Timestamp,
}

/// An error of the service. `message` never holds a secret's value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub kind: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(kind: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { kind, message: message.into() }
    }

    fn not_found(what: &str) -> Refusal {
        Refusal::new("ResourceNotFoundException", format!("Secrets Manager can't find the specified {what}."))
    }
}

/// Which version is asked for; AWSCURRENT when nothing is said.
pub(super) struct Wanted {
    pub version_id: Option<String>,
    pub stage: Option<String>,
}

impl Wanted {
    pub fn current() -> Wanted {
        Wanted { version_id: None, stage: None }
    }
}

pub(super) struct NewValue {
    pub secret_string: String,
    /// Becomes the version's id: the same token with the same value is done once.
    pub token: Option<String>,
    /// AWSCURRENT when absent.
    pub stages: Option<Vec<String>>,
}

pub(super) struct StageMove {
    pub stage: String,
    pub remove_from: Option<String>,
    pub move_to: Option<String>,
}

impl Vault {
    /// By name or by ARN.
    fn find(&self, secret_id: &str) -> Result<(&str, &Secret), Refusal> {
        self.secrets
            .iter()
            .find(|(name, secret)| *name == secret_id || secret.arn == secret_id)
            .map(|(name, secret)| (name.as_str(), secret))
            .ok_or_else(|| Refusal::not_found("secret"))
    }

    fn find_mut(&mut self, secret_id: &str) -> Result<(&str, &mut Secret), Refusal> {
        self.secrets
            .iter_mut()
            .find(|(name, secret)| *name == secret_id || secret.arn == secret_id)
            .map(|(name, secret)| (name.as_str(), secret))
            .ok_or_else(|| Refusal::not_found("secret"))
    }

    pub fn get(&self, secret_id: &str, wanted: &Wanted) -> Result<&Version, Refusal> {
        self.find(secret_id)?.1.version(wanted)
    }

    pub fn get_reply(&self, secret_id: &str, wanted: &Wanted) -> Result<Value, Refusal> {
        let (name, secret) = self.find(secret_id)?;
        let version = secret.version(wanted)?;
        Ok(json!({
            "ARN": secret.arn,
            "Name": name,
            "VersionId": version.id,
            "SecretString": version.secret_string,
            "VersionStages": version.stages,
            "CreatedDate": epoch(version.created_at),
        }))
    }

    pub fn describe(&self, secret_id: &str) -> Result<Value, Refusal> {
        let (name, secret) = self.find(secret_id)?;
        let mut reply = secret.summary(name);
        reply["VersionIdsToStages"] = Value::Object(secret.ids_to_stages());
        Ok(reply)
    }

    pub fn list(&self) -> Value {
        let list = self.secrets.iter().map(|(name, secret)| {
            let mut entry = secret.summary(name);
            entry["SecretVersionsToStages"] = Value::Object(secret.ids_to_stages());
            entry
        });
        json!({ "SecretList": list.collect::<Vec<_>>() })
    }

    pub fn create(
        &mut self,
        name: &str,
        description: Option<String>,
        value: Option<NewValue>,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        if self.secrets.contains_key(name) {
            let message = format!("The operation failed because the secret {name} already exists.");
            return Err(Refusal::new("ResourceExistsException", message));
        }
        let suffix = &Uuid::new_v4().simple().to_string()[..6];
        let arn = format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}-{suffix}");
        let mut secret = Secret { arn, description, created_at: now, changed_at: now, versions: Vec::new() };
        let version_id = value.map(|value| secret.add(value, now)).transpose()?;
        let mut reply = json!({ "ARN": secret.arn, "Name": name });
        if let Some(id) = version_id {
            reply["VersionId"] = json!(id);
        }
        self.secrets.insert(name.to_owned(), secret);
        Ok(reply)
    }

    pub fn put(&mut self, secret_id: &str, value: NewValue, now: Timestamp) -> Result<Value, Refusal> {
        let (name, secret) = self.find_mut(secret_id)?;
        let id = secret.add(value, now)?;
        let stages = secret.versions.iter().find(|version| version.id == id).map(|version| &version.stages);
        Ok(json!({ "ARN": secret.arn, "Name": name, "VersionId": id, "VersionStages": stages }))
    }

    pub fn move_stage(&mut self, secret_id: &str, wanted: &StageMove, now: Timestamp) -> Result<Value, Refusal> {
        let (name, secret) = self.find_mut(secret_id)?;
        secret.move_stage(wanted, now)?;
        Ok(json!({ "ARN": secret.arn, "Name": name }))
    }
}

impl Secret {
    fn version(&self, wanted: &Wanted) -> Result<&Version, Refusal> {
        let stage = match (&wanted.stage, &wanted.version_id) {
            (None, None) => Some(CURRENT),
            (stage, _) => stage.as_deref(),
        };
        if let Some(id) = &wanted.version_id {
            let version = self.versions.iter().find(|version| version.id == *id);
            let version = version.ok_or_else(|| Refusal::not_found(&format!("secret value for VersionId: {id}")))?;
            if stage.is_some_and(|stage| !version.has(stage)) {
                let message = "You provided a VersionStage that is not associated to the provided VersionId.";
                return Err(Refusal::new("InvalidRequestException", message));
            }
            return Ok(version);
        }
        let stage = stage.unwrap_or(CURRENT);
        let version = self.versions.iter().find(|version| version.has(stage));
        version.ok_or_else(|| Refusal::not_found(&format!("secret value for staging label: {stage}")))
    }

    /// The id of the version, which an earlier request with the same token may have made.
    fn add(&mut self, value: NewValue, now: Timestamp) -> Result<String, Refusal> {
        let id = value.token.unwrap_or_else(|| Uuid::new_v4().to_string());
        if let Some(made) = self.versions.iter().find(|version| version.id == id) {
            if made.secret_string == value.secret_string {
                return Ok(id);
            }
            let message = format!(
                "You can't use ClientRequestToken {id} because that value is already in use for a version of this secret."
            );
            return Err(Refusal::new("ResourceExistsException", message));
        }
        let version = Version { id, secret_string: value.secret_string, stages: Vec::new(), created_at: now };
        let id = version.id.clone();
        self.versions.push(version);
        let is_first = self.versions.len() == 1;
        let mut stages = value.stages.unwrap_or_else(|| vec![CURRENT.to_owned()]);
        if is_first && !stages.iter().any(|stage| stage == CURRENT) {
            stages.push(CURRENT.to_owned());
        }
        for stage in &stages {
            self.label(stage, &id);
        }
        self.forget_unlabelled();
        self.changed_at = now;
        Ok(id)
    }

    fn move_stage(&mut self, wanted: &StageMove, now: Timestamp) -> Result<(), Refusal> {
        let StageMove { stage, remove_from, move_to } = wanted;
        for id in [remove_from, move_to].into_iter().flatten() {
            if !self.versions.iter().any(|version| version.id == *id) {
                return Err(Refusal::not_found(&format!("secret value for VersionId: {id}")));
            }
        }
        let holder = self.versions.iter().find(|version| version.has(stage)).map(|version| version.id.clone());
        match (&holder, remove_from) {
            (Some(holder), Some(from)) if holder != from => {
                let message = format!("The staging label {stage} is not attached to version {from}.");
                return Err(Refusal::new("InvalidParameterException", message));
            }
            (Some(holder), None) if move_to.as_ref() != Some(holder) => {
                let message = format!(
                    "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version {holder}, so you must explicitly reference that version in RemoveFromVersionId."
                );
                return Err(Refusal::new("InvalidParameterException", message));
            }
            _ => {}
        }
        match move_to {
            Some(id) => self.label(stage, id),
            None if stage == CURRENT => {
                let message = "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.";
                return Err(Refusal::new("InvalidParameterException", message));
            }
            None => self.versions.iter_mut().for_each(|version| version.stages.retain(|label| label != stage)),
        }
        self.changed_at = now;
        Ok(())
    }

    /// A label is on one version at a time; the one that loses AWSCURRENT becomes AWSPREVIOUS.
    fn label(&mut self, stage: &str, id: &str) {
        let before = self.versions.iter().find(|version| version.has(stage)).map(|version| version.id.clone());
        if before.as_deref() == Some(id) {
            return;
        }
        for version in &mut self.versions {
            version.stages.retain(|label| label != stage);
            if version.id == id {
                version.stages.push(stage.to_owned());
            }
        }
        if let Some(before) = before.filter(|_| stage == CURRENT) {
            self.label(PREVIOUS, &before);
        }
    }

    /// Versions without a label are deprecated: AWS deletes them when there are many, this keeps none.
    fn forget_unlabelled(&mut self) {
        self.versions.retain(|version| !version.stages.is_empty());
    }

    fn ids_to_stages(&self) -> Map<String, Value> {
        self.versions.iter().map(|version| (version.id.clone(), json!(version.stages))).collect()
    }

    fn summary(&self, name: &str) -> Value {
        let mut summary = json!({
            "ARN": self.arn,
            "Name": name,
            "CreatedDate": epoch(self.created_at),
            "LastChangedDate": epoch(self.changed_at),
        });
        if let Some(description) = &self.description {
            summary["Description"] = json!(description);
        }
        summary
    }
}

impl Version {
    fn has(&self, stage: &str) -> bool {
        self.stages.iter().any(|label| label == stage)
    }
}

/// Seconds with a fraction, as the JSON protocol writes times.
fn epoch(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests;
