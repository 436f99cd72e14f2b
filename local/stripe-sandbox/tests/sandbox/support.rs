//! A sandbox on a free port, a client that checks every reply, and a webhook receiver that remembers.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use stripe_sandbox::{DEFAULT_PRICE_ID, Options, Sandbox, SeedEndpoint};
use stripe_spec::Spec;
use tokio::net::TcpListener;

pub const TEST_KEY: &str = "sk_test_sandbox";
pub const LIVE_KEY: &str = "sk_live_sandbox";
pub const SECRET: &str = "whsec_sandbox_secret_1234";
pub const CARD: &str = "4242424242424242";
pub const FAILS_LATER: &str = "4000000000000341";
pub const DAY: i64 = 86_400;

/// A reply: status, headers and JSON.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// `type`, `code` and `param` of an error.
    pub fn error(&self) -> (u16, &str, &str, &str) {
        let error = &self.body["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default();
        (self.status, text("type"), text("code"), text("param"))
    }
}

/// What the receiver got.
#[derive(Debug, Clone)]
pub struct Received {
    pub signature: String,
    pub agent: String,
    pub body: String,
    pub event: Value,
}

#[derive(Clone, Default)]
pub struct Receiver {
    got: Arc<Mutex<Vec<Received>>>,
    status: Arc<Mutex<u16>>,
}

impl Receiver {
    pub fn all(&self) -> Vec<Received> {
        self.got.lock().unwrap().clone()
    }

