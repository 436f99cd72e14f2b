//! Requests as they come over the wire, and what is made of every kind of answer.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::operation::get_item::GetItemInput;
use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::*;
use crate::aws;
use crate::config::{AwsCredentials, AwsEnvironment};
use crate::scripted_server::{Reaction, Received, ScriptedServer};

const SECRET: &str = "a secret access key";
const FOUND: &str = r#"{"Item":{"pk":{"S":"found"}}}"#;
const CANCELED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"no",
    "CancellationReasons":[{"Code":"ConditionalCheckFailed","Item":{"pk":{"S":"found"}}}]}"#;
const DENIED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","Message":"no"}"#;
const THROTTLED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slower"}"#;
/// Sent by the orchestrator with every request.
const ORCHESTRATORS_OWN: &str = "amz-sdk-request";

fn environment() -> AwsEnvironment {
    let credentials = AwsCredentials {
        access_key_id: "AKIATEST".to_owned(),
        secret_access_key: SECRET.to_owned().into(),
        session_token: Some("a session token".to_owned().into()),
    };
    AwsEnvironment { region: Some("sa-east-1".to_owned()), credentials: Some(credentials), ..AwsEnvironment::default() }
}

fn wanted() -> GetItemInputBuilder {
    GetItemInput::builder().table_name("subscriptions").key("pk", AttributeValue::S("a".to_owned()))
}

fn transaction() -> TransactWriteItemsInputBuilder {
    let delete = Delete::builder().table_name("subscriptions").key("pk", AttributeValue::S("a".to_owned()));
    let item = TransactWriteItem::builder().delete(delete.build().unwrap()).build();
    TransactWriteItemsInput::builder().transact_items(item)
}

/// A client that knows its way, before the reactions.
async fn on(reactions: Vec<Reaction>) -> (DynamoDb, ScriptedServer) {
    let all = std::iter::once(Reaction::ok("{}")).chain(reactions).collect();
    let server = ScriptedServer::start(all).await;
    let dynamodb = DynamoDb::new(&aws::sdk_config(&environment()), Some(&server.url("/")));
    dynamodb.get_item(wanted).await.unwrap();
    (dynamodb, server)
}

/// Which of the requests after the first went through the SDK.
fn through_the_sdk(server: &ScriptedServer) -> Vec<bool> {
    server.requests().iter().skip(1).map(|request| request.header(ORCHESTRATORS_OWN).is_some()).collect()
}

fn is_found(output: &GetItemOutput) -> bool {
    output.item().is_some_and(|item| item["pk"] == AttributeValue::S("found".to_owned()))
}

