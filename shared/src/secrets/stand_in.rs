//! A small Secrets Manager for tests, asked through the real SDK.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{SecretStore, client};
use crate::aws;
use crate::clock::Clock;
use crate::config::{AwsEnvironment, Config};

/// The versions of secret `test-secret` by stage, and what was asked.
#[derive(Default)]
struct Kept {
    versions: HashMap<&'static str, String>,
    is_down: bool,
    asked: Vec<String>,
    writes: usize,
}

#[derive(Clone, Default)]
pub(crate) struct SecretsManager(Arc<Mutex<Kept>>);

impl SecretsManager {
    pub(crate) fn put(&self, stage: &'static str, document: &Value) {
        self.put_text(stage, &document.to_string());
    }

    pub(crate) fn put_text(&self, stage: &'static str, text: &str) {
        self.0.lock().unwrap().versions.insert(stage, text.to_owned());
    }

    pub(crate) fn is_down(&self, is_down: bool) {
        self.0.lock().unwrap().is_down = is_down;
    }

    /// How often the current version was asked for since the last time.
    pub(crate) fn reads(&self) -> usize {
        let asked = std::mem::take(&mut self.0.lock().unwrap().asked);
        asked.iter().filter(|stage| *stage == "AWSCURRENT").count()
    }

    /// How often a value was put.
    pub(crate) fn writes(&self) -> usize {
        self.0.lock().unwrap().writes
    }

    pub(crate) async fn store(&self) -> SecretStore {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = Config::from_values(|name| (name == "SECRET_ID_TEST").then(|| "test-secret".to_owned())).unwrap();
        let client = client(&aws::sdk_config(&AwsEnvironment::default()), Some(&endpoint));
        SecretStore::new(client, &config, Clock::default())
    }
}

async fn answer(State(manager): State<SecretsManager>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let request: Value = serde_json::from_slice(&body).unwrap();
    if headers["x-amz-target"] == "secretsmanager.PutSecretValue" {
        let mut kept = manager.0.lock().unwrap();
        kept.writes += 1;
        kept.versions.insert("AWSCURRENT", request["SecretString"].as_str().unwrap().to_owned());
        return (StatusCode::OK, json!({"Name": "test-secret"}).to_string());
    }
    assert_eq!(headers["x-amz-target"], "secretsmanager.GetSecretValue");
    let stage = request["VersionStage"].as_str().unwrap().to_owned();
    let mut kept = manager.0.lock().unwrap();
    kept.asked.push(stage.clone());
    let refusal = |kind: &str| (StatusCode::BAD_REQUEST, json!({"__type": kind, "Message": "no"}).to_string());
    if kept.is_down {
        return refusal("InternalServiceErrorForTests");
    }
    match kept.versions.get(stage.as_str()).filter(|_| request["SecretId"] == "test-secret") {
        Some(text) => (StatusCode::OK, json!({"Name": "test-secret", "SecretString": text}).to_string()),
        None => refusal("ResourceNotFoundException"),
    }
}

/// A good secret with these token keys.
pub(crate) fn good(jwt_keys: &[&str]) -> Value {
    json!({
        "stripe_secret_key": "sk_test_51Abc",
        "stripe_publishable_key": "pk_test_51Abc",
        "webhook_signing_secrets": [
            {"uuid": "6a5e", "endpoint_id": "we_1", "secret": "whsec_0123456789abcdef"},
        ],
        "jwt_signing_keys": jwt_keys,
    })
}
