//! The table itself and its records as a whole: for an operator's checks.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, PointInTimeRecoveryStatus, TimeToLiveStatus};
use sha2::{Digest, Sha256};

use super::items::Attributes;
use super::read::unavailable;
use super::{Store, StoreError, keys};

/// How the table is kept. Nothing where whoever plays DynamoDB does not know the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableState {
    pub has_expected_keys: bool,
    pub is_deletion_protected: Option<bool>,
    pub expires_events: Option<bool>,
    pub has_point_in_time_recovery: Option<bool>,
}

/// A hash over every record of the mode that says something of users, customers or the catalogue, in any order, and how
/// many there are of each. Two that are equal are of the same records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<String, (u64, [u8; 32])>);

impl Fingerprint {
    /// How many records there are, by kind.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(kind, (count, _))| (kind.as_str(), *count))
    }

    pub fn count(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    /// The kinds of records that are not the same in both.
    pub fn differences(&self, other: &Fingerprint) -> Vec<String> {
        let kinds = self.0.keys().chain(other.0.keys()).filter(|kind| self.0.get(*kind) != other.0.get(*kind));
        let mut kinds: Vec<String> = kinds.cloned().collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }

    /// The first digits of the whole.
    pub fn short(&self) -> String {
        let mut hasher = Sha256::new();
        for (kind, (count, hash)) in &self.0 {
            hasher.update(kind);
            hasher.update(count.to_be_bytes());
            hasher.update(hash);
        }
        hex::encode(&hasher.finalize()[..6])
    }

    /// Added as in a sum, so that the order of the scan does not show and a record that is there twice does.
    fn add(&mut self, kind: String, item: &Attributes) {
        let (count, sum) = self.0.entry(kind).or_default();
        *count += 1;
        let mut carry = 0_u16;
        for (byte, more) in sum.iter_mut().zip(Sha256::digest(canonical(item))) {
            let added = u16::from(*byte) + u16::from(more) + carry;
            *byte = added.to_le_bytes()[0];
            carry = added >> 8;
        }
    }
}

/// The attributes in the order of their names.
fn canonical(item: &Attributes) -> String {
    let sorted: BTreeMap<&String, &AttributeValue> = item.iter().collect();
    format!("{sorted:?}")
}

impl Store {
    /// How the table is kept, with three requests.
    pub async fn table_state(&self) -> Result<TableState, StoreError> {
        let doing = || "describe the table".to_owned();
        let described = self.dynamodb.sdk.describe_table().table_name(&self.table_name).send().await;
        let table = described.map_err(|error| unavailable(&doing, &error))?.table;
        let keys: Vec<String> =
            table.iter().flat_map(|table| table.key_schema()).map(|key| key.attribute_name.clone()).collect();
        let ttl = self.dynamodb.sdk.describe_time_to_live().table_name(&self.table_name).send().await;
        let expires_events = known(ttl, &doing)?.map(|output| {
            output.time_to_live_description.is_some_and(|ttl| {
                let is_on = ttl.time_to_live_status == Some(TimeToLiveStatus::Enabled);
                is_on && ttl.attribute_name.as_deref() == Some("expires_at")
            })
        });
        let backups = self.dynamodb.sdk.describe_continuous_backups().table_name(&self.table_name).send().await;
        let has_point_in_time_recovery = known(backups, &doing)?.map(|output| {
            let of_table = output.continuous_backups_description;
            let recovery = of_table.and_then(|backups| backups.point_in_time_recovery_description);
            recovery.and_then(|recovery| recovery.point_in_time_recovery_status)
                == Some(PointInTimeRecoveryStatus::Enabled)
        });
        Ok(TableState {
            has_expected_keys: keys == [keys::PK, keys::SK],
            is_deletion_protected: table.and_then(|table| table.deletion_protection_enabled),
            expires_events,
            has_point_in_time_recovery,
        })
    }

    /// Goes through all records of the mode but those of events and walks, with one page of them in memory.
    pub async fn fingerprint(&self) -> Result<Fingerprint, StoreError> {
        let doing = || "go through the records".to_owned();
        let mut fingerprint = Fingerprint::default();
        let mut start = None;
        let prefix = format!("{}#", self.mode);
        loop {
            let page = self
                .dynamodb
                .sdk
                .scan()
                .table_name(&self.table_name)
                .filter_expression("begins_with(pk, :mode)")
                .expression_attribute_values(":mode", AttributeValue::S(prefix.clone()))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| unavailable(&doing, &error))?;
            for item in page.items.unwrap_or_default() {
                let pk = item.get(keys::PK).and_then(|pk| pk.as_s().ok());
                let kind = pk.and_then(|pk| pk.strip_prefix(&prefix)).and_then(|pk| pk.split('#').next());
                match kind {
                    Some("event" | "failed" | "reconcile" | "webhook") | None => {}
                    Some(kind) => fingerprint.add(kind.to_owned(), &item),
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(fingerprint);
            }
        }
    }
}

/// Nothing when the question is not known there: DynamoDB's stand-ins know fewer than it does.
fn known<T, E>(answer: Result<T, SdkError<E>>, doing: &impl Fn() -> String) -> Result<Option<T>, StoreError>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match answer {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.code() == Some("UnknownOperationException") => Ok(None),
        Err(error) => Err(unavailable(doing, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(sk: &str, status: &str) -> Attributes {
        [("sk", sk), ("status", status)]
            .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
            .into()
    }

    fn of(items: &[Attributes]) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for item in items {
            fingerprint.add("user".to_owned(), item);
        }
        fingerprint
    }

    #[test]
    fn the_order_does_not_show_and_a_change_does() {
        let (one, two) = (item("subscription#sub_1", "active"), item("subscription#sub_2", "active"));
        assert_eq!(of(&[one.clone(), two.clone()]), of(&[two.clone(), one.clone()]));
        let changed = item("subscription#sub_2", "canceled");
        assert_eq!(of(&[one.clone(), two]).differences(&of(&[one.clone(), changed])), ["user"]);
        assert_ne!(of(&[one.clone(), one.clone()]), of(&[]), "a record twice does not cancel out");
        assert_ne!(of(&[one]).short(), of(&[]).short());
    }
}
