//! DynamoDB inside the process: dynoxide behind a tap, with the table of `template.yaml`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use dynoxide::Database;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::server::Server;
use crate::tap::{self, Tap};
use crate::template::TableDescription;

/// How often records past their time are removed. DynamoDB itself takes up to a few days.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// DynamoDB takes bodies of up to 16 MB.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

pub(crate) struct DynamoDb {
    front: Server,
    engine: JoinHandle<Result<(), String>>,
    stop_engine: oneshot::Sender<()>,
    sweeper: JoinHandle<()>,
}

impl DynamoDb {
    /// Opens the file (or memory), makes the table when it is not there yet, and serves on the listener.
    pub async fn start(
        listener: TcpListener,
        file: Option<&Path>,
        table_name: &str,
        table: &TableDescription,
        tap: Tap,
    ) -> Result<DynamoDb> {
        let database = match file {
            Some(path) => Database::new(path.to_str().context("the data folder's name is not Unicode")?),
            None => Database::memory(),
        };
        let database = database.map_err(|error| anyhow!("open the DynamoDB file: {error}"))?;
        ensure_table(&database, table_name, table)?;

        let sweeper = tokio::spawn(sweep(database.clone()));
        let engine_listener = TcpListener::bind("127.0.0.1:0").await.context("listen for the DynamoDB engine")?;
        let engine_url = format!("http://{}/", engine_listener.local_addr()?);
        let (stop_engine, stopped) = oneshot::channel::<()>();
        let engine = tokio::spawn(dynoxide::server::serve_with_shutdown(engine_listener, database, async move {
            // An error means the sender is gone, which is a reason to stop as well.
            let _ = stopped.await;
        }));

        let client = reqwest::Client::builder().no_proxy().build().context("build the DynamoDB tap's client")?;
        let router = Router::new()
            .fallback(pass_on)
            .with_state(Engine { client, url: engine_url })
            .layer(axum::middleware::from_fn_with_state(tap, tap::watch));
        Ok(DynamoDb { front: Server::start(listener, router), engine, stop_engine, sweeper })
    }

    pub async fn stop(self) -> Result<()> {
        self.sweeper.abort();
        self.front.stop().await?;
        // The receiver is gone only when the engine has ended by itself.
        let _ = self.stop_engine.send(());
        self.engine.await?.map_err(|error| anyhow!("stop DynamoDB: {error}"))
    }
}

#[derive(Clone)]
struct Engine {
    client: reqwest::Client,
    url: String,
}

async fn pass_on(State(engine): State<Engine>, request: Request) -> Response {
    match forward(&engine, request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "The DynamoDB engine could not be asked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn forward(engine: &Engine, request: Request) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_LIMIT).await.context("read the request")?;
    parts.headers.remove(header::HOST);
    parts.headers.remove(header::CONTENT_LENGTH);
    let request = engine.client.request(parts.method, &engine.url).headers(parts.headers).body(body);
    let reply = request.send().await.context("ask the engine")?;
    let (status, headers) = (reply.status(), reply.headers().clone());
    let body = reply.bytes().await.context("read the engine's answer")?;
    Ok((status, headers, body).into_response())
}

async fn sweep(database: Database) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let database = database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        if let Ok(Err(error)) = swept {
            tracing::warn!(%error, "Expired records could not be removed");
        }
    }
}

/// Errors: a kept table with other keys than the template's is from another version of this project.
fn ensure_table(database: &Database, name: &str, table: &TableDescription) -> Result<()> {
    if let Some(kept) = key_schema(database, name)? {
        if &kept != table.key_schema() {
            bail!("The kept table {name} has other keys than template.yaml: choose another folder with --data-dir.");
        }
        return Ok(());
    }
    let request = serde_json::from_value(table.create_request(name)).context("read the table's description")?;
    database.create_table(request).map_err(|error| anyhow!("create the table {name}: {error}"))?;
    if let Some(attribute) = &table.time_to_live_attribute {
        let request = json!({
            "TableName": name,
            "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true },
        });
        let request = serde_json::from_value(request).context("read the table's time to live")?;
        database.update_time_to_live(request).map_err(|error| anyhow!("set the time to live of {name}: {error}"))?;
    }
    Ok(())
}

