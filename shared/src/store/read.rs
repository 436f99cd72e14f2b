//! The reads: all strongly consistent, each one request.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::get_item::GetItemInput;
use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use super::commit::jittered;
use super::items::{
    self, Attributes, CardItem, CheckoutItem, CustomerItem, MirrorItem, PriceItem, ProductItem, SubscriptionItem,
    TrialItem,
};
use super::keys::{self, Key, Partition};
use super::record::Stored;
use super::{FailedEvent, KnownEvent, Owner, Store, StoreError, commit, event};
use crate::causes::causes;
use crate::domain::{
    Account, Card, CustomerId, CustomerMirror, EventId, Price, PriceId, Product, ProductId, Subscription,
    SubscriptionId, UserId,
};
use crate::tally::{Count, count};

/// How often what a busy table left out of an answer is asked for again.
const BATCH_TRIES: u32 = 8;

/// An object kept with a customer that nobody owned when it came.
#[derive(Clone, Debug)]
pub enum Parked {
    Subscription(Box<Stored<Subscription>>),
    Card(Stored<Card>),
    Mirror(Stored<CustomerMirror>),
}

impl Parked {
    pub fn version(&self) -> u64 {
        match self {
            Parked::Subscription(stored) => stored.version,
            Parked::Card(stored) => stored.version,
            Parked::Mirror(stored) => stored.version,
        }
    }

    /// The sort key it is kept under.
    pub fn sk(&self) -> String {
        match self {
            Parked::Subscription(stored) => format!("{}{}", keys::SUBSCRIPTION_PREFIX, stored.value.id),
            Parked::Card(stored) => format!("{}{}", keys::PAYMENT_METHOD_PREFIX, stored.value.id),
            Parked::Mirror(stored) => format!("{}{}", keys::CUSTOMER_MIRROR_PREFIX, stored.value.id),
        }
    }
}

impl Store {
    /// Everything known of a user. A user of whom nothing is known is an empty account, not an error.
    pub async fn read_account(&self, user: &UserId) -> Result<Account, StoreError> {
        let doing = || format!("read the records of user {user}");
        let mut account = Account::empty(user.clone());
        for item in self.query(Partition::User(user.clone()).pk(self.mode), &doing).await? {
            add_to_account(&mut account, &item).map_err(|detail| StoreError::Unreadable { doing: doing(), detail })?;
        }
        Ok(account)
    }

    /// What is parked with a customer.
    pub async fn read_parked(&self, customer: &CustomerId) -> Result<Vec<Parked>, StoreError> {
        let doing = || format!("read what is parked with customer {customer}");
        let items = self.query(Partition::Customer(customer.clone()).pk(self.mode), &doing).await?;
        let parked = items.iter().filter_map(|item| as_parked(item).transpose()).collect::<Result<_, _>>();
        parked.map_err(|detail| StoreError::Unreadable { doing: doing(), detail })
    }

    /// Who owns a customer.
    pub async fn read_owner(&self, customer: &CustomerId) -> Result<Owner, StoreError> {
        let item = self.get(keys::owner(self.mode, customer), || format!("read the owner of {customer}")).await?;
        commit::owner(item.as_ref())
    }

    pub async fn read_subscription(
        &self,
        partition: &Partition,
        subscription: &SubscriptionId,
    ) -> Result<Option<Stored<Subscription>>, StoreError> {
        let doing = || format!("read {subscription}");
        let Some(item) = self.get(partition.subscription(self.mode, subscription), doing).await? else {
            return Ok(None);
        };
        stored_subscription(&item).map(Some).map_err(|detail| StoreError::Unreadable { doing: doing(), detail })
    }

    pub async fn read_price(&self, price: &PriceId) -> Result<Option<Price>, StoreError> {
        let doing = || format!("read {price}");
        let Some(item) = self.get(keys::price(self.mode, price), doing).await? else { return Ok(None) };
        let item: PriceItem = parse(&item).map_err(|detail| StoreError::Unreadable { doing: doing(), detail })?;
        Ok(Some(item.into()))
    }

    pub async fn read_product(&self, product: &ProductId) -> Result<Option<Product>, StoreError> {
        let doing = || format!("read {product}");
        let Some(item) = self.get(keys::product(self.mode, product), doing).await? else { return Ok(None) };
        let item: ProductItem = parse(&item).map_err(|detail| StoreError::Unreadable { doing: doing(), detail })?;
        Ok(Some(item.into()))
    }

    /// The record of one event: what became of it and why.
    pub async fn read_event(&self, event: &EventId) -> Result<Option<KnownEvent>, StoreError> {
        let doing = || format!("read the record of {event}");
        let Some(item) = self.get(keys::event(self.mode, event), doing).await? else { return Ok(None) };
        event::known(&item).map(Some).map_err(|detail| StoreError::Unreadable { doing: doing(), detail })
    }

    /// The events on the list of failed ones, with one query. An entry that cannot be read is logged and left out.
    pub async fn read_failed_events(&self) -> Result<Vec<FailedEvent>, StoreError> {
        let doing = || "read the failed events".to_owned();
        let items = self.query(keys::failed_events_pk(self.mode), &doing).await?;
        let readable =
            |item| event::failed(item).inspect_err(|detail| tell_unreadable("an entry of the failed events", detail));
        Ok(items.iter().filter_map(|item| readable(item).ok()).collect())
    }

