//! Secrets Manager inside the process: the operations the product uses, over the real wire protocol.
//!
//! [`vault`] is what the service knows and does; here is how it is asked and how it refuses.

mod vault;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::clock::Clock;
use tokio::net::TcpListener;

use self::vault::{NewValue, Refusal, StageMove, Vault, Wanted};
use crate::data_folder::write_private;
use crate::server::Server;
use crate::tap::{self, Tap, operation_of};

/// The secrets, kept in a file only its owner can read, or in memory.
#[derive(Clone)]
pub(crate) struct SecretsManager {
    vault: Arc<Mutex<Vault>>,
    file: Option<PathBuf>,
}

impl SecretsManager {
    pub fn open(file: Option<PathBuf>) -> Result<SecretsManager> {
        let vault = match &file {
            Some(path) if path.exists() => {
                let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
                serde_json::from_slice(&text).with_context(|| format!("understand {}", path.display()))?
            }
            _ => Vault::default(),
        };
        Ok(SecretsManager { vault: Arc::new(Mutex::new(vault)), file })
    }

    fn vault(&self) -> MutexGuard<'_, Vault> {
        self.vault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current value, when the secret exists and has one.
    pub fn current(&self, secret_id: &str) -> Option<String> {
        self.vault().get(secret_id, &Wanted::current()).ok().map(|version| version.secret_string.clone())
    }

    /// Makes the secret, or gives it this value when its current one is another.
    pub fn ensure(&self, secret_id: &str, value: &str) -> Result<()> {
        if self.current(secret_id).as_deref() == Some(value) {
            return Ok(());
        }
        let value = NewValue { secret_string: value.to_owned(), token: None, stages: None };
        let mut vault = self.vault();
        let now = Clock::default().wall_now();
        let done = match vault.describe(secret_id) {
            Ok(_) => vault.put(secret_id, value, now).map(drop),
            Err(_) => vault.create(secret_id, None, Some(value), now).map(drop),
        };
        done.map_err(|refusal| anyhow::anyhow!("{}", refusal.message)).with_context(|| format!("keep {secret_id}"))?;
        self.keep(&vault)
    }

    pub fn serve(&self, listener: TcpListener, tap: Tap) -> Server {
        let router = Router::new()
            .fallback(answer)
            .with_state(self.clone())
            .layer(axum::middleware::from_fn_with_state(tap, tap::watch));
        Server::start(listener, router)
    }

    fn keep(&self, vault: &Vault) -> Result<()> {
        match &self.file {
            Some(path) => write_private(path, &serde_json::to_vec_pretty(vault).context("write the secrets")?),
            None => Ok(()),
        }
    }

    fn run(&self, operation: &str, body: &[u8]) -> Result<Value, Refusal> {
        let now = Clock::default().wall_now();
        let mut vault = self.vault();
        let answer = match operation {
            "GetSecretValue" => {
                let request: GetSecretValue = read(body)?;
                let wanted = Wanted { version_id: request.version_id, stage: request.version_stage };
                return vault.get_reply(&request.secret_id, &wanted);
            }
            "DescribeSecret" => {
                let request: Named = read(body)?;
                return vault.describe(&request.secret_id);
            }
            "ListSecrets" => return Ok(vault.list()),
            "CreateSecret" => {
                let request: CreateSecret = read(body)?;
                let value = request.secret_string.map(|secret_string| NewValue {
                    secret_string,
                    token: request.client_request_token,
                    stages: None,
                });
                vault.create(&request.name, request.description, value, now)?
            }
            "PutSecretValue" => {
                let request: PutSecretValue = read(body)?;
                let value = NewValue {
                    secret_string: request.secret_string,
                    token: request.client_request_token,
                    stages: request.version_stages,
                };
                vault.put(&request.secret_id, value, now)?
            }
            "UpdateSecretVersionStage" => {
                let request: UpdateSecretVersionStage = read(body)?;
                let stage_move = StageMove {
                    stage: request.version_stage,
                    remove_from: request.remove_from_version_id,
                    move_to: request.move_to_version_id,
                };
                vault.move_stage(&request.secret_id, &stage_move, now)?
            }
            _ => return Err(Refusal::new("UnknownOperationException", "The operation is not known here")),
        };
        self.keep(&vault).map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "The secrets could not be kept");
            Refusal::new("InternalServiceError", "An error occurred on the server side.")
        })?;
        Ok(answer)
    }
}

