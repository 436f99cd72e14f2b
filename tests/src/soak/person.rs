//! One user of the town: signs up, pays, lets the card fail, mends it, cancels, changes their mind.
//!
//! Some were never seen by the product at first: an operator made their customer and subscription in Stripe's Dashboard,
//! and tells Stripe later whose it is.

use std::collections::BTreeSet;

use anyhow::Result;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use shared::domain::{Account, CustomerId, UserId};

use crate::{Answer, World, answer};

const CHECKOUT: &str = "/api/subscriptions/checkout/";
const GOOD_CARD: &str = "4242424242424242";
const FAILING_LATER: &str = "4000000000000341";
const DECLINED: &str = "4000000000000002";
/// Of so many users one comes by the Dashboard.
const DASHBOARD_EVERY: usize = 10;
/// The probability of doing something on a day.
const BUSY: f64 = 0.12;
/// How often an operator presses a button that answers with an error.
const PRESSES: u32 = 10;

/// How the product and the user came to know each other.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// By the product's own checkout.
    Known,
    /// Nothing is at Stripe yet.
    ToBeMade,
    /// The customer lives at Stripe and nobody owns it.
    Orphan(String),
    /// Stripe has been told whose it is. The operator invites the user when the product knows it too.
    Claimed,
}

#[derive(Clone, Debug)]
pub struct Person {
    pub number: usize,
    pub user: String,
    /// Every customer this user ever had.
    pub customers: BTreeSet<String>,
    /// Those that were deleted at Stripe.
    pub deleted: BTreeSet<String>,
    token: String,
    stage: Stage,
}

impl Person {
    pub fn new(world: &World, number: usize) -> Result<Person> {
        let user = format!("soak-{number}");
        let stage = if number % DASHBOARD_EVERY == DASHBOARD_EVERY - 1 { Stage::ToBeMade } else { Stage::Known };
        let token = world.stack.token(json!({
            "user_id": user, "email": format!("{user}@example.com"), "exp": 4_000_000_000_i64,
        }))?;
        Ok(Person { number, user, customers: BTreeSet::new(), deleted: BTreeSet::new(), token, stage })
    }

    /// The partitions that hold what is known of this user.
    pub fn partitions(&self) -> Vec<String> {
        let mut partitions = vec![format!("test#user#{}", self.user)];
        if self.number % DASHBOARD_EVERY == DASHBOARD_EVERY - 1 {
            partitions.extend(self.customers.iter().map(|customer| format!("test#customer#{customer}")));
        }
        partitions
    }

    /// So many days of this user's life. What it complains of may never happen, whatever fails.
    pub async fn live(&mut self, world: &World, days: i64, mut rng: fastrand::Rng) -> Result<Vec<String>> {
        let is_busy = rng.f64() < 1.0 - (1.0 - BUSY).powi(i32::try_from(days)?);
        if !is_busy {
            return Ok(Vec::new());
        }
        let mut day = Day { world, rng, complaints: Vec::new() };
        match self.stage.clone() {
            Stage::Known => self.live_as_known(&mut day).await?,
            Stage::ToBeMade => self.be_made(&mut day).await,
            Stage::Orphan(customer) => self.be_claimed(&mut day, &customer).await,
            Stage::Claimed => self.be_invited(world).await,
        }
        Ok(day.complaints)
    }

    async fn live_as_known(&mut self, day: &mut Day<'_>) -> Result<()> {
        let status = day.get("/api/subscriptions/status/", &self.token, &[200, 503]).await?;
        if status.status != 200 {
            return Ok(());
        }
        let is_live = matches!(status.body["status"].as_str(), Some("trialing" | "active" | "past_due"));
        match (is_live, day.rng.u32(0..100)) {
            (false, 0..70) => self.check_out(day).await,
            (false, _) => Ok(()),
            (true, 0..45) => self.change_card(day, &status.body).await,
            (true, 45..75) => self.use_portal(day, &status.body).await,
            (true, 75..78) => self.be_deleted(day).await,
            (true, 78..84) => self.get_another_by_the_dashboard(day).await,
            (true, 84..90) => day.post(CHECKOUT, &self.token, &json!({}), &[409, 503]).await.map(|_| ()),
            (true, _) => Ok(()),
        }
    }

