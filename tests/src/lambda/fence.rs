//! Stands between one function and AWS: what its role does not allow is refused, as IAM would, and what it uses is noted.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::World;
use crate::policy::Statement;

const BODY_LIMIT: usize = 8 * 1024 * 1024;
const MODE: &str = "test";

/// A fence before DynamoDB and one before Secrets Manager, for one function.
pub struct Fence {
    pub dynamodb_url: String,
    pub secrets_url: String,
    allowed: BTreeSet<String>,
    notes: Arc<Mutex<Notes>>,
    servers: [JoinHandle<()>; 2],
}

#[derive(Default)]
struct Notes {
    used: BTreeSet<String>,
    refused: BTreeSet<String>,
}

struct Post {
    statements: Vec<Statement>,
    notes: Arc<Mutex<Notes>>,
    behind: String,
    client: reqwest::Client,
}

impl Fence {
    /// # Errors
    /// When no port is free.
    pub async fn start(world: &World, statements: Vec<Statement>) -> Result<Fence> {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let client = reqwest::Client::builder().no_proxy().build().context("build a client")?;
        let post = |behind: &str| Post {
            statements: statements.clone(),
            notes: Arc::clone(&notes),
            behind: behind.to_owned(),
            client: client.clone(),
        };
        let allowed = statements.iter().flat_map(|statement| statement.actions.iter().cloned());
        let is_fenced = |action: &String| action.starts_with("dynamodb:") || action.starts_with("secretsmanager:");
        let allowed = allowed.filter(is_fenced).collect();
        let (dynamodb_url, dynamodb) = serve(post(world.stack.dynamodb_url())).await?;
        let (secrets_url, secrets) = serve(post(world.stack.secrets_url())).await?;
        Ok(Fence { dynamodb_url, secrets_url, allowed, notes, servers: [dynamodb, secrets] })
    }

    /// What the role allows at DynamoDB and Secrets Manager.
    pub fn allowed(&self) -> &BTreeSet<String> {
        &self.allowed
    }

    /// The actions that were asked for and allowed.
    pub fn used(&self) -> BTreeSet<String> {
        lock(&self.notes).used.clone()
    }

    /// The actions that were refused, with what they were asked for.
    pub fn refused(&self) -> BTreeSet<String> {
        lock(&self.notes).refused.clone()
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(post: Post) -> Result<(String, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listen on a free port")?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new().fallback(pass).with_state(Arc::new(post));
    let server = tokio::spawn(async move {
        // It ends only with its task.
        let _ = axum::serve(listener, router).await;
    });
    Ok((url, server))
}

async fn pass(State(post): State<Arc<Post>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    for (action, resource) in asked(target, &body) {
        if !post.allows(&action, &resource) {
            lock(&post.notes).refused.insert(format!("{action} on {resource}"));
            let refusal =
                json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "Message": "not allowed" });
            return (StatusCode::BAD_REQUEST, refusal.to_string()).into_response();
        }
        lock(&post.notes).used.insert(action);
    }
    post.forward(&parts.headers, body).await.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}

impl Post {
    fn allows(&self, action: &str, resource: &str) -> bool {
        if action.starts_with("secretsmanager:") {
            return self.statements.iter().any(|statement| {
                let is_named = statement.resources.contains(resource)
                    || (statement.resources.contains("own") && resource == "TestSecret");
                statement.effect == "Allow" && statement.actions.contains(action) && is_named
            });
        }
        self.statements.iter().any(|statement| statement.allows(action, resource, MODE))
    }

    async fn forward(&self, headers: &HeaderMap, body: Bytes) -> Result<Response> {
        let mut request = self.client.post(&self.behind).body(body);
        for (name, value) in headers.iter().filter(|(name, _)| **name != header::HOST) {
            request = request.header(name, value);
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = (status, answer.bytes().await?).into_response();
        for (name, value) in headers.iter().filter(|(name, _)| **name != header::TRANSFER_ENCODING) {
            response.headers_mut().insert(name, value.clone());
        }
        Ok(response)
    }
}

/// The IAM actions of a request, each with the partition key, or the secret, it is about. A transaction is judged by its
/// parts: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>.
fn asked(target: &str, body: &[u8]) -> Vec<(String, String)> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let (service, operation) = target.split_once('.').unwrap_or((target, ""));
    if service == "secretsmanager" {
        let secret = match body["SecretId"].as_str() {
            Some("local/test") => "TestSecret",
            Some("local/live") => "LiveSecret",
            _ => "another secret",
        };
        return vec![(format!("secretsmanager:{operation}"), secret.to_owned())];
    }
    let key = |key: &Value| key["pk"]["S"].as_str().unwrap_or_default().to_owned();
    let one = |action: &str, pk: String| (format!("dynamodb:{action}"), pk);
    match operation {
        "Query" => {
            let pk = body["ExpressionAttributeValues"][":pk"]["S"].as_str().unwrap_or_default();
            vec![one(operation, pk.to_owned())]
        }
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            let keys = tables.flat_map(|(_, asked)| asked["Keys"].as_array().into_iter().flatten());
            keys.map(|item| one(operation, key(item))).collect()
        }
        "TransactWriteItems" => {
            let parts = body["TransactItems"].as_array().into_iter().flatten();
            parts
                .flat_map(|part| part.as_object().into_iter().flatten())
                .map(|(kind, part)| match kind.as_str() {
                    "ConditionCheck" => one("ConditionCheckItem", key(&part["Key"])),
                    "Put" => one("PutItem", key(&part["Item"])),
                    kind => one(&format!("{kind}Item"), key(&part["Key"])),
                })
                .collect()
        }
        other => vec![one(other, key(&body["Key"]))],
    }
}
