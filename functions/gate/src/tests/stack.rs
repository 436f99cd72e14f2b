//! What stands around the gate: records, secrets, tokens, and API Gateway's events.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use dynoxide::Database;
use jiff::{SignedDuration, Timestamp};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::Service;
use lambda_http::{Adapter, Context, LambdaEvent, service_fn};
use serde_json::{Map, Value, json};
use shared::auth::use_hs256_only;
use shared::boot::{AwsEndpoints, Core};
use shared::clock::Clock;
use shared::config::{Config, Misconfigured};
use shared::domain::{CustomerId, Mode, Status, Subscription, SubscriptionId, TrialClaim, UserId};
use shared::gate::Gate;
use shared::http::Function;
use shared::http::wire::Verbatim;
use shared::store::{AsOf, Change, Commit, Guard, Partition};
use tokio::net::TcpListener;

use super::scripted::{Answer, Scripted, nobody};
use crate::{Deps, handle};

pub(super) const JWT_KEY: &str = "a-signing-key-of-the-merchants-own-login";
const TABLE: &str = "subscriptions";

pub(super) struct Stack {
    core: Result<Core, Misconfigured>,
    function: Function,
}

/// What differs from the usual stack.
#[derive(Default)]
pub(super) struct Setting {
    pub upstream_url: String,
    pub is_dynamodb_down: bool,
    pub patience: Option<Duration>,
    pub past_due_grace_days: Option<u32>,
}

impl Stack {
    pub async fn before(upstream: &Scripted) -> Stack {
        Stack::start(Setting { upstream_url: upstream.url.clone(), ..Setting::default() }).await
    }

    pub async fn start(setting: Setting) -> Stack {
        let core = Ok(core(&setting).await);
        let patience = setting.patience.unwrap_or(crate::PATIENCE);
        let function = Function::new("gate", &[], &core, |core| Deps::new(core, patience), handle);
        Stack { core, function }
    }

    pub fn gate(&self) -> Gate {
        Gate::of(self.core()).unwrap()
    }

    /// Gives the user a subscription whose unpaid or running period began ten days ago.
    pub async fn subscribe(&self, user: &str, id: &str, status: &str) {
        let user = UserId::parse(user).unwrap();
        let subscription = Box::new(subscription(id, status));
        let as_of = AsOf::event(subscription.created_at, "evt_1");
        let partition = Partition::User(user);
        self.write(Change::Subscription { partition, subscription, as_of, guard: Guard::Newer }).await;
    }

    pub async fn spend_trial(&self, user: &str) {
        let claim = TrialClaim { first_trial_at: days_ago(30), subscription: None };
        self.write(Change::Trial { user: UserId::parse(user).unwrap(), claim }).await;
    }

    fn core(&self) -> &Core {
        self.core.as_ref().unwrap()
    }

    async fn write(&self, change: Change) {
        let written = self.core().store(Mode::Test).unwrap().commit(vec![change]).await.unwrap();
        assert!(matches!(written, Commit::Landed), "{written:?}");
    }

    /// The function's reply, as API Gateway gets it.
    pub async fn ask(&self, asked: Asked) -> Told {
        let event: LambdaRequest = serde_json::from_value(asked.0).unwrap();
        let function = &self.function;
        let mut runtime =
            Adapter::from(service_fn(
                |request| async move { Ok::<Verbatim, Infallible>(function.respond(request).await) },
            ));
        let mut context = Context::default();
        context.request_id = "request-1".to_owned();
        let told = runtime.call(LambdaEvent::new(event, context)).await.unwrap();
        Told(serde_json::to_value(&told).unwrap())
    }
}

/// An event of an HTTP API.
#[derive(Clone)]
pub(super) struct Asked(Value);

impl Asked {
    /// `path` as API Gateway hands it over: decoded.
    pub fn new(method: &str, path: &str) -> Asked {
        Asked(json!({
            "version": "2.0",
            "routeKey": "ANY /api/{proxy+}",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {
                "host": "api.example.com",
                "x-forwarded-for": "203.0.113.7",
                "x-forwarded-proto": "https",
                "x-forwarded-port": "443",
            },
            "requestContext": {
                "domainName": "api.example.com",
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7" },
                "requestId": "gateway-1",
                "routeKey": "ANY /api/{proxy+}",
                "stage": "$default",
                "timeEpoch": 0,
            },
            "isBase64Encoded": false,
        }))
    }

    pub fn get(path: &str) -> Asked {
        Asked::new("GET", path)
    }

    /// As a function URL hands it over: as it was sent.
    pub fn by_function_url(mut self) -> Asked {
        self.0["routeKey"] = json!("$default");
        self.0["requestContext"]["routeKey"] = json!("$default");
        self
    }

    pub fn of(self, user: &str) -> Asked {
        self.with_claims(json!({ "user_id": user }))
    }

    pub fn with_claims(self, claims: Value) -> Asked {
        self.header("authorization", &format!("Bearer {}", token(claims)))
    }

