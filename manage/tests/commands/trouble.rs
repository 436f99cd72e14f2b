//! Bad input: each ends with a sentence that says what to do, and with nothing half done.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use axum::Router;
use axum::http::StatusCode;
use local::Fault;
use shared::domain::Mode;
use tests::World;
use tokio::net::TcpListener;

use crate::support::{Said, manage, records, run};

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn words(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}

/// The environment of a shell whose AWS is the world's stand-ins, with a CloudFormation that answers so.
async fn shell(world: &World, cloudformation: &'static str, status: StatusCode) -> Vec<(String, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(0));
    let router = Router::new().fallback(move || {
        *asked.lock().unwrap() += 1;
        async move { (status, [("content-type", "text/xml")], cloudformation) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    owned(&[
        ("AWS_REGION", "sa-east-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL_CLOUDFORMATION", &url),
        ("AWS_ENDPOINT_URL_DYNAMODB", world.stack.dynamodb_url()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", world.stack.secrets_url()),
        ("STRIPE_API_URL", world.stack.stripe_url()),
    ])
}

const STACK: &str = r#"<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
<StackName>prod</StackName><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>
<Parameters><member><ParameterKey>LiveMode</ParameterKey><ParameterValue>MODE</ParameterValue></member>
<member><ParameterKey>FrontendUrl</ParameterKey><ParameterValue>https://app.example.com</ParameterValue></member></Parameters>
<Outputs><member><OutputKey>TableName</OutputKey><OutputValue>subscriptions</OutputValue></member>
<member><OutputKey>SecretIdTest</OutputKey><OutputValue>local/test</OutputValue></member>
<member><OutputKey>SecretIdLive</OutputKey><OutputValue>local/live</OutputValue></member>
<member><OutputKey>WebhookUrl</OutputKey><OutputValue>https://hook.example.com/</OutputValue></member></Outputs>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"#;

const NO_STACK: &str = r#"<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id prod does not exist</Message></Error></ErrorResponse>"#;

const DENIED: &str = r#"<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User is not authorized to perform: cloudformation:DescribeStacks</Message></Error></ErrorResponse>"#;

fn stack_in(mode: &str) -> &'static str {
    Box::leak(STACK.replace("MODE", mode).into_boxed_str())
}

async fn on_stack(world: &World, answer: &'static str, status: u16, arguments: &[&str]) -> Said {
    let environment = shell(world, answer, StatusCode::from_u16(status).unwrap()).await;
    run([words(&["--stack", "prod"]), words(arguments)].concat(), environment, String::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployed_stack_is_found_by_its_outputs() -> Result<()> {
    let world = World::start().await?;
    world.subscribe(&world.token("42")?).await?;
    let said = on_stack(&world, stack_in("false"), 200, &["check-trial-status"]).await;
    assert_eq!(said.lines()[1], "- Total users with trials: 1");
    let said = on_stack(&world, stack_in("true"), 200, &["check-trial-status"]).await;
    assert_eq!(said.lines()[1], "- Total users with trials: 0", "a stack in live mode is looked at in live mode");
    assert!(said.stderr.contains("This is live mode."), "{said:?}");
    let said = on_stack(&world, stack_in("true"), 200, &["check-trial-status", "--test"]).await;
    assert_eq!(said.lines()[1], "- Total users with trials: 1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_stack_and_one_that_may_not_be_read_are_told_apart() -> Result<()> {
    let world = World::start().await?;
    let said = on_stack(&world, NO_STACK, 400, &["check-trial-status"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(
        said.stderr.contains("There is no stack prod in sa-east-1") && said.stderr.contains("--region"),
        "{said:?}"
    );
    let said = on_stack(&world, DENIED, 403, &["check-trial-status"]).await;
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("AWS does not allow it to these credentials"), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn live_mode_needs_more_than_yes() -> Result<()> {
    let world = World::start().await?;
    let said = on_stack(&world, stack_in("true"), 200, &["mark-trial-used", "--user", "42", "--yes"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.contains("--yes needs --live beside it. Nothing was changed."), "{said:?}");
    assert!(records(&world, "live#user#42").await.is_empty());
    let said = on_stack(&world, stack_in("true"), 200, &["mark-trial-used", "--user", "42", "--yes", "--live"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(records(&world, "live#user#42").await.contains_key("trial"));
    assert!(records(&world, "test#user#42").await.is_empty());
    Ok(())
}

#[tokio::test]
async fn without_a_place_region_or_credentials_it_is_said_what_is_missing() {
    let none = run(words(&["check-trial-status"]), Vec::new(), String::new()).await;
    assert_eq!(none.code, 2);
    assert!(none.stderr.contains("--local") && none.stderr.contains("--stack NAME"), "{none:?}");
    let no_region = run(words(&["--stack", "prod", "check-trial-status"]), Vec::new(), String::new()).await;
    assert_eq!(no_region.code, 1);
    assert!(no_region.stderr.contains("No AWS region is set"), "{no_region:?}");
    let region = owned(&[("AWS_REGION", "sa-east-1")]);
    let no_credentials = run(words(&["--stack", "prod", "check-trial-status"]), region, String::new()).await;
    assert_eq!(no_credentials.code, 1);
    assert!(no_credentials.stderr.contains("There are no AWS credentials"), "{no_credentials:?}");
}

#[tokio::test]
async fn a_local_stack_that_is_not_running_is_missed_by_its_port() {
    let said = run(words(&["--local", "--port", "1", "events"]), Vec::new(), String::new()).await;
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("There is no local stack on port 1"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_may_not_be_read_or_is_not_there_is_said_before_anything_is_done() -> Result<()> {
    let world = World::start().await?;
    world.stack.dynamodb().fail_next(None, 20, Fault::AccessDenied);
    let said = manage(&world, &["sync-stripe"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(said.stderr.contains("AWS does not allow it to these credentials"), "{said:?}");
    world.stack.dynamodb().heal();
    let environment = owned(&[
        ("TABLE_NAME", "elsewhere"),
        ("SECRET_ID_TEST", "local/test"),
        ("SECRET_ID_LIVE", "local/live"),
        ("STRIPE_API_URL", world.stack.stripe_url()),
        ("AWS_ENDPOINT_URL_DYNAMODB", world.stack.dynamodb_url()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", world.stack.secrets_url()),
        ("AWS_REGION", "sa-east-1"),
    ]);
    let said = run(words(&["sync-stripe"]), environment, String::new()).await;
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(said.stderr.contains("elsewhere in sa-east-1") && said.stderr.contains("--region"), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_key_in_test_mode_is_refused_and_not_shown() -> Result<()> {
    let world = World::start().await?;
    let live = world.stack.core().unwrap().secrets.get(Mode::Live).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let secret = serde_json::json!({
        "stripe_secret_key": secrecy::ExposeSecret::expose_secret(&live.stripe_secret_key),
        "stripe_publishable_key": "pk_test_1", "webhook_signing_secrets": [],
        "jwt_signing_keys": ["a key of more than thirty-two bytes"],
    });
    let put = serde_json::json!({ "SecretId": "local/test", "SecretString": secret.to_string() });
    let answer = client
        .post(world.stack.secrets_url())
        .header("x-amz-target", "secretsmanager.PutSecretValue")
        .header("authorization", "AWS4-HMAC-SHA256 test")
        .body(put.to_string())
        .send()
        .await?;
    assert_eq!(answer.status(), 200);
    let calls = world.stripe_calls().await?.len();
    let said = manage(&world, &["sync-stripe"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(said.stderr.contains("stripe_secret_key is a key of the other mode"), "{said:?}");
    assert!(world.stack.canaries().iter().all(|canary| !said.stderr.contains(canary)), "{said:?}");
    assert_eq!(world.stripe_calls().await?.len(), calls, "Stripe was not asked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_version_is_said_to_be_one() -> Result<()> {
    let world = World::start().await?;
    let item = serde_json::json!({
        "TableName": world.stack.table_name(),
        "Item": { "pk": { "S": "test#user#42" }, "sk": { "S": "trial" }, "began": { "S": "long ago" } },
    });
    let put = reqwest::Client::builder().no_proxy().build()?.post(world.stack.dynamodb_url());
    let put = put
        .header("x-amz-target", "DynamoDB_20120810.PutItem")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=k/20260101/r/dynamodb/aws4_request, SignedHeaders=host, Signature=s",
        );
    assert_eq!(put.body(item.to_string()).send().await?.status(), 200);
    for arguments in [&["check-trial-status"][..], &["inspect", "user", "42"]] {
        let said = manage(&world, arguments).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stderr.contains("the table belongs to another version"), "{said:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_being_busy_is_borne() -> Result<()> {
    let world = World::start().await?;
    let faults = serde_json::json!({ "api": [
        { "method": "GET", "path_prefix": "/v1/products", "kind": "429", "count": 4 },
        { "method": "GET", "path_prefix": "/v1/customers", "kind": "500", "count": 4 },
    ] });
    world.sandbox("faults", &faults).await?;
    let said = manage(&world, &["sync-stripe"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.ends_with("✅ Sincronização completa!\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_ever_said() -> Result<()> {
    let world = World::start().await?;
    let id = world.subscribe(&world.token("42")?).await?;
    for arguments in [
        &["sync-stripe", "--verbose"][..],
        &["register-webhook", "--create-in-stripe", "--verbose"],
        &["register-webhook", "--json"],
        &["events", "--json"],
        &["replay", "--since", "1h", "--verbose"],
        &["inspect", "subscription", &id],
        &["fix-customer-links"],
    ] {
        let said = manage(&world, arguments).await;
        for canary in world.stack.canaries() {
            assert!(!said.stdout.contains(&canary) && !said.stderr.contains(&canary), "{arguments:?}");
        }
        assert!(!said.stdout.contains("whsec_") && !said.stderr.contains("whsec_"), "{arguments:?}");
    }
    Ok(())
}
