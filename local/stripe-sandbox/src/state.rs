//! What the sandbox knows: two worlds (test and live) of Stripe objects as JSON, and what both share.
//!
//! Nothing here decides anything; changes go through `tx`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cards::StoredCard;
use crate::deliveries::Deliveries;
use crate::engine::jobs::Job;
use crate::events::Event;
use crate::faults::Faults;
use crate::idempotency::Keys;
use crate::request_log::RequestLog;

/// The kinds of objects that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Kind {
    Customer,
    Product,
    Price,
    Session,
    Subscription,
    Invoice,
    PaymentMethod,
    Endpoint,
    PortalSession,
    PortalConfiguration,
}

impl Kind {
    /// The name Stripe uses in "No such …".
    pub fn name(self) -> &'static str {
        match self {
            Kind::Customer => "customer",
            Kind::Product => "product",
            Kind::Price => "price",
            Kind::Session => "checkout.session",
            Kind::Subscription => "subscription",
            Kind::Invoice => "invoice",
            Kind::PaymentMethod => "PaymentMethod",
            Kind::Endpoint => "webhook endpoint",
            Kind::PortalSession => "billing_portal.session",
            Kind::PortalConfiguration => "configuration",
        }
    }

    /// The parameter an id in a path is called in an error.
    pub fn path_param(self) -> &'static str {
        match self {
            Kind::Price => "price",
            Kind::Session => "session",
            Kind::Invoice => "invoice",
            Kind::PaymentMethod => "payment_method",
            Kind::Endpoint => "webhook_endpoint",
            Kind::PortalConfiguration => "configuration",
            Kind::Customer | Kind::Product | Kind::Subscription | Kind::PortalSession => "id",
        }
    }
}

/// Objects of one kind in the order they were made.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Collection {
    order: Vec<String>,
    by_id: HashMap<String, Value>,
}

impl Collection {
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.by_id.get(id)
    }

    /// Adds or replaces; a new object goes to the end.
    pub fn put(&mut self, id: &str, object: Value) {
        if self.by_id.insert(id.to_owned(), object).is_none() {
            self.order.push(id.to_owned());
        }
    }

    pub fn remove(&mut self, id: &str) -> Option<Value> {
        self.order.retain(|known| known != id);
        self.by_id.remove(id)
    }

    pub fn oldest_first(&self) -> impl Iterator<Item = &Value> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }

    pub fn newest_first(&self) -> impl Iterator<Item = &Value> {
        self.order.iter().rev().filter_map(|id| self.by_id.get(id))
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }
}

/// One mode's account: everything a key of that mode can see, and what Stripe keeps beside it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct World {
    pub livemode: bool,
    objects: BTreeMap<Kind, Collection>,
    pub deleted_customers: BTreeSet<String>,
    /// The numbers behind payment methods: never part of an object.
    pub cards: HashMap<String, StoredCard>,
    /// Signing secrets by endpoint id.
    pub secrets: HashMap<String, String>,
    /// `subscription_data` and line items of Checkout sessions.
    pub orders: HashMap<String, Value>,
    pub events: VecDeque<Event>,
    pub jobs: BTreeSet<Job>,
    pub invoice_numbers: HashMap<String, u64>,
    pub serial: u64,
    pub events_made: u64,
    /// What search still shows instead of a recent write: wall milliseconds of the write, and the object before it.
    #[serde(skip)]
    pub recent: HashMap<String, (i64, Option<Value>)>,
}

impl World {
    pub fn new(livemode: bool) -> Self {
        Self { livemode, ..Self::default() }
    }

    pub fn all(&self, kind: Kind) -> &Collection {
        static EMPTY: std::sync::OnceLock<Collection> = std::sync::OnceLock::new();
        self.objects.get(&kind).unwrap_or_else(|| EMPTY.get_or_init(Collection::default))
    }

    pub fn all_mut(&mut self, kind: Kind) -> &mut Collection {
        self.objects.entry(kind).or_default()
    }

    pub fn find(&self, kind: Kind, id: &str) -> Option<&Value> {
        self.all(kind).get(id)
    }

    /// The subscriptions of a customer, oldest first.
    pub fn subscriptions_of(&self, customer: &str) -> Vec<Value> {
        self.all(Kind::Subscription).oldest_first().filter(|sub| sub["customer"] == customer).cloned().collect()
    }

    pub fn event(&self, id: &str) -> Option<&Event> {
        self.events.iter().rev().find(|event| event.id == id)
    }
}

/// What an unpaid subscription becomes when Stripe stops trying.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DunningEnd {
    #[default]
    Cancel,
    Unpaid,
    PastDue,
}

/// What the portal writes when a customer cancels at the period's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PortalCancelStyle {
    /// Flexible billing mode: only `cancel_at`.
    #[default]
    CancelAt,
    /// Classic billing mode: `cancel_at_period_end` too.
    CancelAtPeriodEnd,
}

/// Account settings the controls can change.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub dunning_end: DunningEnd,
    pub portal_cancel_style: PortalCancelStyle,
    pub search_lag_seconds: i64,
}

/// Everything, behind one lock.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub test: World,
    pub live: World,
    pub offset_seconds: i64,
    pub settings: Settings,
    #[serde(default)]
    pub faults: Faults,
    pub deliveries: Deliveries,
    pub keys: Keys,
    #[serde(skip)]
    pub log: RequestLog,
}

impl State {
    pub fn new() -> Self {
        Self {
            test: World::new(false),
            live: World::new(true),
            offset_seconds: 0,
            settings: Settings::default(),
            faults: Faults::default(),
            deliveries: Deliveries::default(),
            keys: Keys::default(),
            log: RequestLog::default(),
        }
    }

    pub fn world(&self, livemode: bool) -> &World {
        if livemode { &self.live } else { &self.test }
    }
}