    /// One or two tabs, and usually a payment.
    async fn check_out(&mut self, day: &mut Day<'_>) -> Result<()> {
        let elsewhere = json!({ "cancel_url": format!("{}/prices", day.world.stack.api_url()) });
        let allowed = [200, 409, 502, 503];
        let opened = if day.rng.u32(0..10) == 0 {
            let requests = [&json!({}), &elsewhere].map(|body| day.checkout_request(&self.token, body));
            let mut answers = crate::all_at_once(requests.into()).await?;
            answers.iter().for_each(|answer| day.check(CHECKOUT, answer, &allowed));
            answers.swap_remove(day.rng.usize(0..2))
        } else {
            day.post(CHECKOUT, &self.token, &json!({}), &allowed).await?
        };
        let Some(session) = opened.body["session_id"].as_str().map(str::to_owned) else { return Ok(()) };
        let card = match day.rng.u32(0..100) {
            0..65 => GOOD_CARD,
            65..80 => FAILING_LATER,
            80..88 => DECLINED,
            // Left open.
            _ => return Ok(()),
        };
        // Declined, or expired by the other tab: then nothing was paid.
        let paid = day.control(&format!("checkout/{session}/pay"), &json!({ "card": card })).await?;
        if let Some(customer) = paid.body["customer"].as_str() {
            self.customers.insert(customer.to_owned());
        }
        if day.rng.bool() {
            let page = format!("/api/subscriptions/session-status/?session_id={session}");
            day.get(&page, &self.token, &[200, 502, 503]).await?;
        }
        Ok(())
    }

    /// Whichever card there is, it may fail from now on; a failing one is usually mended.
    async fn change_card(&mut self, day: &mut Day<'_>, status: &Value) -> Result<()> {
        let Some(customer) = self.customer(day.world).await else { return Ok(()) };
        let is_failing = status["payment_method"]["last4"] == "0341";
        let card = if is_failing || day.rng.u32(0..3) == 0 { GOOD_CARD } else { FAILING_LATER };
        day.control(&format!("customers/{customer}/card"), &json!({ "card": card })).await?;
        Ok(())
    }

    /// Cancels, or takes it back.
    async fn use_portal(&mut self, day: &mut Day<'_>, status: &Value) -> Result<()> {
        let portal = day.post("/api/subscriptions/portal/", &self.token, &json!({}), &[200, 400, 502, 503]).await?;
        let Some(url) = portal.body["url"].as_str() else { return Ok(()) };
        let action = if status["cancel_at_period_end"] == true { "undo" } else { "cancel" };
        let form = format!("subscription={}", status["subscription_id"].as_str().unwrap_or_default());
        let pressed = day.world.http.post(format!("{url}/{action}"));
        answer(pressed.header("content-type", "application/x-www-form-urlencoded").body(form)).await?;
        Ok(())
    }

    async fn be_deleted(&mut self, day: &mut Day<'_>) -> Result<()> {
        let Some(customer) = self.customer(day.world).await else { return Ok(()) };
        let path = format!("/v1/customers/{customer}");
        // 404: an earlier press was heard, and its answer was lost.
        if day.press(&[200, 404], || day.world.stripe_request(reqwest::Method::DELETE, &path)).await.is_some() {
            self.customers.insert(customer.clone());
            self.deleted.insert(customer);
        }
        Ok(())
    }

    /// Without a trial: the operator knows that there is one per user.
    async fn get_another_by_the_dashboard(&mut self, day: &mut Day<'_>) -> Result<()> {
        let Some(customer) = self.customer(day.world).await else { return Ok(()) };
        day.subscribe_by_hand(&customer, "").await;
        Ok(())
    }

