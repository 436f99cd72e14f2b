//! A subscriber whose webhooks are held back, so that a test alone decides what arrives.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{EventBuilder, World};

/// User 42, trialing with a card that is known, in a world of their own.
pub struct Subscriber {
    pub world: World,
    pub token: String,
    pub subscription: String,
    pub customer: String,
    pub card: Value,
    /// When the subscription stood as it stands at Stripe, in seconds since 1970.
    pub now: i64,
}

impl Subscriber {
    pub async fn start() -> Result<Subscriber> {
        let world = World::start().await?;
        let token = world.token("42")?;
        let subscription = world.subscribe(&token).await?;
        world.sandbox("deliver", &json!({ "hold": true })).await?;
        let object = world.stripe_subscription(&subscription).await?;
        let customer = object["customer"].as_str().context("a customer")?.to_owned();
        let now = world.business_now_second();
        Ok(Subscriber { world, token, subscription, customer, card: object["default_payment_method"].clone(), now })
    }

    /// An event about the subscription, so many seconds after the start.
    pub fn event(&self, id: &str, after_seconds: i64) -> EventBuilder {
        EventBuilder::subscription(id, &self.subscription, &self.customer, self.now + after_seconds)
            .with("/data/object/default_payment_method", self.card.clone())
            .owned_by("42")
    }

    /// Delivers an event that must be acknowledged, and says what became of it.
    pub async fn outcome(&self, event: EventBuilder) -> Result<String> {
        let answer = self.world.deliver(&event.body()).await?;
        if answer.status != 200 {
            bail!("the webhook answered {}: {}", answer.status, answer.body);
        }
        Ok(answer.body["outcome"].as_str().unwrap_or_default().to_owned())
    }

    /// The subscription's status as the user sees it.
    pub async fn status(&self) -> Result<String> {
        Ok(self.world.status(&self.token).await?["status"].as_str().unwrap_or_default().to_owned())
    }
}
