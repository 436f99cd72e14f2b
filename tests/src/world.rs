//! A running stack and what a person can do with it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use local::{Options, Stack};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::store::Store;

/// How long deliveries may take to arrive before a test fails.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// A reply as a caller sees it. `body` is null when it is not JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The whole product on free ports, in memory.
pub struct World {
    pub stack: Stack,
    pub http: reqwest::Client,
    /// Where callers find the API: the stack's own, unless its functions run elsewhere.
    pub api_url: String,
    /// The same for the webhook.
    pub function_url: String,
}

impl World {
    pub async fn start() -> Result<World> {
        World::with(&[]).await
    }

    /// With values of the functions' environment that differ from the stack's own.
    pub async fn with(settings: &[(&str, &str)]) -> Result<World> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let stack = Stack::start(Options { settings, ..Options::default() }).await?;
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let (api_url, function_url) = (stack.api_url().to_owned(), stack.function_url().to_owned());
        Ok(World { stack, http, api_url, function_url })
    }

    /// A token of the user, with an e-mail address of theirs.
    pub fn token(&self, user: &str) -> Result<String> {
        self.stack.token(json!({ "user_id": user, "email": format!("user{user}@example.com"), "name": "Maria Silva" }))
    }

    pub fn request(&self, method: Method, path: &str, token: Option<&str>) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.api_url));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str, token: Option<&str>) -> Result<Answer> {
        answer(self.request(Method::GET, path, token)).await
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Answer> {
        answer(self.request(Method::POST, path, token).json(body)).await
    }

    pub async fn status(&self, token: &str) -> Result<Value> {
        let answer = self.get("/api/subscriptions/status/", Some(token)).await?;
        if answer.status != 200 {
            bail!("status answered {}: {}", answer.status, answer.body);
        }
        Ok(answer.body)
    }

    /// Opens a checkout and returns its session id.
    pub async fn checkout(&self, token: &str) -> Result<String> {
        let answer = self.post("/api/subscriptions/checkout/", Some(token), &json!({})).await?;
        let session = answer.body["session_id"].as_str();
        session.map(str::to_owned).with_context(|| format!("checkout answered {}: {}", answer.status, answer.body))
    }

    /// Pays on the sandbox's page and waits for the webhooks.
    pub async fn pay(&self, session: &str, card: &str) -> Result<Value> {
        let paid = self.sandbox(&format!("checkout/{session}/pay"), &json!({ "card": card })).await?;
        self.delivered().await?;
        Ok(paid)
    }

    /// Checks out and pays with a good card. The id of the subscription.
    pub async fn subscribe(&self, token: &str) -> Result<String> {
        let session = self.checkout(token).await?;
        let paid = self.pay(&session, "4242424242424242").await?;
        paid["subscription_id"].as_str().map(str::to_owned).with_context(|| format!("payment answered {paid}"))
    }

    pub async fn advance_days(&self, days: i64) -> Result<Value> {
        let advanced = self.sandbox("advance", &json!({ "days": days })).await?;
        self.delivered().await?;
        Ok(advanced)
    }

    /// One of the sandbox's controls.
    pub async fn sandbox(&self, control: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/_sandbox/{control}", self.stack.stripe_url());
        let answer = answer(self.http.post(url).json(body)).await?;
        if answer.status >= 300 {
            bail!("the sandbox's {control} answered {}: {}", answer.status, answer.body);
        }
        Ok(answer.body)
    }

    pub async fn sandbox_get(&self, what: &str) -> Result<Value> {
        let url = format!("{}/_sandbox/{what}", self.stack.stripe_url());
        Ok(answer(self.http.get(url)).await?.body)
    }

    /// Waits until every webhook that is not held back has arrived.
    pub async fn delivered(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            let listing = self.sandbox_get("deliveries").await?;
            let deliveries = listing.get("deliveries").unwrap_or(&listing).as_array().cloned().unwrap_or_default();
            let is_open = |delivery: &&Value| delivery["outcome"] == "pending" && delivery["held"] != true;
            let open: Vec<_> = deliveries.iter().filter(is_open).collect();
            if open.is_empty() {
                return Ok(());
            }
            if started.elapsed() > DELIVERY_TIMEOUT {
                bail!("webhooks were not delivered: {open:?}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The calls Stripe got since the given number of them, as `METHOD path`.
    pub async fn stripe_calls(&self) -> Result<Vec<String>> {
        let listing = self.sandbox_get("requests").await?;
        let requests = listing.get("requests").unwrap_or(&listing).as_array().cloned().unwrap_or_default();
        Ok(requests
            .iter()
            .map(|call| {
                let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
                format!("{} {}", text("method"), text("path"))
            })
            .collect())
    }

    /// An object as the sandbox shows it to a holder of the secret key.
    pub async fn stripe_get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.stack.stripe_url());
        Ok(answer(self.http.get(url).bearer_auth(self.stripe_key())).await?.body)
    }

    /// A form-encoded request to the sandbox's API.
    pub async fn stripe_post(&self, path: &str, form: &str) -> Result<Answer> {
        let url = format!("{}{path}", self.stack.stripe_url());
        let request = self.http.post(url).bearer_auth(self.stripe_key());
        answer(request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())).await
    }

    pub async fn stripe_delete(&self, path: &str) -> Result<Answer> {
        answer(self.http.delete(format!("{}{path}", self.stack.stripe_url())).bearer_auth(self.stripe_key())).await
    }

    /// A request of a holder of the secret key, not sent yet.
    pub fn stripe_request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.stack.stripe_url())).bearer_auth(self.stripe_key())
    }

    fn stripe_key(&self) -> String {
        self.stack.canaries().into_iter().next().unwrap_or_default()
    }

    pub async fn stripe_subscription(&self, subscription: &str) -> Result<Value> {
        self.stripe_get(&format!("/v1/subscriptions/{subscription}")).await
    }

    /// Expires a session, as Stripe does by itself after a day, and waits for the webhook.
    pub async fn sandbox_expire(&self, session: &str) -> Result<()> {
        let expired = self.stripe_post(&format!("/v1/checkout/sessions/{session}/expire"), "").await?;
        if expired.status != 200 {
            bail!("expiring answered {}: {}", expired.status, expired.body);
        }
        self.delivered().await
    }

    /// Sends a signed webhook to the function URL, as Stripe does.
    pub async fn deliver(&self, body: &str) -> Result<Answer> {
        let signature = sign(self.stack.webhook_secret(), body);
        self.deliver_as(&self.stack.webhook_path(), Some(&signature), body.as_bytes()).await
    }

    pub async fn deliver_as(&self, path: &str, signature: Option<&str>, body: &[u8]) -> Result<Answer> {
        let mut request = self.http.post(format!("{}{path}", self.function_url)).body(body.to_vec());
        request = request.header("content-type", "application/json; charset=utf-8");
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        answer(request).await
    }

    /// Takes back every fault of the sandbox.
    pub async fn heal_stripe(&self) -> Result<()> {
        let healed = answer(self.http.delete(format!("{}/_sandbox/faults", self.stack.stripe_url()))).await?;
        if healed.status == 200 { Ok(()) } else { bail!("the sandbox kept its faults: {}", healed.body) }
    }

    /// The records of the stack's mode, as the functions see them.
    pub fn store(&self) -> Result<Store> {
        let core = self.stack.core().map_err(|error| anyhow!("{error}"))?;
        Ok(core.store(core.config.mode)?)
    }

    /// Now, by the clock that judges trials: the sandbox's.
    pub fn business_now_second(&self) -> i64 {
        let core = self.stack.core();
        core.map_or_else(|_| Clock::default().wall_now(), |core| core.clock.business_now()).as_second()
    }
}

/// A signature made now.
pub fn sign(secret: &str, body: &str) -> String {
    shared::stripe::signature::sign(&secret.into(), Clock::default().wall_now().as_second(), body.as_bytes())
}

pub async fn answer(request: RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await?.to_vec();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Ok(Answer { status, headers, body, bytes })
}