    pub fn header(mut self, name: &str, value: &str) -> Asked {
        self.0["headers"][name] = json!(value);
        self
    }

    pub fn field(mut self, name: &str, value: Value) -> Asked {
        self.0[name] = value;
        self
    }
}

/// The JSON of a reply.
pub(super) struct Told(pub Value);

impl Told {
    pub fn status(&self) -> u64 {
        self.0["statusCode"].as_u64().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.0["headers"][name].as_str()
    }

    pub fn body(&self) -> &str {
        self.0["body"].as_str().unwrap_or_default()
    }

    pub fn code(&self) -> String {
        let body: Value = serde_json::from_str(self.body()).unwrap();
        body["code"].as_str().unwrap().to_owned()
    }

    /// Status and body, for a snapshot.
    pub fn line(&self) -> String {
        line(self.status(), self.body())
    }
}

/// The fields in alphabetical order: in which one they are written depends on what else is in the build.
pub(super) fn line(status: u64, body: &str) -> String {
    let fields: BTreeMap<String, Value> = serde_json::from_str(body).unwrap();
    format!("{status} {}", serde_json::to_string(&fields).unwrap())
}

/// An access token as djangorestframework-simplejwt mints it, good for five minutes.
pub(super) fn token(claims: Value) -> String {
    let now = Clock::default().wall_now().as_second();
    let mut payload = json!({ "token_type": "access", "iat": now, "exp": now + 300, "jti": "0a1b2c" });
    let claims: Map<String, Value> = serde_json::from_value(claims).unwrap();
    payload.as_object_mut().unwrap().extend(claims);
    use_hs256_only();
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_KEY.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &payload, &key).unwrap()
}

fn days_ago(days: i64) -> Timestamp {
    let then = Clock::default().wall_now() - SignedDuration::from_hours(24 * days);
    Timestamp::from_second(then.as_second()).unwrap()
}

fn subscription(id: &str, status: &str) -> Subscription {
    Subscription {
        id: SubscriptionId::parse(id).unwrap(),
        customer: CustomerId::parse("cus_1").unwrap(),
        status: Status::from(status.to_owned()),
        created_at: days_ago(10),
        price: None,
        product: None,
        amount_minor: 4990,
        currency: None,
        interval: None,
        trial_start_at: None,
        trial_end_at: None,
        current_period_start_at: Some(days_ago(10)),
        current_period_end_at: None,
        cancel_at: None,
        cancel_at_period_end: false,
        canceled_at: None,
        ended_at: None,
        default_payment_method: None,
    }
}

async fn core(setting: &Setting) -> Core {
    let grace = setting.past_due_grace_days.map(|days| days.to_string());
    let config = Config::from_values(|name| match name {
        "TABLE_NAME" => Some(TABLE.to_owned()),
        "SECRET_ID_TEST" => Some("stripe-test".to_owned()),
        "FRONTEND_URL" => Some("https://app.example.com".to_owned()),
        "UPSTREAM_URL" => Some(setting.upstream_url.clone()),
        "PAST_DUE_GRACE_DAYS" => grace.clone(),
        _ => None,
    });
    let dynamodb = if setting.is_dynamodb_down { nobody().await } else { dynamodb().await };
    let endpoints = AwsEndpoints { dynamodb: Some(dynamodb), secrets_manager: Some(secrets_manager().await) };
    Core::assemble(config.unwrap(), Clock::default(), endpoints).await
}

async fn dynamodb() -> String {
    let database = Database::memory().unwrap();
    let table = json!({
        "TableName": TABLE,
        "AttributeDefinitions": [
            { "AttributeName": "pk", "AttributeType": "S" },
            { "AttributeName": "sk", "AttributeType": "S" },
        ],
        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": "sk", "KeyType": "RANGE" }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    database.create_table(serde_json::from_value(table).unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()));
    url
}

/// Secrets Manager with one version of the one secret.
async fn secrets_manager() -> String {
    let secret = json!({
        "stripe_secret_key": "sk_test_51Nb8kQ2eZvKYlo2C",
        "stripe_publishable_key": "pk_test_51Nb8kQ2eZvKYlo2C",
        "webhook_signing_secrets": [{ "uuid": "u1", "endpoint_id": "we_1", "secret": "whsec_5f2c8e1b9a7d4c3e" }],
        "jwt_signing_keys": [JWT_KEY],
    });
    let current = json!({ "Name": "stripe-test", "SecretString": secret.to_string(), "VersionStages": ["AWSCURRENT"] });
    let found = json_reply("200 OK", &current);
    let missing = json_reply("400 Bad Request", &json!({ "__type": "ResourceNotFoundException", "Message": "none" }));
    Scripted::start(move |_, received| match String::from_utf8_lossy(&received.body).contains("AWSPREVIOUS") {
        true => missing.clone(),
        false => found.clone(),
    })
    .await
    .url
}

fn json_reply(status: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}", body.len());
    Answer::text(&format!("{head}\r\n\r\n{body}"))
}
