//! One change of one item, with the condition under which it may land.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use jiff::Timestamp;
use serde::Serialize;

use super::StoreError;
use super::event::{self, EventRecord};
use super::items::{
    Attributes, CardItem, CheckoutItem, CustomerItem, EndpointItem, InvoiceItem, MirrorItem, PriceItem, ProductItem,
    SecondTrialItem, StampAttributes, SubscriptionItem,
};
use super::keys::{self, Key, Partition};
use super::progress::{self, Progress};
use super::read::Parked;
use super::record::{AsOf, Guard};
use crate::domain::trial::SecondTrial;
use crate::domain::{
    Card, CheckoutClaim, CheckoutSessionId, Customer, CustomerId, CustomerMirror, EventId, Invoice, Mode,
    PaymentMethodId, Price, PriceId, Product, ProductId, Subscription, TrialClaim, UserId, WebhookEndpoint,
};

/// Changes sent together land together or not at all: see [`super::Store::commit`].
#[derive(Clone, Debug)]
pub enum Change {
    /// The state of a subscription, where its owner keeps it.
    Subscription {
        partition: Partition,
        subscription: Box<Subscription>,
        as_of: AsOf,
        guard: Guard,
    },
    /// A card, where its customer's owner keeps it.
    Card {
        partition: Partition,
        card: Card,
        as_of: AsOf,
        guard: Guard,
    },
    /// Nothing changes; refused when the card has not been seen yet.
    CardIsKnown {
        partition: Partition,
        payment_method: PaymentMethodId,
    },
    /// What Stripe says of a customer.
    Mirror {
        partition: Partition,
        mirror: CustomerMirror,
        as_of: AsOf,
        guard: Guard,
    },
    /// Nothing changes; refused when the customer's default card has not been asked for yet.
    MirrorIsKnown {
        partition: Partition,
        customer: CustomerId,
    },
    Product {
        product: Product,
        as_of: AsOf,
        guard: Guard,
    },
    Price {
        price: Price,
        as_of: AsOf,
        guard: Guard,
    },
    /// An invoice: newer wins, and within one second the one further along.
    Invoice {
        invoice: Box<Invoice>,
        as_of: AsOf,
    },
    /// Nothing changes; refused unless the customer belongs to the user and nothing of it waits to be joined.
    OwnerIs {
        customer: CustomerId,
        user: UserId,
    },
    /// Marks the customer as one nobody owns; refused when somebody does.
    OwnerIsNobody {
        customer: CustomerId,
    },
    /// Gives the customer to the user; refused when another has it. Unless `joined`, the customer's parked objects are
    /// still to be moved, and every other change of the customer waits for that.
    Own {
        customer: CustomerId,
        user: UserId,
        joined: bool,
    },
    /// Gives a customer that nothing is known of to the user; refused when another has it or anything is parked with it.
    OwnNew {
        customer: CustomerId,
        user: UserId,
    },
    /// Spends the user's trial; refused when it is spent by anything but this very subscription.
    Trial {
        user: UserId,
        claim: TrialClaim,
    },
    /// A trial too many; refused when it is on record.
    SecondTrial {
        user: UserId,
        second: SecondTrial,
    },
    /// Begins the creation of the user's customer; refused when there is one, or another creation is under way.
    BeginCustomer {
        user: UserId,
        customer: Customer,
    },
    /// The user's customer is known; refused when the user has another one.
    LinkCustomer {
        user: UserId,
        customer: CustomerId,
    },
    /// Stripe does not know the customer any more: the user's next checkout makes a new one.
    ForgetCustomer {
        user: UserId,
        customer: CustomerId,
    },
    /// A creation failed at Stripe: the next try must not replay that failure.
    RetryCustomer {
        user: UserId,
        creation_attempt: u64,
        /// The next try begins its wait now.
        failed_at: Timestamp,
        /// Stripe would not have the e-mail or the name: the next try leaves them out.
        drop_contact: bool,
    },
    /// A session could not be opened at Stripe: the next try must not replay that failure.
    CountCheckoutFailure {
        user: UserId,
    },
    /// The user's open session; refused unless the last attempt was `previous_attempt`.
    Checkout {
        user: UserId,
        claim: CheckoutClaim,
        previous_attempt: Option<u64>,
    },
    /// The session is over; refused when the user's open session is another one.
    CloseCheckout {
        user: UserId,
        session: CheckoutSessionId,
        is_paid: bool,
    },
    /// An object that was parked has been moved; refused when it changed meanwhile.
    Unpark {
        customer: CustomerId,
        sk: String,
        version: u64,
    },
    /// A record of what Stripe no longer has goes; refused when it changed meanwhile.
    Remove {
        partition: Partition,
        sk: String,
        version: u64,
    },
    /// Nobody owns a customer that Stripe no longer has.
    RemoveOwner {
        customer: CustomerId,
    },
    /// An event that was dealt with counts as failed, so that an operator can have it received once more.
    Reopen {
        event: EventId,
    },
    /// What became of an event; refused when it was dealt with before.
    Event(EventRecord),
    /// Puts an event on the list of failed ones.
    ListFailed(EventRecord),
    /// Takes an event off that list.
    UnlistFailed {
        event: EventId,
    },
    /// Where a walk stands; refused when another walker was faster.
    Progress {
        walk: &'static str,
        progress: Progress,
    },
    /// What Stripe says of a webhook endpoint of ours. No secret.
    Endpoint {
        uuid: String,
        endpoint: WebhookEndpoint,
    },
}