    /// What is on record of up to 100 events. A record that cannot be read is logged and counts as none.
    pub async fn read_events(&self, events: &[EventId]) -> Result<HashMap<EventId, KnownEvent>, StoreError> {
        let doing = || "read event records".to_owned();
        let mut known = HashMap::new();
        let mut wanted: Vec<_> = events.iter().map(|event| keys::event(self.mode, event).into_attributes()).collect();
        for attempt in 0_u32.. {
            if wanted.is_empty() {
                break;
            }
            if attempt >= BATCH_TRIES {
                return Err(StoreError::Contended { doing: doing() });
            }
            if attempt > 0 {
                tokio::time::sleep(jittered(attempt)).await;
            }
            let keys = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
            let keys = keys.map_err(|error| StoreError::Unreadable { doing: doing(), detail: error.to_string() })?;
            count(Count::DynamodbCalls);
            let read = self.dynamodb.sdk.batch_get_item().request_items(&self.table_name, keys).send().await;
            let output = read.map_err(|error| unavailable(&doing, &error))?;
            for item in output.responses.and_then(|mut tables| tables.remove(&self.table_name)).unwrap_or_default() {
                let id = item.get(keys::PK).and_then(|pk| pk.as_s().ok()).and_then(|pk| pk.rsplit('#').next());
                let Some(id) = id.and_then(|id| EventId::parse(id).ok()) else { continue };
                match event::known(&item) {
                    Ok(record) => drop(known.insert(id, record)),
                    Err(detail) => tell_unreadable("the record of an event", &detail),
                }
            }
            // What a busy table left out is asked for again, after a pause.
            let rest = output.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table_name));
            wanted = rest.map(|rest| rest.keys).unwrap_or_default();
        }
        Ok(known)
    }

    /// Whether the table answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.get(keys::ping(self.mode), || "reach the table".to_owned()).await.map(|_| ())
    }

    pub(super) async fn get(&self, key: Key, doing: impl Fn() -> String) -> Result<Option<Attributes>, StoreError> {
        count(Count::DynamodbCalls);
        let key = key.into_attributes();
        let wanted = || {
            let wanted = GetItemInput::builder().table_name(&self.table_name).consistent_read(true);
            wanted.set_key(Some(key.clone()))
        };
        self.dynamodb.get_item(wanted).await.map(|output| output.item).map_err(|error| unavailable(&doing, &error))
    }

    async fn query(&self, pk: String, doing: &impl Fn() -> String) -> Result<Vec<Attributes>, StoreError> {
        let mut found = Vec::new();
        let mut start = None;
        loop {
            count(Count::DynamodbCalls);
            let wanted = || {
                QueryInput::builder()
                    .table_name(&self.table_name)
                    .key_condition_expression("pk = :pk")
                    .expression_attribute_values(":pk", AttributeValue::S(pk.clone()))
                    .consistent_read(true)
                    .set_exclusive_start_key(start.clone())
            };
            let page = self.dynamodb.query(wanted).await.map_err(|error| unavailable(doing, &error))?;
            found.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }
}

pub(super) fn unavailable<E>(doing: &impl Fn() -> String, error: &SdkError<E>) -> StoreError
where
    E: std::error::Error + Send + Sync + 'static,
{
    StoreError::Unavailable { doing: doing(), detail: causes(error) }
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(item: &Attributes) -> Result<T, String> {
    serde_dynamo::from_item(item.clone()).map_err(|error| error.to_string())
}

pub(super) fn sort_key(item: &Attributes) -> &str {
    item.get(keys::SK).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

fn stored_subscription(item: &Attributes) -> Result<Stored<Subscription>, String> {
    items::stored(item, parse::<SubscriptionItem>(item)?.try_into()?)
}

pub(super) fn add_to_account(account: &mut Account, item: &Attributes) -> Result<(), String> {
    match sort_key(item) {
        keys::CUSTOMER => account.customer = Some(parse::<CustomerItem>(item)?.try_into()?),
        keys::TRIAL => account.trial = Some(parse::<TrialItem>(item)?.try_into()?),
        keys::CHECKOUT => account.checkout = Some(parse::<CheckoutItem>(item)?.try_into()?),
        sk if sk.starts_with(keys::SUBSCRIPTION_PREFIX) => {
            account.subscriptions.push(stored_subscription(item)?.value);
        }
        sk if sk.starts_with(keys::PAYMENT_METHOD_PREFIX) => account.cards.push(parse::<CardItem>(item)?.into()),
        sk if sk.starts_with(keys::CUSTOMER_MIRROR_PREFIX) => account.mirrors.push(parse::<MirrorItem>(item)?.into()),
        // A later version may keep more here.
        _ => {}
    }
    Ok(())
}

pub(super) fn as_parked(item: &Attributes) -> Result<Option<Parked>, String> {
    Ok(match sort_key(item) {
        sk if sk.starts_with(keys::SUBSCRIPTION_PREFIX) => {
            Some(Parked::Subscription(Box::new(stored_subscription(item)?)))
        }
        sk if sk.starts_with(keys::PAYMENT_METHOD_PREFIX) => {
            Some(Parked::Card(items::stored(item, parse::<CardItem>(item)?.into())?))
        }
        sk if sk.starts_with(keys::CUSTOMER_MIRROR_PREFIX) => {
            Some(Parked::Mirror(items::stored(item, parse::<MirrorItem>(item)?.into())?))
        }
        _ => None,
    })
}

/// One item that is not what this version writes keeps no other from being dealt with.
fn tell_unreadable(what: &str, detail: &str) {
    tracing::error!(what, detail, "A record cannot be read and was passed over");
}