    /// Types received, in the order of arrival.
    pub fn types(&self) -> Vec<String> {
        self.all().iter().map(|got| got.event["type"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub fn of_type(&self, kind: &str) -> Vec<Value> {
        self.all().into_iter().map(|got| got.event).filter(|event| event["type"] == kind).collect()
    }

    pub fn clear(&self) {
        self.got.lock().unwrap().clear();
    }

    /// Answers this from now on.
    pub fn answer(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let event = serde_json::from_str(&body).unwrap();
    receiver.got.lock().unwrap().push(Received {
        signature: header("stripe-signature"),
        agent: header("user-agent"),
        body,
        event,
    });
    StatusCode::from_u16(*receiver.status.lock().unwrap()).unwrap()
}

/// The account's API version is a little newer than the description. Stripe sends these two, and typed clients of that
/// version need them: `plan` on subscription items and `type` on products; and the version's own name as an endpoint's.
fn is_newer_than_the_description(violation: &str) -> bool {
    let is_plan = violation.contains(".plan: unknown property") && violation.contains("data[");
    let is_type =
        violation.ends_with("$.type: unknown property") || violation.ends_with(".product.type: unknown property");
    let is_version = violation.starts_with("api_version: expected");
    is_plan || is_type || is_version || violation.ends_with("].type: unknown property")
}

/// A sandbox with one endpoint that listens to everything.
pub struct World {
    pub sandbox: Sandbox,
    pub base: String,
    pub http: reqwest::Client,
    pub receiver: Receiver,
    pub receiver_url: String,
    spec: Option<Spec>,
}

impl World {
    pub async fn start() -> World {
        World::with(|_| {}).await
    }

    /// Starts with changed options.
    pub async fn with(change: impl FnOnce(&mut Options)) -> World {
        let (receiver, receiver_url) = start_receiver().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut options = Options {
            data_file: None,
            public_url: base.clone(),
            secret_key: TEST_KEY.into(),
            live_mode_key: Some(LIVE_KEY.into()),
            publishable_key: "pk_test_sandbox".into(),
            seed_catalogue: true,
            endpoints: vec![endpoint(&receiver_url)],
        };
        change(&mut options);
        let sandbox = Sandbox::start(listener, options).await.unwrap();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        let spec = Spec::load();
        if spec.is_none() {
            eprintln!("Stripe's OpenAPI description is absent: replies are not checked");
        }
        World { sandbox, base, http, receiver, receiver_url, spec }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", TEST_KEY, &[]).await
    }

    pub async fn post(&self, path: &str, form: &str) -> Reply {
        self.send("POST", path, form, TEST_KEY, &[]).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, "", TEST_KEY, &[]).await
    }

    /// A `/v1` call, its reply checked against the description.
    pub async fn send(&self, method: &str, path: &str, form: &str, key: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base));
        if !key.is_empty() {
            request = request.bearer_auth(key);
        }
        if method == "POST" {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.send().await.unwrap();
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let body: Value = reply.json().await.unwrap();
        if let Some(spec) = &self.spec
            && headers["stripe-version"] == stripe_sandbox::API_VERSION
        {
            let mut wrong = spec.check_reply(method, path, status, &body);
            if status == 200 {
                wrong.extend(spec.check_request(method, path, form));
            }
            wrong.retain(|violation| !is_newer_than_the_description(violation));
            assert!(wrong.is_empty(), "{method} {path} {status}: {wrong:#?}\n{body:#}");
        }
        Reply { status, headers, body }
    }

    /// A control.
    pub async fn control(&self, method: &str, path: &str, body: Value) -> Reply {
        let request = self.http.request(method.parse().unwrap(), format!("{}/_sandbox{path}", self.base));
        let reply = if body.is_null() { request } else { request.json(&body) }.send().await.unwrap();
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        Reply { status, headers, body: reply.json().await.unwrap_or_default() }
    }

    pub async fn advance(&self, days: i64) -> Value {
        let moved = self.control("POST", "/advance", json!({ "days": days })).await;
        assert_eq!(moved.status, 200, "{}", moved.body);
        moved.body
    }

    pub async fn customer(&self) -> String {
        let reply = self.post("/v1/customers", "email=ana@example.com&name=Ana&metadata[user_id]=42").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        id(&reply.body)
    }

    /// An open session for a customer; `more` is added to the form.
    pub async fn session(&self, customer: &str, more: &str) -> Value {
        let form = format!(
            "mode=subscription&customer={customer}&line_items[0][price]={DEFAULT_PRICE_ID}&line_items[0][quantity]=1&client_reference_id=42\
             &success_url=http://localhost:9000/ok?session_id={{CHECKOUT_SESSION_ID}}&subscription_data[metadata][user_id]=42{more}"
        );
        let reply = self.post("/v1/checkout/sessions", &form).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    pub async fn pay(&self, session: &str, card: &str) -> Reply {
        self.control(
            "POST",
            &format!("/checkout/{session}/pay"),
            json!({ "card": card, "email": "ana@example.com", "name": "Ana" }),
        )
        .await
    }

    /// A customer with a paid Checkout: customer and subscription id.
    pub async fn subscriber(&self, more: &str, card: &str) -> (String, String) {
        let customer = self.customer().await;
        let session = self.session(&customer, more).await;
        let paid = self.pay(session["id"].as_str().unwrap(), card).await;
        assert_eq!(paid.status, 200, "{}", paid.body);
        (customer, paid.body["subscription_id"].as_str().unwrap().to_owned())
    }

    pub async fn subscription(&self, id: &str) -> Value {
        self.get(&format!("/v1/subscriptions/{id}")).await.body
    }

    /// Waits until the receiver has `count` events of a type.
    pub async fn received(&self, kind: &str, count: usize) -> Vec<Value> {
        for _ in 0..200 {
            let got = self.receiver.of_type(kind);
            if got.len() >= count {
                return got;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no {count} {kind}; got {:?}", self.receiver.types());
    }
}

pub async fn start_receiver() -> (Receiver, String) {
    let receiver = Receiver::default();
    receiver.answer(200);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (receiver, url)
}

pub fn endpoint(url: &str) -> SeedEndpoint {
    SeedEndpoint {
        id: "we_sandbox".into(),
        url: url.into(),
        secret: SECRET.into(),
        livemode: false,
        api_version: Some(stripe_sandbox::API_VERSION.into()),
        enabled_events: vec!["*".into()],
    }
}

pub fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_default().to_owned()
}
