//! What is listed, written and said of each kind of object.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::books::Auditor;
use shared::domain::{Money, Price, Product};
use shared::stripe::{Created, OwnedSubscription, Page, Snapshot, StripeCustomer, StripeError};
use shared::sync::{self, SyncError};

use super::readable;
use crate::commands::is_out_of_reach;
use crate::printer::Printer;

/// In the order in which they are synced: a price names its product, a subscription its customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Products,
    Prices,
    Customers,
    Subscriptions,
}

impl Stage {
    pub const FIRST: Stage = Stage::Products;

    pub fn next(self) -> Option<Stage> {
        match self {
            Stage::Products => Some(Stage::Prices),
            Stage::Prices => Some(Stage::Customers),
            Stage::Customers => Some(Stage::Subscriptions),
            Stage::Subscriptions => None,
        }
    }

    pub fn heading(self) -> &'static str {
        match self {
            Stage::Products => "📦 Sincronizando Products...",
            Stage::Prices => "💰 Sincronizando Prices...",
            Stage::Customers => "👥 Sincronizando Customers...",
            Stage::Subscriptions => "📋 Sincronizando Subscriptions...",
        }
    }

    pub fn noun(self) -> &'static str {
        match self {
            Stage::Products => "products",
            Stage::Prices => "prices",
            Stage::Customers => "customers",
            Stage::Subscriptions => "subscriptions",
        }
    }

    /// Whether its list can be cut by time of creation, so that parts of it are walked side by side.
    pub fn can_be_cut(self) -> bool {
        matches!(self, Stage::Customers | Stage::Subscriptions)
    }

    /// One page of the list.
    pub async fn list(self, auditor: &Auditor, created: Created, after: Option<&str>) -> Result<Listing, StripeError> {
        let account = auditor.account();
        Ok(match self {
            Stage::Products => Listing::of(account.list_products(after).await?, products),
            Stage::Prices => Listing::of(account.list_prices(after).await?, prices),
            Stage::Customers => Listing::of(account.list_customers_created(created, after).await?, customers),
            Stage::Subscriptions => {
                Listing::of(account.list_subscriptions_created(created, after).await?, subscriptions)
            }
        })
    }
}

/// A page, with what is needed to go on from it.
pub(super) struct Listing {
    pub seen: Vec<Seen>,
    pub next: Option<String>,
    /// When the last of the page was created, in seconds since 1970.
    pub last_created_at: Option<i64>,
}

impl Listing {
    fn of<T>(mut page: Snapshot<Page<T>>, seen: fn(Snapshot<Page<T>>) -> Vec<Seen>) -> Listing {
        let next = page.value.next.take();
        let last_created_at = page.value.last_created_at.map(|time| time.as_second());
        Listing { seen: seen(page), next, last_created_at }
    }
}

/// One object as Stripe showed it.
pub(super) enum Seen {
    Product(Snapshot<Product>),
    Price(Snapshot<Price>),
    Customer(Box<Snapshot<StripeCustomer>>),
    Subscription(Box<Snapshot<OwnedSubscription>>),
    Unusable { id: String, problem: String },
}

fn each<T>(page: Snapshot<Page<T>>, wrap: impl Fn(Snapshot<T>) -> Seen) -> Vec<Seen> {
    let Snapshot { value, seen_from, seen_until } = page;
    readable(value)
        .map(|read| match read {
            Ok(value) => wrap(Snapshot { value, seen_from, seen_until }),
            Err((id, problem)) => Seen::Unusable { id, problem },
        })
        .collect()
}

fn products(page: Snapshot<Page<Product>>) -> Vec<Seen> {
    each(page, Seen::Product)
}

fn prices(page: Snapshot<Page<Price>>) -> Vec<Seen> {
    each(page, Seen::Price)
}

fn customers(page: Snapshot<Page<StripeCustomer>>) -> Vec<Seen> {
    each(page, |seen| Seen::Customer(Box::new(seen)))
}

pub(super) fn subscriptions(page: Snapshot<Page<OwnedSubscription>>) -> Vec<Seen> {
    each(page, |seen| Seen::Subscription(Box::new(seen)))
}

/// What is said of an object once it has been dealt with.
pub(super) struct Told {
    line: String,
    json: serde_json::Value,
    pub is_good: bool,
}

impl Told {
    pub fn tell(&self, printer: &Printer) {
        printer.answer(&self.json, [self.line.clone()]);
    }
}

impl Seen {
    pub fn unknown(id: &str) -> Seen {
        Seen::Unusable { id: id.to_owned(), problem: "Stripe does not know it".to_owned() }
    }

    /// Writes it and says so. Whether it is good.
    pub async fn bring(&self, auditor: &Auditor, printer: &Printer) -> Result<bool, SyncError> {
        let told = self.write(auditor).await?;
        told.tell(printer);
        Ok(told.is_good)
    }

    /// # Errors
    /// When nothing could be written now; one bad object is told of and no error.
    pub async fn write(&self, auditor: &Auditor) -> Result<Told, SyncError> {
        let books = auditor.books();
        let written = match self {
            Seen::Product(seen) => sync::observe_product(books, seen).await,
            Seen::Price(seen) => sync::observe_price(books, seen).await,
            Seen::Customer(seen) => Box::pin(sync::observe_customer(books, seen)).await,
            Seen::Subscription(seen) => Box::pin(sync::observe_subscription(books, seen, None)).await,
            Seen::Unusable { id, problem } => return Ok(bad(id, problem)),
        };
        match written {
            Ok(outcome) => {
                let label = self.label(auditor).await?;
                let json = json!({ "id": self.id(), "label": label, "outcome": outcome.as_str() });
                Ok(Told { line: format!("  ✓ {label}"), json, is_good: true })
            }
            Err(error) if is_out_of_reach(&error) => Err(error),
            Err(error) => Ok(bad(self.id(), &error.to_string())),
        }
    }

    pub fn id(&self) -> &str {
        match self {
            Seen::Product(seen) => seen.value.id.as_str(),
            Seen::Price(seen) => seen.value.id.as_str(),
            Seen::Customer(seen) => seen.value.id.as_str(),
            Seen::Subscription(seen) => seen.value.subscription.id.as_str(),
            Seen::Unusable { id, .. } => id,
        }
    }

    async fn label(&self, auditor: &Auditor) -> Result<String, SyncError> {
        Ok(match self {
            Seen::Product(seen) => seen.value.name.clone(),
            Seen::Price(seen) => price_label(auditor, &seen.value).await?,
            Seen::Customer(seen) => seen.value.email.clone().unwrap_or_else(|| seen.value.id.to_string()),
            Seen::Subscription(seen) => {
                let subscription = &seen.value.subscription;
                format!("{} - {}", subscription.id, subscription.status.as_str())
            }
            Seen::Unusable { id, .. } => id.clone(),
        })
    }
}

async fn price_label(auditor: &Auditor, price: &Price) -> Result<String, SyncError> {
    let product = auditor.books().store().read_product(&price.product).await?;
    let name = product.map_or_else(|| price.product.to_string(), |product| product.name);
    let amount = match price.unit_amount_minor {
        Some(amount_minor) => Money { amount_minor, currency: price.currency }.to_string(),
        None => price.currency.as_str().to_owned(),
    };
    Ok(format!("{amount} - {name}"))
}

fn bad(id: &str, problem: &str) -> Told {
    Told {
        line: format!("  ✗ {id}: {problem}"),
        json: json!({ "id": id, "outcome": "failed", "error": problem }),
        is_good: false,
    }
}