fn key_schema(database: &Database, name: &str) -> Result<Option<Value>> {
    let tables = serde_json::from_value(json!({})).context("read the request for all tables")?;
    let tables = database.list_tables(tables).map_err(|error| anyhow!("list the tables: {error}"))?;
    let tables = serde_json::to_value(tables).context("read the list of tables")?;
    let is_there = tables["TableNames"].as_array().is_some_and(|names| names.iter().any(|kept| kept == name));
    if !is_there {
        return Ok(None);
    }
    let request = serde_json::from_value(json!({ "TableName": name })).context("read the request for a table")?;
    let description = database.describe_table(request).map_err(|error| anyhow!("describe {name}: {error}"))?;
    let mut description = serde_json::to_value(description).context("read the table's description")?;
    Ok(Some(description["Table"]["KeySchema"].take()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::Fault;
    use crate::template::Template;
    use crate::testing::Scratch;

    struct Running {
        dynamodb: DynamoDb,
        url: String,
        tap: Tap,
    }

    async fn start(file: Option<&Path>) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let tap = Tap::default();
        let table = Template::of_this_workspace().unwrap().table;
        let dynamodb = DynamoDb::start(listener, file, "subscriptions", &table, tap.clone()).await.unwrap();
        Running { dynamodb, url, tap }
    }

    impl Running {
        async fn ask(&self, operation: &str, body: Value) -> (u16, Value) {
            let reply = reqwest::Client::new()
                .post(&self.url)
                .header("X-Amz-Target", format!("DynamoDB_20120810.{operation}"))
                .header("Content-Type", "application/x-amz-json-1.0")
                .header("X-Amz-Date", "20260101T000000Z")
                .header(
                    "Authorization",
                    "AWS4-HMAC-SHA256 Credential=k/20260101/r/dynamodb/aws4_request, SignedHeaders=host, Signature=s",
                )
                .body(body.to_string())
                .send()
                .await
                .unwrap();
            let status = reply.status().as_u16();
            (status, serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap())
        }

        async fn put(&self, sk: &str) -> (u16, Value) {
            let item = json!({ "pk": {"S": "test#user#1"}, "sk": {"S": sk} });
            self.ask("PutItem", json!({ "TableName": "subscriptions", "Item": item })).await
        }

        async fn get(&self, sk: &str) -> Value {
            let key = json!({ "pk": {"S": "test#user#1"}, "sk": {"S": sk} });
            self.ask("GetItem", json!({ "TableName": "subscriptions", "Key": key })).await.1["Item"].clone()
        }
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_a_restart() {
        let scratch = Scratch::new();
        let file = scratch.path().join("dynamodb.sqlite");
        let first = start(Some(&file)).await;
        assert_eq!(first.put("trial").await.0, 200);
        first.dynamodb.stop().await.unwrap();
        let second = start(Some(&file)).await;
        assert_eq!(second.get("trial").await["sk"], json!({"S": "trial"}));
        second.dynamodb.stop().await.unwrap();
    }

    #[tokio::test]
    async fn calls_are_counted_and_fail_as_planned() {
        let running = start(None).await;
        running.tap.fail_next(Some("PutItem"), 1, Fault::Throttled);
        let (status, body) = running.put("customer").await;
        assert_eq!((status, body["__type"].as_str()), (400, Some("com.amazonaws#ThrottlingException")));
        assert_eq!(running.get("customer").await, Value::Null);
        assert_eq!(running.put("customer").await.0, 200);
        assert_eq!(running.tap.calls(), ["PutItem", "GetItem", "PutItem"]);
        running.dynamodb.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_the_write_done() {
        let running = start(None).await;
        running.tap.fail_next(Some("PutItem"), 1, Fault::AnswerLost);
        let answer = tokio::time::timeout(Duration::from_millis(500), running.put("trial")).await;
        assert!(answer.is_err());
        assert_eq!(running.get("trial").await["sk"], json!({"S": "trial"}));
    }

    #[tokio::test]
    async fn a_transaction_in_conflict_names_a_reason_for_every_item() {
        let running = start(None).await;
        running.tap.fail_next(None, 1, Fault::TransactionConflict);
        let put = |sk: &str| {
            let item = json!({ "pk": {"S": "test#user#1"}, "sk": {"S": sk} });
            json!({ "Put": { "TableName": "subscriptions", "Item": item } })
        };
        let body = json!({ "TransactItems": [put("trial"), put("customer")] });
        let (status, body) = running.ask("TransactWriteItems", body).await;
        assert_eq!(status, 400);
        assert_eq!(body["CancellationReasons"][0]["Code"], "TransactionConflict");
        assert_eq!(body["CancellationReasons"][1]["Code"], "None");
        assert_eq!(running.get("trial").await, Value::Null);
    }
}