    async fn be_made(&mut self, day: &mut Day<'_>) {
        let email = format!("email={}%40example.com", self.user);
        let Some(made) = day.fill_in("/v1/customers", &email).await else { return };
        let Some(customer) = made["id"].as_str().map(str::to_owned) else { return };
        self.customers.insert(customer.clone());
        self.stage = Stage::Orphan(customer.clone());
        let attach = format!("customer={customer}");
        let Some(card) = day.fill_in("/v1/payment_methods/pm_card_visa/attach", &attach).await else { return };
        let default = format!("invoice_settings[default_payment_method]={}", card["id"].as_str().unwrap_or_default());
        day.fill_in(&format!("/v1/customers/{customer}"), &default).await;
        day.subscribe_by_hand(&customer, "&trial_period_days=7").await;
    }

    async fn be_claimed(&mut self, day: &mut Day<'_>, customer: &str) {
        let whose = format!("metadata[user_id]={}", self.user);
        if day.fill_in(&format!("/v1/customers/{customer}"), &whose).await.is_some() {
            self.stage = Stage::Claimed;
        }
    }

    async fn be_invited(&mut self, world: &World) {
        if self.customer(world).await.is_some() {
            self.stage = Stage::Known;
        }
    }

    /// The customer the product knows; nothing when the records cannot be read now.
    async fn customer(&mut self, world: &World) -> Option<String> {
        let user = UserId::parse(self.user.as_str()).ok()?;
        let account: Account = world.store().ok()?.read_account(&user).await.ok()?;
        let customer: CustomerId = account.billing_customer()?.clone();
        self.customers.insert(customer.to_string());
        Some(customer.to_string())
    }
}

/// One user's doings on one day.
struct Day<'a> {
    world: &'a World,
    rng: fastrand::Rng,
    complaints: Vec<String>,
}

impl Day<'_> {
    fn check(&mut self, path: &str, answer: &Answer, allowed: &[u16]) {
        if !allowed.contains(&answer.status) {
            self.complaints.push(format!("{path} answered {} {}", answer.status, answer.body));
        }
    }

    async fn get(&mut self, path: &str, token: &str, allowed: &[u16]) -> Result<Answer> {
        let answer = self.world.get(path, Some(token)).await?;
        self.check(path, &answer, allowed);
        Ok(answer)
    }

    async fn post(&mut self, path: &str, token: &str, body: &Value, allowed: &[u16]) -> Result<Answer> {
        let answer = self.world.post(path, Some(token), body).await?;
        self.check(path, &answer, allowed);
        Ok(answer)
    }

    fn checkout_request(&self, token: &str, body: &Value) -> RequestBuilder {
        self.world.request(reqwest::Method::POST, CHECKOUT, Some(token)).json(body)
    }

    /// A control of the sandbox, which may refuse.
    async fn control(&self, control: &str, body: &Value) -> Result<Answer> {
        answer(self.world.http.post(format!("{}/_sandbox/{control}", self.world.stack.stripe_url())).json(body)).await
    }

    async fn subscribe_by_hand(&self, customer: &str, more: &str) {
        let price = "price_caixahub_premium_monthly";
        self.fill_in("/v1/subscriptions", &format!("customer={customer}&items[0][price]={price}{more}")).await;
    }

    /// A form of the Dashboard, sent once however often the button is pressed.
    async fn fill_in(&self, path: &str, form: &str) -> Option<Value> {
        let key = uuid::Uuid::new_v4().to_string();
        self.press(&[200], || {
            let request = self.world.stripe_request(reqwest::Method::POST, path).header("idempotency-key", &key);
            request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())
        })
        .await
    }

    async fn press(&self, good: &[u16], button: impl Fn() -> RequestBuilder) -> Option<Value> {
        for _ in 0..PRESSES {
            if let Ok(pressed) = answer(button()).await
                && good.contains(&pressed.status)
            {
                return Some(pressed.body);
            }
        }
        None
    }
}
