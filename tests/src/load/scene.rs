//! The requests: who is subscribed, and the events that make a function do what a row is about.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use axum::body::Bytes;
use serde_json::{Value, json};
use shared::clock::Clock;

use super::row::Row;
use super::services::Services;
use crate::sign;

/// So many subscribers take turns in the rows that are about somebody who is known.
pub const SUBSCRIBERS: usize = 300;
/// So many of them have a subscription that Stripe can be asked about.
pub const TIES: usize = 200;

/// Events of subscriptions begin so long ago: each further event of one is a second later.
const BEGAN_SECONDS_AGO: i64 = 24 * 3_600;

struct Subscription {
    id: String,
    customer: String,
    user: String,
    /// Its latest event.
    last: Value,
    created: i64,
}

/// Everything that requests are made of.
pub struct Scene {
    samples: BTreeMap<String, Value>,
    gateway_events: BTreeMap<&'static str, Value>,
    webhook_path: String,
    webhook_secret: String,
    subscribers: Vec<Subscription>,
    ties: Vec<Subscription>,
    /// Those who have paid, and whose subscription is not heard of yet.
    newcomers: Vec<usize>,
    subscriber_tokens: Vec<String>,
    stranger_tokens: Vec<String>,
    /// Numbers events, new subscriptions and new buyers.
    number: usize,
}

impl Scene {
    /// # Errors
    /// When the services cannot be asked, or a sample of `events/` cannot be read.
    pub fn new(services: &mut Services) -> Result<Scene> {
        let began = now() - BEGAN_SECONDS_AGO;
        let of = |id: String, customer: String, user: String| Subscription {
            id,
            customer,
            user,
            last: Value::Null,
            created: began,
        };
        let subscribers = (0..SUBSCRIBERS)
            .map(|number| of(format!("sub_load{number}"), format!("cus_load{number}"), format!("load-{number}")));
        let subscribers: Vec<_> = subscribers.collect();
        let ties = services.subscriptions(TIES)?.into_iter().enumerate();
        let ties = ties.map(|(number, (id, customer))| of(id, customer, format!("tie-{number}"))).collect();
        let users: Vec<String> = subscribers.iter().map(|subscriber| subscriber.user.clone()).collect();
        let strangers: Vec<String> = (0..SUBSCRIBERS).map(|number| format!("stranger-{number}")).collect();
        let mut gateway_events = BTreeMap::new();
        for (function, text) in [
            ("checkout", include_str!("../../../events/checkout.json")),
            ("config", include_str!("../../../events/config.json")),
            ("gate", include_str!("../../../events/gate.json")),
            ("status", include_str!("../../../events/status.json")),
            ("webhook", include_str!("../../../events/webhook.json")),
        ] {
            gateway_events.insert(function, serde_json::from_str(text).context("read a sample event")?);
        }
        Ok(Scene {
            samples: services.samples.clone(),
            gateway_events,
            webhook_path: services.webhook_path.clone(),
            webhook_secret: services.webhook_secret.clone(),
            subscribers,
            ties,
            newcomers: Vec::new(),
            subscriber_tokens: services.tokens(&users)?,
            stranger_tokens: services.tokens(&strangers)?,
            number: 0,
        })
    }

    /// The event that each subscriber's subscription begins with, those that Stripe knows among them.
    ///
    /// # Errors
    /// When a sample is missing.
    pub fn beginnings(&mut self) -> Result<Vec<Bytes>> {
        let mut events = Vec::new();
        for index in 0..self.subscribers.len() {
            let event = self.next_of(false, index, "customer.subscription.created")?;
            events.push(self.webhook(&event));
        }
        for index in 0..self.ties.len() {
            let event = self.next_of(true, index, "customer.subscription.created")?;
            events.push(self.webhook(&event));
        }
        Ok(events)
    }

    /// What has to be answered before the row's own requests, so that they are what the row is about.
    ///
    /// # Errors
    /// When a sample is missing.
    pub fn before(&mut self, row: Row, count: usize) -> Result<Vec<Bytes>> {
        match row {
            Row::WebhookCreated => self.newcomers(count),
            Row::WebhookTie => self.before_ties(count),
            _ => Ok(Vec::new()),
        }
    }

