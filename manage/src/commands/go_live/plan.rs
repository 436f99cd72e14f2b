//! What is to be done, and what is there already.

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Serialize;
use shared::domain::{Mode, Money, Price, PriceId, Product, WebhookEndpoint};
use shared::stripe::API_VERSION;
use shared::stripe::setup::PortalConfiguration;
use shared::sync::event::HANDLED_EVENT_TYPES;

use super::super::{readable, register_webhook, rollback, stripe_failed};
use super::Worlds;
use crate::printer::Printer;
use crate::target::{Deployed, Place, Target};

/// What is sold in test mode and is to be sold in live mode.
#[derive(Clone, Debug)]
pub struct Offer {
    pub product: Product,
    pub price: Price,
    /// The test price's lookup key, or its id where it has none: by it a second run finds what the first one made.
    pub lookup_key: String,
}

#[derive(Clone, Debug)]
pub enum Portal {
    Serves,
    /// The default configuration lacks something.
    Update(PortalConfiguration),
    /// The Dashboard makes the default one.
    Missing,
}

#[derive(Clone, Debug)]
pub enum Endpoint {
    Registered(WebhookEndpoint),
    /// It is disabled or is not sent all events.
    Mend(WebhookEndpoint),
    Create,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub offer: Offer,
    /// The live price, when it is there.
    pub live_price: Option<Price>,
    /// What the stack says is sold in live mode. It stays, unless a test price is named.
    pub configured: Option<PriceId>,
    pub portal: Portal,
    pub endpoint: Endpoint,
    pub served: Mode,
}

/// One line of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub step: &'static str,
    pub is_done: bool,
    pub what: String,
}

impl Plan {
    pub async fn make(target: &Target, worlds: &Worlds, price: Option<&PriceId>) -> Result<Plan> {
        let offer = offer(target, worlds, price).await?;
        let configured = stack_price(target, "DefaultPriceIdLive").await?;
        let live_price = match configured.as_ref().filter(|_| price.is_none()) {
            Some(configured) => Some(configured_price(worlds, configured).await?),
            None => live_price(worlds, &offer).await?,
        };
        Ok(Plan {
            live_price,
            configured,
            portal: portal(worlds).await?,
            endpoint: endpoint(target, worlds).await?,
            served: rollback::served(target).await,
            offer,
        })
    }

    pub fn steps(&self) -> Vec<Step> {
        let step =
            |step, is_done, done: String, todo: String| Step { step, is_done, what: if is_done { done } else { todo } };
        let (name, key) = (&self.offer.product.name, &self.offer.lookup_key);
        let money = self.offer.price.unit_amount_minor.map_or(String::new(), |amount_minor| {
            Money { amount_minor, currency: self.offer.price.currency }.to_string()
        });
        let live_price = self.live_price.as_ref().map(|price| price.id.to_string()).unwrap_or_default();
        let served = self.served == Mode::Live;
        let is_kept = self.live_price.as_ref().map(|price| &price.id) == self.configured.as_ref();
        let replaced = self.configured.as_ref().filter(|_| !is_kept);
        vec![
            step(
                "price",
                self.live_price.is_some(),
                match self.configured.is_some() && is_kept {
                    true => format!("price {live_price} is what the stack sells in live mode; it stays"),
                    false => format!("price {live_price} of {name} is in live mode (lookup key {key})"),
                },
                format!("create {name} at {money} in live mode, with lookup key {key}"),
            ),
            step(
                "portal",
                matches!(self.portal, Portal::Serves),
                "the live portal serves".to_owned(),
                match &self.portal {
                    Portal::Update(configuration) => {
                        format!("complete the live portal's configuration {}", configuration.id)
                    }
                    _ => "the live portal has no default configuration: you save it once in the Dashboard".to_owned(),
                },
            ),
            step(
                "endpoint",
                matches!(self.endpoint, Endpoint::Registered(_)),
                "the live webhook endpoint is registered and its secret stored".to_owned(),
                match &self.endpoint {
                    Endpoint::Mend(endpoint) => format!("enable {} with all handled events", endpoint.id),
                    _ => "create the live webhook endpoint and store its secret in Secrets Manager".to_owned(),
                },
            ),
            step(
                "sync",
                served,
                "live records are kept by webhooks".to_owned(),
                "bring what live mode has to the table".to_owned(),
            ),
            step("doctor", served, String::new(), "run doctor on live mode; stop if anything is wrong".to_owned()),
            step(
                "flip",
                served && replaced.is_none(),
                "the functions serve live mode".to_owned(),
                match replaced {
                    Some(old) => format!("make the functions serve live mode and sell this price in place of {old}"),
                    None => "make the functions serve live mode".to_owned(),
                },
            ),
            step("probe", served, String::new(), "run doctor and its probes again".to_owned()),
        ]
        .into_iter()
        .filter(|step| !step.what.is_empty())
        .collect()
    }

    pub fn is_done(&self) -> bool {
        self.steps().iter().all(|step| step.is_done)
    }

    pub fn lines(&self) -> Vec<String> {
        let numbered = self.steps().into_iter().enumerate();
        numbered
            .map(|(index, step)| format!("{}. {} {}", index + 1, if step.is_done { "✓" } else { "→" }, step.what))
            .collect()
    }

    pub fn print(&self, printer: &Printer) {
        for (step, line) in self.steps().iter().zip(self.lines()) {
            printer.answer(step, [line]);
        }
    }
}