async fn answer(State(service): State<SecretsManager>, headers: HeaderMap, body: Bytes) -> Response {
    if !headers.contains_key(header::AUTHORIZATION) {
        return refuse(&Refusal::new("MissingAuthenticationTokenException", "Missing Authentication Token"));
    }
    match service.run(operation_of(&headers), &body) {
        Ok(answer) => aws_json(StatusCode::OK, &answer),
        Err(refusal) => refuse(&refusal),
    }
}

fn refuse(refusal: &Refusal) -> Response {
    let status = match refusal.kind {
        "InternalServiceError" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    // AWS spells the field "Message" here and "message" in the errors of its front; clients read both.
    aws_json(status, &json!({ "__type": refusal.kind, "Message": refusal.message, "message": refusal.message }))
}

fn aws_json(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string()).into_response()
}

/// The parser's words may quote a value, so they are not passed on.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|_| Refusal::new("ValidationException", "The request is not well formed or lacks a required field"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    secret_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateSecret {
    name: String,
    description: Option<String>,
    secret_string: Option<String>,
    client_request_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutSecretValue {
    secret_id: String,
    secret_string: String,
    client_request_token: Option<String>,
    version_stages: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateSecretVersionStage {
    secret_id: String,
    version_stage: String,
    remove_from_version_id: Option<String>,
    move_to_version_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::Scratch;

    fn ask(service: &SecretsManager, operation: &str, body: Value) -> Result<Value, (&'static str, String)> {
        service.run(operation, body.to_string().as_bytes()).map_err(|refusal| (refusal.kind, refusal.message))
    }

    #[test]
    fn a_secret_survives_a_restart_in_a_file_of_its_owner_alone() {
        let scratch = Scratch::new();
        let file = scratch.path().join("secrets.json");
        let first = SecretsManager::open(Some(file.clone())).unwrap();
        first.ensure("local/test", "one").unwrap();
        ask(&first, "PutSecretValue", json!({"SecretId": "local/test", "SecretString": "two"})).unwrap();
        let second = SecretsManager::open(Some(file.clone())).unwrap();
        assert_eq!(second.current("local/test").as_deref(), Some("two"));
        let previous = json!({"SecretId": "local/test", "VersionStage": "AWSPREVIOUS"});
        assert_eq!(ask(&second, "GetSecretValue", previous).unwrap()["SecretString"], "one");
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn ensuring_the_same_value_makes_no_new_version() {
        let service = SecretsManager::open(None).unwrap();
        service.ensure("s", "one").unwrap();
        let before = ask(&service, "DescribeSecret", json!({"SecretId": "s"})).unwrap();
        service.ensure("s", "one").unwrap();
        assert_eq!(ask(&service, "DescribeSecret", json!({"SecretId": "s"})).unwrap(), before);
    }

    #[test]
    fn refusals_have_awss_names_and_words() {
        let service = SecretsManager::open(None).unwrap();
        assert_eq!(
            ask(&service, "GetSecretValue", json!({"SecretId": "nowhere"})),
            Err(("ResourceNotFoundException", "Secrets Manager can't find the specified secret.".to_owned()))
        );
        assert_eq!(ask(&service, "GetSecretValue", json!({})).unwrap_err().0, "ValidationException");
        assert_eq!(ask(&service, "DeleteSecret", json!({})).unwrap_err().0, "UnknownOperationException");
    }

    #[tokio::test]
    async fn the_real_sdks_wire_protocol_is_spoken() {
        let service = SecretsManager::open(None).unwrap();
        service.ensure("s", "one").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let tap = Tap::default();
        let server = service.serve(listener, tap.clone());
        let request = reqwest::Client::new()
            .post(url)
            .header("X-Amz-Target", "secretsmanager.GetSecretValue")
            .body(json!({"SecretId": "s"}).to_string());
        let unsigned = request.try_clone().unwrap().send().await.unwrap();
        assert_eq!(unsigned.status(), 400);
        let signed = request.header("Authorization", "AWS4-HMAC-SHA256 …").send().await.unwrap();
        let body: Value = signed.json().await.unwrap();
        assert_eq!((&body["Name"], &body["SecretString"]), (&json!("s"), &json!("one")));
        assert_eq!(tap.calls(), ["GetSecretValue", "GetSecretValue"]);
        server.stop().await.unwrap();
    }
}