    /// As when Stripe tells of a checkout: the customer is the user's, and the card is known, when the subscription comes.
    fn newcomers(&mut self, count: usize) -> Result<Vec<Bytes>> {
        self.newcomers = (0..count).map(|_| self.next_number()).collect();
        let newcomers = self.newcomers.clone();
        let mut events = Vec::new();
        for number in &newcomers {
            let mut event = self.event("checkout.session.completed", now())?;
            let session = &mut event["data"]["object"];
            session["id"] = json!(format!("cs_test_new{number}"));
            session["customer"] = json!(format!("cus_new{number}"));
            session["subscription"] = json!(format!("sub_new{number}"));
            session["client_reference_id"] = json!(format!("new-{number}"));
            events.push(self.webhook(&event));
        }
        for number in &newcomers {
            let mut event = self.event("payment_method.attached", now())?;
            event["data"]["object"]["id"] = json!(format!("pm_new{number}"));
            event["data"]["object"]["customer"] = json!(format!("cus_new{number}"));
            events.push(self.webhook(&event));
        }
        Ok(events)
    }

    fn before_ties(&mut self, count: usize) -> Result<Vec<Bytes>> {
        // Later than anything read from Stripe until now, and not so late that it would not be believed.
        let second = now() + 5;
        (0..count.min(self.ties.len()))
            .map(|index| {
                if let Some(tie) = self.ties.get_mut(index) {
                    tie.created = second - 1;
                }
                let event = self.next_of(true, index, "customer.subscription.updated")?;
                Ok(self.webhook(&event))
            })
            .collect()
    }

    /// As many requests of the row as can be made at once, at most `count`.
    ///
    /// # Errors
    /// When a sample is missing, or the services are gone.
    pub fn requests(&mut self, services: &mut Services, row: Row, count: usize) -> Result<Vec<Bytes>> {
        let count = if row == Row::WebhookTie { count.min(self.ties.len()) } else { count };
        let buyers = if row == Row::Checkout { self.buyers(services, count)? } else { Vec::new() };
        (0..count)
            .map(|turn| {
                let subscriber = turn % SUBSCRIBERS;
                Ok(match row {
                    Row::WebhookCreated => self.created(turn)?,
                    Row::WebhookUpdated => {
                        let event = self.next_of(false, subscriber, "customer.subscription.updated")?;
                        self.webhook(&event)
                    }
                    Row::WebhookPaid => self.paid(subscriber)?,
                    Row::WebhookDuplicate => {
                        let event = self.subscribers.get(subscriber).context("a subscriber")?.last.clone();
                        self.webhook(&event)
                    }
                    Row::WebhookTie => self.tie(turn)?,
                    Row::Status => self.with_token("status", self.subscriber_tokens.get(subscriber)),
                    Row::Config | Row::EmptyFunction | Row::BareSockets => self.with_token("config", None),
                    Row::GateAllowed => self.with_token("gate", self.subscriber_tokens.get(subscriber)),
                    Row::GateDenied => self.with_token("gate", self.stranger_tokens.get(subscriber)),
                    Row::Checkout => self.with_token("checkout", buyers.get(turn)),
                })
            })
            .collect()
    }

    fn next_number(&mut self) -> usize {
        self.number += 1;
        self.number
    }

    fn sample(&self, event_type: &str) -> Result<Value> {
        // An update has the shape of a creation, and what it changes.
        let (known, is_update) = match event_type {
            "customer.subscription.updated" => ("customer.subscription.created", true),
            known => (known, false),
        };
        let mut event = self.samples.get(known).with_context(|| format!("no sample of {known}"))?.clone();
        if is_update {
            event["type"] = json!(event_type);
            event["data"]["previous_attributes"] = json!({ "cancel_at_period_end": false });
            event["data"]["object"]["cancel_at_period_end"] = json!(true);
        }
        Ok(event)
    }

