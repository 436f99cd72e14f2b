//! The functions' core without a network: DynamoDB and Secrets Manager answer from memory, at once and always the same.
//!
//! The answers go through the AWS SDK's own parsers. Every write is held to what the table must never see.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shared::aws;
use shared::boot::{AwsEndpoints, Core};
use shared::clock::Clock;
use shared::config::{AwsEnvironment, Config};

pub const JWT_KEY: &str = "a-signing-key-of-the-merchants-own-login";
pub const WEBHOOK_SECRET: &str = "whsec_0123456789abcdef";
pub const WEBHOOK_UUID: &str = "6a5e";
pub const ORIGIN: &str = "https://app.example.com";

/// What the services hold, and how often they were asked.
#[derive(Clone, Debug, Default)]
pub struct Still(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// DynamoDB's own JSON of the items that every query and read finds.
    items: Mutex<Vec<Value>>,
    /// Whether conditions fail, with the items as what is stored.
    refuses: Mutex<bool>,
    dynamodb_calls: AtomicUsize,
    secrets_calls: AtomicUsize,
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Still {
    /// From now on these are found, whatever is asked for; with `refuses` no write lands.
    pub fn holds(&self, items: Vec<Value>, refuses: bool) {
        *locked(&self.0.items) = items;
        *locked(&self.0.refuses) = refuses;
    }

    pub fn dynamodb_calls(&self) -> usize {
        self.0.dynamodb_calls.load(Ordering::Relaxed)
    }

    pub fn secrets_calls(&self) -> usize {
        self.0.secrets_calls.load(Ordering::Relaxed)
    }

    /// A core in test mode. Nobody listens where Stripe would be. `settings` come on top.
    ///
    /// # Panics
    /// When a setting is not good.
    pub fn core(&self, settings: &[(&str, &str)]) -> Core {
        let usual = [
            ("TABLE_NAME", "subscriptions"),
            ("SECRET_ID_TEST", "test-secret"),
            ("SECRET_ID_LIVE", "live-secret"),
            ("FRONTEND_URL", ORIGIN),
            ("STRIPE_API_URL", "http://127.0.0.1:1"),
            ("UPSTREAM_URL", "http://127.0.0.1:1"),
            ("AWS_REGION", "us-east-1"),
        ];
        let value = |name: &str| {
            let all = settings.iter().chain(&usual);
            all.clone().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned())
        };
        let config = Config::from_values(value).expect("good settings");
        let connector = SharedHttpConnector::new(self.clone());
        let sdk = aws::sdk_config(&AwsEnvironment::default())
            .into_builder()
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        let endpoint = || Some("http://127.0.0.1:1".to_owned());
        let endpoints = AwsEndpoints { dynamodb: endpoint(), secrets_manager: endpoint() };
        Core::on(config, Clock::default(), &sdk, &endpoints)
    }

    fn answer(&self, request: &HttpRequest) -> (u16, Value) {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let body: Value =
            request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let operation = target.rsplit_once('.').map_or(target, |(_, operation)| operation);
        if target.starts_with("secretsmanager.") {
            self.0.secrets_calls.fetch_add(1, Ordering::Relaxed);
            return secret(&body);
        }
        self.0.dynamodb_calls.fetch_add(1, Ordering::Relaxed);
        let items = locked(&self.0.items).clone();
        match operation {
            "Query" => (200, json!({ "Count": items.len(), "ScannedCount": items.len(), "Items": items })),
            "GetItem" => (200, items.first().map_or(json!({}), |item| json!({ "Item": item }))),
            "BatchGetItem" => (200, json!({ "Responses": { "subscriptions": items }, "UnprocessedKeys": {} })),
            "TransactWriteItems" => self.transaction(&body, &items),
            "DescribeTable" => (200, json!({ "Table": { "TableStatus": "ACTIVE" } })),
            other => panic!("nobody told the still table of {other}"),
        }
    }

    fn transaction(&self, body: &Value, items: &[Value]) -> (u16, Value) {
        let actions = body["TransactItems"].as_array().cloned().unwrap_or_default();
        hold_to_the_rules(&actions);
        if !*locked(&self.0.refuses) {
            return (200, json!({}));
        }
        let reasons: Vec<Value> = (0..actions.len())
            .map(|index| match items.get(index).or(items.first()) {
                Some(item) => json!({ "Code": "ConditionalCheckFailed", "Message": "no", "Item": item }),
                None => json!({ "Code": "ConditionalCheckFailed", "Message": "no" }),
            })
            .collect();
        let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
        (400, json!({ "__type": kind, "Message": "cancelled", "CancellationReasons": reasons }))
    }
}

/// DynamoDB's own limits, and ours: a test core touches test records only.
fn hold_to_the_rules(actions: &[Value]) {
    assert!((1..=100).contains(&actions.len()), "{} actions in a transaction", actions.len());
    let mut keys = HashSet::new();
    for action in actions {
        let action = action.as_object().and_then(|action| action.values().next()).cloned().unwrap_or_default();
        let part = |name: &str| {
            let key = action.get("Key").or_else(|| action.get("Item")).unwrap_or(&Value::Null);
            key[name]["S"].as_str().unwrap_or_default().to_owned()
        };
        let (pk, sk) = (part("pk"), part("sk"));
        assert!(pk.starts_with("test#"), "a key of another mode");
        assert!(!sk.is_empty(), "a key without its second part");
        assert!(pk.len() <= 2048 && sk.len() <= 1024, "a key longer than DynamoDB takes");
        assert!(keys.insert((pk, sk)), "an item twice in one transaction");
    }
}

fn secret(asked: &Value) -> (u16, Value) {
    if asked["SecretId"] != "test-secret" || asked["VersionStage"] != "AWSCURRENT" {
        return (400, json!({ "__type": "ResourceNotFoundException", "Message": "no" }));
    }
    let text = json!({
        "stripe_secret_key": "sk_test_51Abc",
        "stripe_publishable_key": "pk_test_51Abc",
        "webhook_signing_secrets": [{ "uuid": WEBHOOK_UUID, "endpoint_id": "we_1", "secret": WEBHOOK_SECRET }],
        "jwt_signing_keys": [JWT_KEY],
    });
    (200, json!({ "Name": "test-secret", "SecretString": text.to_string() }))
}

impl HttpConnector for Still {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.answer(&request);
        let status = status.try_into().expect("a status of HTTP");
        let mut response = HttpResponse::new(status, SdkBody::from(body.to_string()));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}
