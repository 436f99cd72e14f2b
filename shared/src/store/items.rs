//! The attributes of each item, and the way from and to the domain.
//!
//! Times are whole seconds since 1970 in UTC. `expires_at` is DynamoDB's TTL attribute and appears on events only.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::{AsOf, Stored};
use crate::domain::Interval;

mod billing;
mod catalogue;
mod people;

pub(super) use billing::{CardItem, InvoiceItem, SubscriptionItem};
pub(super) use catalogue::{EndpointItem, PriceItem, ProductItem};
pub(super) use people::{CheckoutItem, CustomerItem, MirrorItem, OwnerItem, SecondTrialItem, TrialItem};

pub(super) type Attributes = HashMap<String, AttributeValue>;

fn second(time: Timestamp) -> i64 {
    time.as_second()
}

fn time(second: i64) -> Result<Timestamp, String> {
    Timestamp::from_second(second).map_err(|_| "a time is out of range".to_owned())
}

fn optional_time(second: Option<i64>) -> Result<Option<Timestamp>, String> {
    second.map(time).transpose()
}

/// The stamp, as it is kept beside every mirrored object.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct StampAttributes {
    pub as_of: i64,
    pub as_of_until: i64,
    pub as_of_event: String,
}

impl From<&AsOf> for StampAttributes {
    fn from(as_of: &AsOf) -> Self {
        StampAttributes {
            as_of: second(as_of.from),
            as_of_until: second(as_of.until),
            as_of_event: as_of.source.clone(),
        }
    }
}

/// Reads the stamp of any mirrored item around its value.
pub(super) fn stored<T>(attributes: &Attributes, value: T) -> Result<Stored<T>, String> {
    let source = attributes.get("as_of_event").and_then(|source| source.as_s().ok());
    Ok(Stored {
        value,
        as_of: AsOf {
            from: time(whole_number(attributes, "as_of")?)?,
            until: time(whole_number(attributes, "as_of_until")?)?,
            source: source.ok_or("as_of_event is missing")?.clone(),
        },
        version: whole_number(attributes, "version")?,
    })
}

fn whole_number<N: FromStr>(attributes: &Attributes, name: &str) -> Result<N, String> {
    let number = attributes.get(name).and_then(|number| number.as_n().ok());
    number.and_then(|number| number.parse().ok()).ok_or_else(|| format!("{name} is missing or no whole number"))
}

fn interval(unit: Option<String>, count: Option<u64>) -> Option<Interval> {
    unit.map(|unit| Interval { unit, count: count.unwrap_or(1) })
}