    fn event(&mut self, event_type: &str, created: i64) -> Result<Value> {
        let mut event = self.sample(event_type)?;
        event["id"] = json!(format!("evt_load{}", self.next_number()));
        event["created"] = json!(created);
        Ok(event)
    }

    /// The next event of a subscription that is known, a second after its last.
    fn next_of(&mut self, is_tie: bool, index: usize, event_type: &str) -> Result<Value> {
        let mut event = self.event(event_type, 0)?;
        let known = if is_tie { &mut self.ties } else { &mut self.subscribers };
        let subscription = known.get_mut(index).context("a subscription")?;
        subscription.created += 1;
        event["created"] = json!(subscription.created);
        name(&mut event, &subscription.id, &subscription.customer, &subscription.user);
        if is_tie {
            // It has no card: a first sight of one would be a call to Stripe more.
            event["data"]["object"]["default_payment_method"] = Value::Null;
        }
        subscription.last = event.clone();
        Ok(event)
    }

    /// The first event of a newcomer's subscription.
    fn created(&mut self, turn: usize) -> Result<Bytes> {
        let number = *self.newcomers.get(turn).context("a newcomer")?;
        let mut event = self.event("customer.subscription.created", now())?;
        name(&mut event, &format!("sub_new{number}"), &format!("cus_new{number}"), &format!("new-{number}"));
        event["data"]["object"]["default_payment_method"] = json!(format!("pm_new{number}"));
        Ok(self.webhook(&event))
    }

    /// Another event of the second in which the last one was made.
    fn tie(&mut self, index: usize) -> Result<Bytes> {
        let number = self.next_number();
        let mut event = self.ties.get(index).context("a subscription")?.last.clone();
        event["id"] = json!(format!("evt_tie{number}"));
        Ok(self.webhook(&event))
    }

    /// A new invoice of a subscriber, paid.
    fn paid(&mut self, index: usize) -> Result<Bytes> {
        let number = self.next_number();
        let mut event = self.event("invoice.paid", now())?;
        let subscriber = self.subscribers.get(index).context("a subscriber")?;
        let invoice = &mut event["data"]["object"];
        invoice["id"] = json!(format!("in_load{number}"));
        invoice["customer"] = json!(subscriber.customer);
        let details = &mut invoice["parent"]["subscription_details"];
        details["subscription"] = json!(subscriber.id);
        details["metadata"]["user_id"] = json!(subscriber.user);
        for amount in ["amount_due", "amount_paid", "total", "subtotal"] {
            invoice[amount] = json!(4990);
        }
        Ok(self.webhook(&event))
    }

    fn buyers(&mut self, services: &mut Services, count: usize) -> Result<Vec<String>> {
        let users: Vec<String> = (0..count).map(|_| format!("buyer-{}", self.next_number())).collect();
        services.tokens(&users)
    }

    /// As the function URL hands it on, signed now.
    fn webhook(&self, event: &Value) -> Bytes {
        let body = event.to_string();
        let mut request = self.gateway_events["webhook"].clone();
        request["rawPath"] = json!(self.webhook_path);
        request["requestContext"]["http"]["path"] = json!(self.webhook_path);
        request["headers"]["stripe-signature"] = json!(sign(&self.webhook_secret, &body));
        request["headers"]["content-length"] = json!(body.len().to_string());
        request["body"] = json!(body);
        request.to_string().into()
    }

    /// As the HTTP API hands it on.
    fn with_token(&self, function: &str, token: Option<&String>) -> Bytes {
        let mut request = self.gateway_events[function].clone();
        if let Some(token) = token {
            request["headers"]["authorization"] = json!(format!("Bearer {token}"));
        }
        if function == "checkout" {
            request["headers"]["content-length"] = json!("2");
            request["body"] = json!("{}");
        }
        request.to_string().into()
    }
}

fn now() -> i64 {
    Clock::default().wall_now().as_second()
}

fn name(event: &mut Value, subscription: &str, customer: &str, user: &str) {
    let object = &mut event["data"]["object"];
    object["id"] = json!(subscription);
    object["customer"] = json!(customer);
    object["metadata"]["user_id"] = json!(user);
}
