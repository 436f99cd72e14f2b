//! Every key of the table, said once.
//!
//! A partition key starts with the mode, so that IAM can fence a function with `dynamodb:LeadingKeys`; a name that came
//! from outside is always the last part of a key, so that no name can reach into another's key.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::domain::{
    CustomerId, EventId, InvoiceId, Mode, PaymentMethodId, PriceId, ProductId, SubscriptionId, UserId,
};

pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";

pub(super) const CUSTOMER: &str = "customer";
pub(super) const CUSTOMER_MIRROR_PREFIX: &str = "customer#";
pub(super) const TRIAL: &str = "trial";
pub(super) const CHECKOUT: &str = "checkout";
pub(super) const OWNER: &str = "owner";
pub(super) const EVENT: &str = "event";
pub(super) const SUBSCRIPTION_PREFIX: &str = "subscription#";
pub(super) const PAYMENT_METHOD_PREFIX: &str = "payment_method#";

/// Where a customer's objects are kept: with the user who owns it, or, while nobody does, with the customer itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partition {
    User(UserId),
    Customer(CustomerId),
    /// The products and prices, which belong to no customer.
    Catalogue,
}

/// The primary key of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub pk: String,
    pub sk: String,
}

impl Key {
    pub fn into_attributes(self) -> HashMap<String, AttributeValue> {
        HashMap::from([(PK.to_owned(), AttributeValue::S(self.pk)), (SK.to_owned(), AttributeValue::S(self.sk))])
    }
}

impl Partition {
    pub(super) fn pk(&self, mode: Mode) -> String {
        match self {
            Partition::User(user) => format!("{mode}#user#{user}"),
            Partition::Customer(customer) => format!("{mode}#customer#{customer}"),
            Partition::Catalogue => format!("{mode}#catalog"),
        }
    }

    fn key(&self, mode: Mode, sk: String) -> Key {
        Key { pk: self.pk(mode), sk }
    }

    pub(super) fn subscription(&self, mode: Mode, subscription: &SubscriptionId) -> Key {
        self.key(mode, format!("{SUBSCRIPTION_PREFIX}{subscription}"))
    }

    pub(super) fn payment_method(&self, mode: Mode, payment_method: &PaymentMethodId) -> Key {
        self.key(mode, format!("{PAYMENT_METHOD_PREFIX}{payment_method}"))
    }

    pub(super) fn customer_mirror(&self, mode: Mode, customer: &CustomerId) -> Key {
        self.key(mode, format!("{CUSTOMER_MIRROR_PREFIX}{customer}"))
    }
}

pub(super) fn of_user(mode: Mode, user: &UserId, sk: &str) -> Key {
    Key { pk: format!("{mode}#user#{user}"), sk: sk.to_owned() }
}

/// A trial too many, of the user.
pub(super) fn second_trial(mode: Mode, user: &UserId, subscription: &SubscriptionId) -> Key {
    of_user(mode, user, &format!("second_trial#{subscription}"))
}

pub(super) fn owner(mode: Mode, customer: &CustomerId) -> Key {
    Key { pk: format!("{mode}#customer#{customer}"), sk: OWNER.to_owned() }
}

pub(super) fn invoice(mode: Mode, customer: &CustomerId, invoice: &InvoiceId) -> Key {
    Key { pk: format!("{mode}#customer#{customer}"), sk: format!("invoice#{invoice}") }
}

pub(super) fn event(mode: Mode, event: &EventId) -> Key {
    Key { pk: format!("{mode}#event#{event}"), sk: EVENT.to_owned() }
}

/// The list of events that failed, to be read with one query. An entry outlives its failure until somebody looks.
pub(super) fn failed_events_pk(mode: Mode) -> String {
    format!("{mode}#failed")
}

pub(super) fn failed_event(mode: Mode, event: &EventId) -> Key {
    Key { pk: failed_events_pk(mode), sk: format!("event#{event}") }
}

pub(super) fn progress(mode: Mode, walk: &str) -> Key {
    Key { pk: format!("{mode}#reconcile"), sk: walk.to_owned() }
}

pub(super) fn webhook_endpoint(mode: Mode, uuid: &str) -> Key {
    Key { pk: format!("{mode}#webhook"), sk: format!("endpoint#{uuid}") }
}

pub(super) fn product(mode: Mode, product: &ProductId) -> Key {
    Partition::Catalogue.key(mode, product_sk(product))
}

pub(super) fn price(mode: Mode, price: &PriceId) -> Key {
    Partition::Catalogue.key(mode, price_sk(price))
}

pub(super) fn product_sk(product: &ProductId) -> String {
    format!("product#{product}")
}

pub(super) fn price_sk(price: &PriceId) -> String {
    format!("price#{price}")
}

/// Read by the health check; never written.
pub(super) fn ping(mode: Mode) -> Key {
    Key { pk: format!("{mode}#health"), sk: "ping".to_owned() }
}