impl Change {
    /// Removes a mirrored object as it was when it was read.
    pub fn remove(partition: Partition, object: &Parked) -> Change {
        Change::Remove { partition, sk: object.sk(), version: object.version() }
    }

    pub fn remove_product(product: &ProductId, version: u64) -> Change {
        Change::Remove { partition: Partition::Catalogue, sk: keys::product_sk(product), version }
    }

    pub fn remove_price(price: &PriceId, version: u64) -> Change {
        Change::Remove { partition: Partition::Catalogue, sk: keys::price_sk(price), version }
    }

    /// The event whose record this is.
    pub(super) fn event(&self) -> Option<&EventId> {
        match self {
            Change::Event(record) => Some(&record.event),
            _ => None,
        }
    }

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

/// `SET` for what has a value and `REMOVE` for what has none: the item ends as the value says, other attributes stay.
struct Replacement {
    sets: Vec<String>,
    removes: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Replacement {
    fn of(attributes: Attributes) -> Replacement {
        let mut replacement =
            Replacement { sets: Vec::new(), removes: Vec::new(), names: HashMap::new(), values: HashMap::new() };
        for (index, (name, value)) in attributes.into_iter().enumerate() {
            let placeholder = format!("#a{index}");
            if matches!(value, AttributeValue::Null(_)) {
                replacement.removes.push(placeholder.clone());
            } else {
                replacement.sets.push(format!("{placeholder} = :a{index}"));
                replacement.values.insert(format!(":a{index}"), value);
            }
            replacement.names.insert(placeholder, name);
        }
        replacement
    }

    fn into_write(self, table: &str, key: Key, condition: Option<String>) -> Result<TransactWriteItem, StoreError> {
        let mut expression = format!("SET {}", self.sets.join(", "));
        if !self.removes.is_empty() {
            expression.push_str(" REMOVE ");
            expression.push_str(&self.removes.join(", "));
        }
        self.write(table, key, expression, condition)
    }

    fn write(
        self,
        table: &str,
        key: Key,
        expression: String,
        condition: Option<String>,
    ) -> Result<TransactWriteItem, StoreError> {
        let names = (!self.names.is_empty()).then_some(self.names);
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key.into_attributes()))
            .update_expression(expression)
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(Some(self.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

pub(super) fn put_item(
    table: &str,
    key: Key,
    item: &impl Serialize,
    condition: Option<&str>,
    condition_values: &[(&str, AttributeValue)],
) -> Result<TransactWriteItem, StoreError> {
    let mut expression = Replacement::of(to_attributes(item)?);
    expression.values.extend(condition_values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    expression.into_write(table, key, condition.map(str::to_owned))
}

pub(super) fn update(
    table: &str,
    key: Key,
    expression: &str,
    condition: Option<&str>,
    values: &[(&str, AttributeValue)],
) -> Result<TransactWriteItem, StoreError> {
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(key.into_attributes()))
        .update_expression(expression)
        .set_condition_expression(condition.map(str::to_owned))
        .set_expression_attribute_values(Some(
            values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        ))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .map_err(incomplete)?;
    Ok(TransactWriteItem::builder().update(update).build())
}

fn check(
    table: &str,
    key: Key,
    condition: &str,
    values: &[(&str, AttributeValue)],
) -> Result<TransactWriteItem, StoreError> {
    let values: HashMap<_, _> = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let check = ConditionCheck::builder()
        .table_name(table)
        .set_key(Some(key.into_attributes()))
        .condition_expression(condition)
        .set_expression_attribute_values((!values.is_empty()).then_some(values))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .map_err(incomplete)?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

fn delete(
    table: &str,
    key: Key,
    condition: Option<(&str, (&str, AttributeValue))>,
) -> Result<TransactWriteItem, StoreError> {
    let mut delete = Delete::builder().table_name(table).set_key(Some(key.into_attributes()));
    if let Some((condition, (name, value))) = condition {
        delete = delete.condition_expression(condition).expression_attribute_values(name, value);
    }
    let delete = delete.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(TransactWriteItem::builder().delete(delete.build().map_err(incomplete)?).build())
}

fn to_attributes(item: &impl Serialize) -> Result<Attributes, StoreError> {
    serde_dynamo::to_item(item)
        .map_err(|error| StoreError::Unreadable { doing: "build an item".to_owned(), detail: error.to_string() })
}

pub(super) fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Unreadable { doing: "build a write".to_owned(), detail: error.to_string() }
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn second(time: Timestamp) -> AttributeValue {
    number(time.as_second())
}
