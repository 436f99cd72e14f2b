//! An object of Stripe's that the table mirrors.

use super::SyncError;
use crate::books::Books;
use crate::domain::{Card, CustomerMirror, Price, Product, Subscription};
use crate::store::{AsOf, Change, Guard, Partition};
use crate::stripe::{OwnedSubscription, Snapshot, StripeCustomer, StripeError};

/// Each is kept under the write rule of [`super::settle`].
#[derive(Clone, Debug)]
pub(super) enum Mirrored {
    Subscription(Box<Subscription>),
    Card(Card),
    Customer(CustomerMirror),
    Product(Product),
    Price(Price),
}

/// What Stripe said when it was asked.
#[derive(Clone, Debug)]
pub(super) struct Reread {
    pub mirrored: Mirrored,
    pub as_of: AsOf,
    /// The card of a subscription, when Stripe sent it whole.
    pub card: Option<Card>,
}

impl Mirrored {
    /// The write that makes the table show this view. Products and prices live in the catalogue, whatever the partition.
    pub fn change(&self, partition: &Partition, as_of: &AsOf, guard: Guard) -> Change {
        let (partition, as_of) = (partition.clone(), as_of.clone());
        match self.clone() {
            Mirrored::Subscription(subscription) => Change::Subscription { partition, subscription, as_of, guard },
            Mirrored::Card(card) => Change::Card { partition, card, as_of, guard },
            Mirrored::Customer(mirror) => Change::Mirror { partition, mirror, as_of, guard },
            Mirrored::Product(product) => Change::Product { product, as_of, guard },
            Mirrored::Price(price) => Change::Price { price, as_of, guard },
        }
    }

    /// Whether this view is an end state that Stripe never leaves.
    pub fn is_final(&self) -> bool {
        match self {
            Mirrored::Subscription(subscription) => subscription.status.is_final(),
            Mirrored::Card(card) => card.is_detached,
            Mirrored::Customer(mirror) => mirror.is_deleted,
            Mirrored::Product(product) => product.deleted,
            Mirrored::Price(price) => price.deleted,
        }
    }

    pub fn subscription(&self) -> Option<&Subscription> {
        match self {
            Mirrored::Subscription(subscription) => Some(subscription),
            _ => None,
        }
    }

    pub fn name(&self) -> String {
        match self {
            Mirrored::Subscription(subscription) => subscription.id.to_string(),
            Mirrored::Card(card) => card.id.to_string(),
            Mirrored::Customer(mirror) => mirror.id.to_string(),
            Mirrored::Product(product) => product.id.to_string(),
            Mirrored::Price(price) => price.id.to_string(),
        }
    }

    /// Reads the object from Stripe as it is now. Nothing when Stripe does not know it.
    pub async fn read_again(&self, books: &Books) -> Result<Option<Reread>, SyncError> {
        let stripe = books.stripe();
        let read = match self {
            Mirrored::Subscription(subscription) => {
                let read = stripe.get_subscription(&subscription.id).await;
                read.map(|seen| {
                    let card = seen.as_ref().and_then(|seen| seen.value.card.clone());
                    let mirrored = |owned: OwnedSubscription| Mirrored::Subscription(Box::new(owned.subscription));
                    stamped(mirrored)(seen).map(|reread| Reread { card, ..reread })
                })
            }
            Mirrored::Card(card) => stripe.get_payment_method(&card.id).await.map(stamped(Mirrored::Card)),
            Mirrored::Customer(mirror) => stripe
                .get_customer(&mirror.id)
                .await
                .map(stamped(|customer: StripeCustomer| Mirrored::Customer(mirror_of(&customer)))),
            Mirrored::Product(product) => stripe.get_product(&product.id).await.map(stamped(Mirrored::Product)),
            Mirrored::Price(price) => stripe.get_price(&price.id).await.map(stamped(Mirrored::Price)),
        };
        read.map_err(|source: StripeError| SyncError::Stripe { doing: format!("read {}", self.name()), source })
    }
}

fn stamped<T>(wrap: impl Fn(T) -> Mirrored) -> impl Fn(Option<Snapshot<T>>) -> Option<Reread> {
    move |seen| {
        seen.map(|seen| Reread {
            mirrored: wrap(seen.value),
            as_of: AsOf::read(seen.seen_from, seen.seen_until),
            card: None,
        })
    }
}

pub(super) fn mirror_of(customer: &StripeCustomer) -> CustomerMirror {
    CustomerMirror {
        id: customer.id.clone(),
        email: customer.email.clone(),
        name: customer.name.clone(),
        default_payment_method: customer.default_payment_method.clone(),
        is_deleted: customer.is_deleted,
    }
}
