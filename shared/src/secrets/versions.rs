//! The versions of a mode's secret and what is wrong with it: for operator commands alone.

use super::{SecretStore, SecretsError, document};
use crate::causes::causes;
use crate::domain::Mode;

use super::write::Fields;

const PREVIOUS: &str = "AWSPREVIOUS";

/// A field of the secret and what is wrong with it; never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    pub field: String,
    pub problem: &'static str,
}

/// What the functions would refuse of these fields.
pub fn flaws(mode: Mode, fields: &Fields) -> Vec<Flaw> {
    let complaints = document::complaints(mode, fields.as_map());
    complaints.into_iter().map(|complaint| Flaw { field: complaint.field, problem: complaint.problem }).collect()
}

impl SecretStore {
    /// The fields of the version before this one, when there is one that can be read.
    pub async fn read_previous_fields(&self, mode: Mode) -> Result<Option<Fields>, SecretsError> {
        let slot = self.slot(mode);
        let secret_id = slot.secret_id.clone().map_err(|missing| slot.error(super::store::Failure::NotSet(missing)))?;
        let text = self.version(&secret_id, PREVIOUS).await.map_err(|failure| slot.error(failure))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).map(Fields::of))
    }

    /// Takes the label AWSPREVIOUS away, so that what only the version before holds verifies nothing any more. Functions
    /// notice within five minutes.
    pub async fn forget_previous(&self, mode: Mode) -> Result<(), SecretsError> {
        let slot = self.slot(mode);
        let secret_id = slot.secret_id.clone().map_err(|missing| slot.error(super::store::Failure::NotSet(missing)))?;
        let unavailable = |detail| SecretsError::Unavailable { secret_id: secret_id.clone(), detail };
        let described = self.client.describe_secret().secret_id(&secret_id).send().await;
        let described = described.map_err(|error| unavailable(causes(&error)))?;
        let versions = described.version_ids_to_stages.unwrap_or_default();
        let is_previous = |stages: &Vec<String>| stages.iter().any(|stage| stage == PREVIOUS);
        let Some((version, _)) = versions.into_iter().find(|(_, stages)| is_previous(stages)) else { return Ok(()) };
        let update = self.client.update_secret_version_stage().secret_id(&secret_id).version_stage(PREVIOUS);
        let updated = update.remove_from_version_id(version).send().await;
        updated.map_err(|error| unavailable(causes(&error)))?;
        slot.forget();
        Ok(())
    }
}
