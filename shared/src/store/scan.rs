//! Going through every record of the mode, for an operator's report: never in a user's request.
//!
//! A Scan gives the items of one partition one after the other, so whole partitions come out while only one page of up to
//! a megabyte and the partition under way are in memory.

use std::collections::HashMap;
use std::mem;

use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{Attributes, PriceItem, ProductItem};
use super::keys::{self, Partition};
use super::read::{add_to_account, as_parked, parse, sort_key, unavailable};
use super::{Owner, Parked, Store, StoreError, commit};
use crate::domain::{Account, CustomerId, Price, Product, UserId};

/// One partition of the table.
#[derive(Clone, Debug)]
pub enum Scanned {
    /// A user: the account, and its mirrored objects once more with their versions.
    User { account: Box<Account>, mirrored: Vec<Parked> },
    /// A customer: who owns it and, while nobody does, what is parked with it.
    Customer { customer: CustomerId, owner: Owner, parked: Vec<Parked> },
    /// Products and prices with their versions.
    Catalogue { products: Vec<(Product, u64)>, prices: Vec<(Price, u64)> },
}

/// Where a scan stands. It ends when [`Scan::next`] gives nothing.
pub struct Scan<'a> {
    store: &'a Store,
    start: Option<HashMap<String, AttributeValue>>,
    has_ended: bool,
    /// The partition whose end has not been seen.
    open: Vec<Attributes>,
}

impl Store {
    /// Users, customers and the catalogue of the mode, partition by partition, in no order.
    pub fn scan(&self) -> Scan<'_> {
        Scan { store: self, start: None, has_ended: false, open: Vec::new() }
    }
}

impl Scan<'_> {
    /// The partitions that end in the next page: there may be none of interest, and more to come.
    pub async fn next(&mut self) -> Result<Option<Vec<Scanned>>, StoreError> {
        if self.has_ended {
            return Ok(None);
        }
        let doing = || "go through the records".to_owned();
        let page = self
            .store
            .dynamodb
            .sdk
            .scan()
            .table_name(&self.store.table_name)
            .filter_expression(
                "begins_with(pk, :users) OR (begins_with(pk, :customers) AND NOT begins_with(sk, :invoices)) \
                 OR pk = :catalogue",
            )
            .set_expression_attribute_values(Some(self.wanted()))
            .consistent_read(true)
            .set_exclusive_start_key(self.start.take())
            .send()
            .await
            .map_err(|error| unavailable(&doing, &error))?;
        self.start = page.last_evaluated_key;
        self.has_ended = self.start.is_none();
        let mut partitions = Vec::new();
        for item in page.items.unwrap_or_default() {
            if self.open.first().is_some_and(|first| partition_key(first) != partition_key(&item)) {
                partitions.push(mem::take(&mut self.open));
            }
            self.open.push(item);
        }
        if self.has_ended && !self.open.is_empty() {
            partitions.push(mem::take(&mut self.open));
        }
        let scanned = partitions.iter().filter_map(|items| self.scanned(items).transpose()).collect::<Result<_, _>>();
        scanned.map(Some).map_err(|detail| StoreError::Unreadable { doing: doing(), detail })
    }

    fn wanted(&self) -> HashMap<String, AttributeValue> {
        let mode = self.store.mode;
        [
            (":users", format!("{mode}#user#")),
            (":customers", format!("{mode}#customer#")),
            (":invoices", "invoice#".to_owned()),
            (":catalogue", Partition::Catalogue.pk(mode)),
        ]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value)))
        .into()
    }

    fn scanned(&self, items: &[Attributes]) -> Result<Option<Scanned>, String> {
        let Some(pk) = items.first().map(partition_key) else { return Ok(None) };
        let mode = self.store.mode;
        if let Some(user) = pk.strip_prefix(&format!("{mode}#user#")) {
            let user = UserId::parse(user).map_err(|error| error.to_string())?;
            return user_partition(user, items).map(Some);
        }
        if let Some(customer) = pk.strip_prefix(&format!("{mode}#customer#")) {
            let customer = CustomerId::parse(customer).map_err(|error| error.to_string())?;
            return customer_partition(customer, items).map(Some);
        }
        catalogue(items).map(Some)
    }
}

fn partition_key(item: &Attributes) -> &str {
    item.get(keys::PK).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

fn mirrored(items: &[Attributes]) -> Result<Vec<Parked>, String> {
    items.iter().filter_map(|item| as_parked(item).transpose()).collect()
}

fn user_partition(user: UserId, items: &[Attributes]) -> Result<Scanned, String> {
    let mut account = Account::empty(user);
    for item in items {
        add_to_account(&mut account, item)?;
    }
    Ok(Scanned::User { account: Box::new(account), mirrored: mirrored(items)? })
}

fn customer_partition(customer: CustomerId, items: &[Attributes]) -> Result<Scanned, String> {
    let owner = items.iter().find(|item| sort_key(item) == keys::OWNER);
    let owner = commit::owner(owner).map_err(|error| error.to_string())?;
    Ok(Scanned::Customer { customer, owner, parked: mirrored(items)? })
}

fn catalogue(items: &[Attributes]) -> Result<Scanned, String> {
    let (mut products, mut prices) = (Vec::new(), Vec::new());
    for item in items {
        let version = super::items::stored(item, ())?.version;
        match sort_key(item) {
            sk if sk.starts_with("product#") => products.push((parse::<ProductItem>(item)?.into(), version)),
            sk if sk.starts_with("price#") => prices.push((parse::<PriceItem>(item)?.into(), version)),
            _ => {}
        }
    }
    Ok(Scanned::Catalogue { products, prices })
}