async fn offer(target: &Target, worlds: &Worlds, price: Option<&PriceId>) -> Result<Offer> {
    let named = match price {
        Some(price) => Some(price.clone()),
        None => default_test_price(target).await?,
    };
    let stripe = worlds.test.books().stripe();
    let mut found = None;
    if let Some(id) = &named {
        found = stripe.get_price(id).await.map_err(stripe_failed("read the test price"))?.map(|seen| seen.value);
    }
    if let (None, Some(id)) = (&found, price) {
        bail!("Test mode has no price {id}.");
    }
    let price = match found {
        Some(price) => price,
        None => only_price(worlds).await?,
    };
    if !price.can_be_subscribed() || price.unit_amount_minor.is_none() {
        bail!(
            "The test price {} is not an active, recurring price with a fixed amount: name another with --price.",
            price.id
        );
    }
    let product = stripe.get_product(&price.product).await.map_err(stripe_failed("read the test product"))?;
    let product =
        product.map(|seen| seen.value).with_context(|| format!("Test mode has no product {}.", price.product))?;
    let lookup_key = price.lookup_key.clone().unwrap_or_else(|| price.id.to_string());
    Ok(Offer { product, price, lookup_key })
}

/// What the functions of test mode sell.
async fn default_test_price(target: &Target) -> Result<Option<PriceId>> {
    match target.place {
        Place::Stack { .. } => stack_price(target, "DefaultPriceIdTest").await,
        _ => Ok(target.core.config.default_price.clone()),
    }
}

/// The price of a stack's parameter; nothing where it is empty or there is no stack.
async fn stack_price(target: &Target, parameter: &str) -> Result<Option<PriceId>> {
    let (Place::Stack { name }, Some(sdk)) = (&target.place, &target.aws) else { return Ok(None) };
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    let deployed = Deployed::read(&aws_sdk_cloudformation::Client::new(sdk), name, &region).await?;
    let parameter = deployed.parameters.get(parameter).filter(|id| !id.is_empty());
    Ok(parameter.and_then(|id| PriceId::parse(id.clone()).ok()))
}

/// Where nothing names a price: the one there is, if there is one.
async fn only_price(worlds: &Worlds) -> Result<Price> {
    let listed = worlds.test.account().list_prices(None).await.map_err(stripe_failed("list the test prices"))?;
    let mut prices = readable(listed.value).filter_map(Result::ok).filter(Price::can_be_subscribed);
    match (prices.next(), prices.next()) {
        (Some(price), None) => Ok(price),
        (None, _) => Err(anyhow!("Test mode has no active recurring price: there is nothing to sell.")),
        (Some(_), Some(_)) => Err(anyhow!("Test mode has several prices: say with --price which one is sold.")),
    }
}

async fn configured_price(worlds: &Worlds, id: &PriceId) -> Result<Price> {
    let seen = worlds.live.books().stripe().get_price(id).await.map_err(stripe_failed("read the live price"))?;
    match seen.map(|seen| seen.value).filter(Price::can_be_subscribed) {
        Some(price) => Ok(price),
        None => Err(anyhow!(
            "The stack's DefaultPriceIdLive is {id}, which live mode does not sell. Deploy with another or with none, or \
             name the test price that is to be sold with --price."
        )),
    }
}

async fn live_price(worlds: &Worlds, offer: &Offer) -> Result<Option<Price>> {
    let found =
        worlds.live.setup().find_price(&offer.lookup_key).await.map_err(stripe_failed("look for the live price"))?;
    let Some(live) = found else { return Ok(None) };
    let test = &offer.price;
    let is_same = live.unit_amount_minor == test.unit_amount_minor
        && live.currency == test.currency
        && live.interval == test.interval
        && live.can_be_subscribed();
    if !is_same {
        bail!(
            "Live mode's price {} has the lookup key {} and is not the test price {}: another amount, currency or \
             interval, or it is archived. Mend one of the two in the Dashboard, or name another with --price.",
            live.id,
            offer.lookup_key,
            test.id
        );
    }
    Ok(Some(live))
}

async fn portal(worlds: &Worlds) -> Result<Portal> {
    let all =
        worlds.live.setup().list_portal_configurations().await.map_err(stripe_failed("list portal configurations"))?;
    Ok(match all.into_iter().find(|configuration| configuration.is_default) {
        Some(default) if default.serves() => Portal::Serves,
        Some(default) => Portal::Update(default),
        None => Portal::Missing,
    })
}

async fn endpoint(target: &Target, worlds: &Worlds) -> Result<Endpoint> {
    let base =
        target.webhook_url.as_ref().context("The webhook's URL is not known: name the stack, or set WEBHOOK_URL.")?;
    let secrets = worlds.live.secrets().get(Mode::Live).await?;
    let known = register_webhook::endpoints(&worlds.live).await?;
    let ours = known.into_iter().find(|endpoint| {
        let is_stored = secrets.webhook_signing_secrets.iter().any(|secret| secret.endpoint_id == endpoint.id);
        is_stored && endpoint.url.starts_with(base.as_str()) && endpoint.api_version.as_deref() == Some(API_VERSION)
    });
    Ok(match ours {
        Some(endpoint) if endpoint.is_enabled && is_sent_everything(&endpoint) => Endpoint::Registered(endpoint),
        Some(endpoint) => Endpoint::Mend(endpoint),
        None => Endpoint::Create,
    })
}

fn is_sent_everything(endpoint: &WebhookEndpoint) -> bool {
    let sent = &endpoint.enabled_events;
    sent.iter().any(|event| event == "*")
        || HANDLED_EVENT_TYPES.iter().all(|wanted| sent.iter().any(|event| event == wanted))
}
