//! Each change as a write of DynamoDB, with its condition.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use serde::Serialize;

use super::change::Change;
use super::expression::{Replacement, check, delete, number, put_item, second, text, to_attributes, update};
use super::items::{
    CardItem, CheckoutItem, CustomerItem, EndpointItem, InvoiceItem, MirrorItem, PriceItem, ProductItem,
    SecondTrialItem, StampAttributes, SubscriptionItem,
};
use super::keys::{self, Key, Partition};
use super::record::{AsOf, Guard};
use super::{StoreError, event, progress};
use crate::domain::{Invoice, Mode, TrialClaim, UserId};

impl Change {
    pub(super) fn into_write(self, mode: Mode, table: &str) -> Result<TransactWriteItem, StoreError> {
        match self {
            Change::Subscription { partition, subscription, as_of, guard } => {
                let key = partition.subscription(mode, &subscription.id);
                let finality = Finality::Status(subscription.status.as_str().to_owned());
                put_stamped(table, key, &SubscriptionItem::from(&*subscription), &as_of, &guard, finality)
            }
            Change::Card { partition, card, as_of, guard } => {
                let key = partition.payment_method(mode, &card.id);
                let finality = Finality::Flag("is_detached", card.is_detached);
                put_stamped(table, key, &CardItem::from(&card), &as_of, &guard, finality)
            }
            Change::Mirror { partition, mirror, as_of, guard } => {
                let key = partition.customer_mirror(mode, &mirror.id);
                let finality = Finality::Flag("is_deleted", mirror.is_deleted);
                put_stamped(table, key, &MirrorItem::from(&mirror), &as_of, &guard, finality)
            }
            Change::Product { product, as_of, guard } => {
                let key = keys::product(mode, &product.id);
                let finality = Finality::Flag("is_deleted", product.deleted);
                put_stamped(table, key, &ProductItem::from(&product), &as_of, &guard, finality)
            }
            Change::Price { price, as_of, guard } => {
                let key = keys::price(mode, &price.id);
                let finality = Finality::Flag("is_deleted", price.deleted);
                put_stamped(table, key, &PriceItem::from(&price), &as_of, &guard, finality)
            }
            Change::Invoice { invoice, as_of } => put_invoice(mode, table, &invoice, &as_of),
            Change::CardIsKnown { partition, payment_method } => {
                check(table, partition.payment_method(mode, &payment_method), "attribute_exists(pk)", &[])
            }
            Change::MirrorIsKnown { partition, customer } => {
                check(table, partition.customer_mirror(mode, &customer), "attribute_exists(pk)", &[])
            }
            Change::OwnerIs { customer, user } => check(
                table,
                keys::owner(mode, &customer),
                "user_id = :user AND attribute_not_exists(join_pending)",
                &[(":user", text(user.as_str()))],
            ),
            Change::OwnerIsNobody { customer } => update(
                table,
                keys::owner(mode, &customer),
                "SET is_orphan = :true",
                Some("attribute_not_exists(user_id)"),
                &[(":true", AttributeValue::Bool(true))],
            ),
            Change::Own { customer, user, joined } => {
                let expression = if joined {
                    "SET user_id = :user REMOVE join_pending, is_orphan"
                } else {
                    "SET user_id = :user, join_pending = :true REMOVE is_orphan"
                };
                let mut values = vec![(":user", text(user.as_str()))];
                if !joined {
                    values.push((":true", AttributeValue::Bool(true)));
                }
                let condition = "attribute_not_exists(user_id) OR user_id = :user";
                update(table, keys::owner(mode, &customer), expression, Some(condition), &values)
            }
            Change::OwnNew { customer, user } => update(
                table,
                keys::owner(mode, &customer),
                "SET user_id = :user",
                Some("attribute_not_exists(pk) OR (user_id = :user AND attribute_not_exists(join_pending))"),
                &[(":user", text(user.as_str()))],
            ),
            Change::Trial { user, claim } => put_trial(mode, table, &user, &claim),
            Change::SecondTrial { user, second } => {
                let key = keys::second_trial(mode, &user, &second.subscription);
                put_item(table, key, &SecondTrialItem::from(&second), Some("attribute_not_exists(pk)"), &[])
            }
            Change::BeginCustomer { user, customer } => {
                let key = keys::of_user(mode, &user, keys::CUSTOMER);
                let condition = "attribute_not_exists(customer_id) AND attribute_not_exists(creating_since)";
                put_item(table, key, &CustomerItem::from(&customer), Some(condition), &[])
            }
            Change::LinkCustomer { user, customer } => update(
                table,
                keys::of_user(mode, &user, keys::CUSTOMER),
                "SET customer_id = :customer REMOVE creating_since",
                Some("attribute_not_exists(customer_id) OR customer_id = :customer"),
                &[(":customer", text(customer.as_str()))],
            ),
            Change::ForgetCustomer { user, customer } => update(
                table,
                keys::of_user(mode, &user, keys::CUSTOMER),
                "REMOVE customer_id, creating_since, creation_attempt ADD generation :one",
                Some("customer_id = :customer"),
                &[(":customer", text(customer.as_str())), (":one", number(1))],
            ),
            Change::RetryCustomer { user, creation_attempt, failed_at, drop_contact } => {
                let remove = if drop_contact { " REMOVE email, #contact_name" } else { "" };
                let expression = format!("SET creation_attempt = :next, creating_since = :failed{remove}");
                let mut retry = Replacement {
                    sets: Vec::new(),
                    removes: Vec::new(),
                    names: HashMap::new(),
                    values: HashMap::new(),
                };
                if drop_contact {
                    retry.names.insert("#contact_name".to_owned(), "name".to_owned());
                }
                retry.values.insert(":next".to_owned(), number(creation_attempt as i64 + 1));
                retry.values.insert(":seen".to_owned(), number(creation_attempt as i64));
                retry.values.insert(":failed".to_owned(), second(failed_at));
                let condition = "attribute_exists(creating_since) AND creation_attempt = :seen".to_owned();
                let key = keys::of_user(mode, &user, keys::CUSTOMER);
                retry.write(table, key, expression, Some(condition))
            }
            Change::CountCheckoutFailure { user } => update(
                table,
                keys::of_user(mode, &user, keys::CUSTOMER),
                "ADD checkout_failures :one",
                Some("attribute_exists(pk)"),
                &[(":one", number(1))],
            ),
            Change::Checkout { user, claim, previous_attempt } => {
                let key = keys::of_user(mode, &user, keys::CHECKOUT);
                let item = CheckoutItem::open(&claim);
                match previous_attempt {
                    None => put_item(table, key, &item, Some("attribute_not_exists(pk)"), &[]),
                    Some(attempt) => {
                        let values = [(":previous", number(attempt as i64))];
                        put_item(table, key, &item, Some("attempt = :previous"), &values)
                    }
                }
            }
            Change::CloseCheckout { user, session, is_paid } => update(
                table,
                keys::of_user(mode, &user, keys::CHECKOUT),
                "SET is_closed = :true, is_paid = :paid",
                Some("session_id = :session"),
                &[
                    (":true", AttributeValue::Bool(true)),
                    (":paid", AttributeValue::Bool(is_paid)),
                    (":session", text(session.as_str())),
                ],
            ),
            Change::Unpark { customer, sk, version } => {
                let key = Key { pk: Partition::Customer(customer).pk(mode), sk };
                delete(table, key, Some(("version = :version", (":version", number(version as i64)))))
            }
            Change::Remove { partition, sk, version } => {
                let key = Key { pk: partition.pk(mode), sk };
                delete(table, key, Some(("version = :version", (":version", number(version as i64)))))
            }
            Change::RemoveOwner { customer } => delete(table, keys::owner(mode, &customer), None),
            Change::Reopen { event } => event::reopen(mode, table, &event),
            Change::Event(record) => event::write(mode, table, &record),
            Change::ListFailed(record) => event::list_failed(mode, table, &record),
            Change::UnlistFailed { event } => delete(table, keys::failed_event(mode, &event), None),
            Change::Progress { walk, progress } => progress::write(mode, table, walk, &progress),
            Change::Endpoint { uuid, endpoint } => {
                put_item(table, keys::webhook_endpoint(mode, &uuid), &EndpointItem::from(&endpoint), None, &[])
            }
        }
    }
}