fn hmac(key: &[u8], data: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(data.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature by AWS's own description, without its library.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
fn expected_signature(request: &Received, signed_headers: &str) -> String {
    let value = |name: &str| request.header(name).unwrap_or_default().trim().to_owned();
    let headers: String = signed_headers.split(';').map(|name| format!("{name}:{}\n", value(name))).collect();
    let body = hex::encode(Sha256::digest(&request.body));
    let canonical = format!("{}\n{}\n\n{headers}\n{signed_headers}\n{body}", request.method, request.path);
    let (at, day) = (value("x-amz-date"), value("x-amz-date")[..8].to_owned());
    let scope = format!("{day}/sa-east-1/dynamodb/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let key = ["sa-east-1", "dynamodb", "aws4_request"]
        .iter()
        .fold(hmac(format!("AWS4{SECRET}").as_bytes(), &day), |key, part| hmac(&key, part));
    hex::encode(hmac(&key, &to_sign))
}

#[tokio::test]
async fn requests_are_signed_as_aws_describes_it_by_the_sdk_and_past_it() {
    let (dynamodb, server) = on(vec![Reaction::ok(FOUND), Reaction::ok(r#"{"Items":[],"Count":0}"#)]).await;
    assert!(is_found(&dynamodb.get_item(wanted).await.unwrap()));
    let asked = || QueryInput::builder().table_name("subscriptions").key_condition_expression("pk = :pk");
    assert_eq!(dynamodb.query(asked).await.unwrap().count(), 0);
    assert_eq!(through_the_sdk(&server), [false, false]);
    for request in server.requests() {
        let authorization = request.header("authorization").unwrap();
        let parts: BTreeMap<_, _> = authorization
            .trim_start_matches("AWS4-HMAC-SHA256 ")
            .split(", ")
            .filter_map(|part| part.split_once('='))
            .collect();
        assert!(parts["Credential"].starts_with("AKIATEST/"), "{authorization}");
        for name in ["host", "x-amz-date", "x-amz-security-token", "x-amz-target"] {
            assert!(parts["SignedHeaders"].split(';').any(|signed| signed == name), "{name} is not signed");
        }
        assert_eq!(request.header("x-amz-security-token"), Some("a session token"));
        assert!(request.header("user-agent").unwrap().starts_with("aws-sdk-rust/"));
        assert_eq!(parts["Signature"], expected_signature(&request, parts["SignedHeaders"]));
    }
    let said: Vec<_> = server.requests().iter().map(|request| request.body.clone()).collect();
    assert_eq!(said[0], said[1], "the same question in the same words");
}

#[tokio::test]
async fn one_connection_serves_both_ways() {
    let (dynamodb, server) = on(vec![Reaction::ok(FOUND), Reaction::ok("{}")]).await;
    dynamodb.get_item(wanted).await.unwrap();
    wanted().send_with(&dynamodb.sdk).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn what_is_no_clear_answer_is_asked_of_the_sdk() {
    let troubles = [
        Reaction::Reset,
        Reaction::Hang,
        Reaction::HangInBody,
        Reaction::ok("no JSON"),
        Reaction::reply(400, THROTTLED),
        Reaction::reply(500, "{}"),
        Reaction::reply(503, "busy"),
    ];
    for trouble in troubles {
        let (dynamodb, server) = on(vec![trouble, Reaction::ok(FOUND)]).await;
        assert!(is_found(&dynamodb.get_item(wanted).await.unwrap()));
        assert_eq!(through_the_sdk(&server), [false, true]);
    }
}

#[tokio::test]
async fn there_are_three_tries_in_all_and_one_where_asking_again_is_no_use() {
    let (dynamodb, server) = on(vec![Reaction::reply(500, "{}"); 3]).await;
    dynamodb.get_item(wanted).await.unwrap_err();
    assert_eq!(through_the_sdk(&server), [false, true, true]);

    let (dynamodb, server) = on(vec![Reaction::reply(400, DENIED)]).await;
    let denied = dynamodb.get_item(wanted).await.unwrap_err();
    assert_eq!(denied.code(), Some("AccessDeniedException"));
    assert_eq!(through_the_sdk(&server), [false]);
}

#[tokio::test]
async fn a_cancelled_transaction_is_an_answer_and_any_other_failure_is_repeated_with_the_same_token() {
    let (dynamodb, server) =
        on(vec![Reaction::reply(400, CANCELED), Reaction::reply(500, "{}"), Reaction::ok("{}")]).await;
    let canceled = dynamodb.transact_write_items(transaction).await.unwrap_err();
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = canceled.as_service_error() else {
        panic!("{canceled:?}")
    };
    assert_eq!(canceled.cancellation_reasons()[0].code(), Some("ConditionalCheckFailed"));
    assert!(canceled.cancellation_reasons()[0].item().is_some());

    dynamodb.transact_write_items(transaction).await.unwrap();
    assert_eq!(through_the_sdk(&server), [false, false, true]);
    let tokens: Vec<serde_json::Value> = server.requests()[1..]
        .iter()
        .map(|request| serde_json::from_str::<serde_json::Value>(&request.body).unwrap()["ClientRequestToken"].clone())
        .collect();
    assert!(tokens.iter().all(serde_json::Value::is_string), "{tokens:?}");
    assert_ne!(tokens[0], tokens[1], "another transaction has a token of its own");
    assert_eq!(tokens[1], tokens[2]);
}

#[tokio::test]
async fn credentials_that_expire_are_left_to_the_sdk() {
    let server = ScriptedServer::start(vec![Reaction::ok("{}"), Reaction::ok(FOUND)]).await;
    let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let credentials = Credentials::new("AKIATEST", SECRET, None, Some(expiry), "a profile");
    let config = aws::sdk_config(&environment())
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let dynamodb = DynamoDb::new(&config, Some(&server.url("/")));
    dynamodb.get_item(wanted).await.unwrap();
    assert!(is_found(&dynamodb.get_item(wanted).await.unwrap()));
    assert_eq!(through_the_sdk(&server), [true]);
}

#[tokio::test]
async fn what_was_learned_goes_with_the_connection() {
    let (dynamodb, _server) = on(vec![Reaction::reply(500, "{}"), Reaction::ok(FOUND)]).await;
    dynamodb.get_item(wanted).await.unwrap();
    let way = Arc::downgrade(&dynamodb.way);
    drop(dynamodb);
    assert!(way.upgrade().is_none());
}

#[tokio::test]
async fn all_tries_together_end_in_the_time_of_the_sdks_own() {
    let (dynamodb, server) = on(vec![Reaction::Hang; 4]).await;
    let began = std::time::Instant::now();
    dynamodb.get_item(wanted).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(5_500), "{:?}", began.elapsed());
    assert_eq!(through_the_sdk(&server), [false, true, true]);
}