/// What makes a stored view one that a newer one may not take back.
enum Finality {
    /// `canceled` and `incomplete_expired` may only be followed by themselves.
    Status(String),
    /// A flag that, once set, stays set; with the flag of the view to be written.
    Flag(&'static str, bool),
}

/// The write rule's condition: see [`Guard`]. `final_…` values are named so that they cannot meet an attribute's.
fn put_stamped(
    table: &str,
    key: Key,
    item: &impl Serialize,
    as_of: &AsOf,
    guard: &Guard,
    finality: Finality,
) -> Result<TransactWriteItem, StoreError> {
    let mut attributes = to_attributes(item)?;
    attributes.extend(to_attributes(&StampAttributes::from(as_of))?);
    let mut expression = Replacement::of(attributes);
    expression.sets.push("version = if_not_exists(version, :zero) + :one".to_owned());
    expression.values.insert(":zero".to_owned(), number(0));
    expression.values.insert(":one".to_owned(), number(1));
    let condition = match guard {
        Guard::Newer => {
            expression.values.insert(":newer_than".to_owned(), number(as_of.from.as_second()));
            let not_final = match finality {
                Finality::Status(status) => {
                    expression.names.insert("#final_status".to_owned(), "status".to_owned());
                    expression.values.insert(":final_canceled".to_owned(), text("canceled"));
                    expression.values.insert(":final_expired".to_owned(), text("incomplete_expired"));
                    expression.values.insert(":final_same".to_owned(), text(&status));
                    " AND (NOT #final_status IN (:final_canceled, :final_expired) OR #final_status = :final_same)"
                        .to_owned()
                }
                Finality::Flag(flag, false) => {
                    expression.values.insert(":final_unset".to_owned(), AttributeValue::Bool(false));
                    format!(" AND {flag} = :final_unset")
                }
                Finality::Flag(_, true) => String::new(),
            };
            format!("attribute_not_exists(pk) OR (as_of_until < :newer_than{not_final})")
        }
        Guard::Unchanged(None) => "attribute_not_exists(pk)".to_owned(),
        Guard::Unchanged(Some(version)) => {
            expression.values.insert(":unchanged".to_owned(), number(*version as i64));
            "version = :unchanged".to_owned()
        }
    };
    expression.into_write(table, key, Some(condition))
}

fn put_invoice(mode: Mode, table: &str, invoice: &Invoice, as_of: &AsOf) -> Result<TransactWriteItem, StoreError> {
    let mut attributes = to_attributes(&InvoiceItem::from(invoice))?;
    attributes.extend(to_attributes(&StampAttributes::from(as_of))?);
    let mut expression = Replacement::of(attributes);
    expression.values.insert(":this_second".to_owned(), number(as_of.from.as_second()));
    expression.values.insert(":this_progress".to_owned(), number(invoice.progress() as i64));
    let condition = "attribute_not_exists(pk) OR as_of_until < :this_second \
                     OR (as_of_until = :this_second AND progress <= :this_progress)";
    let key = keys::invoice(mode, &invoice.customer, &invoice.id);
    expression.into_write(table, key, Some(condition.to_owned()))
}

fn put_trial(mode: Mode, table: &str, user: &UserId, claim: &TrialClaim) -> Result<TransactWriteItem, StoreError> {
    let key = keys::of_user(mode, user, keys::TRIAL);
    let first = (":first", number(claim.first_trial_at.as_second()));
    let Some(subscription) = &claim.subscription else {
        let absent = Some("attribute_not_exists(pk)");
        return update(table, key, "SET first_trial_at = :first", absent, &[first]);
    };
    let expression = "SET first_trial_at = if_not_exists(first_trial_at, :first), subscription_id = :subscription";
    let condition = "attribute_not_exists(pk) OR subscription_id = :subscription";
    update(table, key, expression, Some(condition), &[first, (":subscription", text(subscription.as_str()))])
}
