//! What is asked of AWS beside the table and the secrets: a small CloudFormation and Cloud Control play it.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use manage::commands::doctor::{Arguments, Check, Patient, Section, Verdict, examine};
use manage::commands::go_live::{Plan, Worlds};
use manage::commands::{flip, rollback};
use manage::printer::Printer;
use manage::target::{Place, Target};
use serde_json::{Value, json};
use shared::config::AwsEnvironment;
use shared::domain::{Mode, PriceId};
use tests::World;
use tokio::net::TcpListener;

use crate::support::{auditor_of, target};

/// A stack of the template's kinds.
#[derive(Default)]
struct Aws {
    is_live: bool,
    live_price: String,
    is_updating: u32,
    is_schedule_off: bool,
    gone: Option<&'static str>,
    updates: Vec<Vec<(String, String)>>,
}

type Shared = Arc<Mutex<Aws>>;

const RESOURCES: [(&str, &str, &str); 5] = [
    ("StatusFunction", "AWS::Lambda::Function", "prod-status"),
    ("WebhookFunction", "AWS::Lambda::Function", "prod-webhook"),
    ("WebhookFunctionUrl", "AWS::Lambda::Url", "arn:aws:lambda:sa-east-1:1:function:prod-webhook"),
    ("ReconcileFunctionSchedule", "AWS::Scheduler::Schedule", "prod-reconcile"),
    ("NoEventsAlarm", "AWS::CloudWatch::Alarm", "prod-no-events"),
];

async fn answer(State(aws): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let mut aws = aws.lock().unwrap();
    if headers.contains_key("x-amz-target") {
        return cloud_control(&aws, &serde_json::from_slice(&body).unwrap());
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let value =
        |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default();
    let result = match value("Action") {
        "DescribeStacks" => {
            let status = if aws.is_updating > 0 { "UPDATE_IN_PROGRESS" } else { "UPDATE_COMPLETE" };
            aws.is_updating = aws.is_updating.saturating_sub(1);
            let parameter = |name: &str, value: &str| {
                format!("<member><ParameterKey>{name}</ParameterKey><ParameterValue>{value}</ParameterValue></member>")
            };
            let parameters = parameter("LiveMode", &aws.is_live.to_string())
                + &parameter("DefaultPriceIdLive", &aws.live_price)
                + &parameter("TrialDays", "7");
            format!(
                "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>prod</StackName>\
                 <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{status}</StackStatus>\
                 <Parameters>{parameters}</Parameters></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
            )
        }
        "ListStackResources" => {
            let member = |(logical, kind, physical): (&str, &str, &str)| {
                format!(
                    "<member><LogicalResourceId>{logical}</LogicalResourceId><ResourceType>{kind}</ResourceType>\
                     <PhysicalResourceId>{physical}</PhysicalResourceId><ResourceStatus>CREATE_COMPLETE</ResourceStatus>\
                     <LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp></member>"
                )
            };
            let members: String = RESOURCES.into_iter().map(member).collect();
            format!(
                "<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries>{members}\
                 </StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>"
            )
        }
        "UpdateStack" => {
            let is_live = form.iter().any(|(_, value)| value == "true" && !form.is_empty())
                && value("Parameters.member.1.ParameterValue") == "true";
            if is_live == aws.is_live {
                let error = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>\
                             <Message>No updates are to be performed.</Message></Error></ErrorResponse>";
                return (StatusCode::BAD_REQUEST, [("content-type", "text/xml")], error).into_response();
            }
            (aws.is_live, aws.is_updating) = (is_live, 1);
            aws.updates.push(form.clone());
            "<UpdateStackResponse><UpdateStackResult><StackId>prod</StackId></UpdateStackResult></UpdateStackResponse>"
                .to_owned()
        }
        other => panic!("{other} is not played"),
    };
    ([("content-type", "text/xml")], result).into_response()
}

fn cloud_control(aws: &Aws, request: &Value) -> Response {
    let (kind, name) = (request["TypeName"].as_str().unwrap(), request["Identifier"].as_str().unwrap());
    if aws.gone == Some(name) {
        let error = json!({ "__type": "ResourceNotFoundException", "Message": "gone" });
        return (StatusCode::BAD_REQUEST, [("content-type", "application/x-amz-json-1.0")], error.to_string())
            .into_response();
    }
    let properties = match kind {
        "AWS::Lambda::Function" => {
            json!({ "Environment": { "Variables": { "STRIPE_LIVE_MODE": aws.is_live.to_string() } } })
        }
        "AWS::Lambda::Url" => json!({ "AuthType": "NONE" }),
        "AWS::Scheduler::Schedule" => json!({ "State": if aws.is_schedule_off { "DISABLED" } else { "ENABLED" } }),
        _ => json!({ "ActionsEnabled": true }),
    };
    let described = json!({ "TypeName": kind, "ResourceDescription": { "Identifier": name, "Properties": properties.to_string() } });
    ([("content-type", "application/x-amz-json-1.0")], described.to_string()).into_response()
}

/// The world's table and secrets, said to be of a deployed stack.
async fn deployed(world: &World) -> Result<(Target, Shared)> {
    let aws = Shared::default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let router = Router::new().fallback(answer).with_state(Arc::clone(&aws));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let sdk =
        shared::aws::sdk_config(&AwsEnvironment { region: Some("sa-east-1".into()), ..AwsEnvironment::default() });
    let mut target = target(world, Mode::Test).await?;
    target.aws = Some(sdk.to_builder().endpoint_url(endpoint).build());
    target.place = Place::Stack { name: "prod".into() };
    Ok((target, aws))
}

async fn bad(target: &Target) -> Vec<Check> {
    let arguments = Arguments { only: vec![Section::Aws], ..Arguments::default() };
    let checks = examine(&Patient::of(target, Mode::Test), &arguments, &Printer::captured(false).0).await;
    checks.into_iter().filter(|check| check.verdict == Verdict::Bad).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_schedule_and_alarms_are_asked_about_one_by_one() -> Result<()> {
    let world = World::start().await?;
    let (target, aws) = deployed(&world).await?;
    // The local table is not protected as AWS's is, and here it is said to be AWS's.
    let of_table =
        |check: &Check| !["Point-in-time recovery is on", "Deletion protection is on"].contains(&check.name.as_str());
    let bad_resources = || async { bad(&target).await.into_iter().filter(of_table).collect::<Vec<_>>() };
    assert_eq!(bad_resources().await, []);
    aws.lock().unwrap().is_schedule_off = true;
    let found = bad_resources().await;
    assert_eq!((found.len(), found[0].detail.as_str()), (1, "gone or off: ReconcileFunctionSchedule"), "{found:?}");
    aws.lock().unwrap().is_schedule_off = false;
    for (gone, detail) in [("prod-webhook", "gone: WebhookFunction"), ("prod-no-events", "gone or off: NoEventsAlarm")]
    {
        aws.lock().unwrap().gone = Some(gone);
        assert_eq!(bad_resources().await[0].detail, detail);
    }
    aws.lock().unwrap().gone = None;
    aws.lock().unwrap().is_live = true;
    let found = bad_resources().await;
    assert_eq!(
        (found[0].name.as_str(), found[0].detail.as_str()),
        ("Every function has the stack's mode flag", "true on 2")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flip_is_one_update_of_the_stack_that_keeps_every_other_parameter() -> Result<()> {
    let world = World::start().await?;
    let (mut target, aws) = deployed(&world).await?;
    target.api_url = None;
    let (printer, price) = (Printer::captured(false).0, PriceId::parse("price_live").unwrap());
    for _ in 0..2 {
        flip::serve(&target, &printer, Mode::Live, Some(&price)).await?;
    }
    flip::serve(&target, &printer, Mode::Test, None).await?;
    let aws = aws.lock().unwrap();
    assert_eq!((aws.updates.len(), aws.is_live), (2, false), "the one that changed nothing was no update");
    let value = |update: usize, name: &str| {
        aws.updates[update].iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(value(0, "UsePreviousTemplate"), Some("true"));
    assert_eq!(value(0, "Parameters.member.1.ParameterValue"), Some("true"));
    assert_eq!(value(0, "Parameters.member.2.ParameterValue"), Some("price_live"));
    assert_eq!(
        (value(0, "Parameters.member.3.ParameterKey"), value(0, "Parameters.member.3.UsePreviousValue")),
        (Some("TrialDays"), Some("true"))
    );
    assert_eq!(value(1, "Parameters.member.2.UsePreviousValue"), Some("true"), "the live price stays");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_price_that_was_deployed_stays_unless_another_is_named() -> Result<()> {
    let world = World::start().await?;
    let (target, aws) = deployed(&world).await?;
    let key = &world.stack.canaries()[3];
    let post = async |path: &str, form: &'static str| -> Result<String> {
        let request = world.http.post(format!("{}{path}", world.stack.stripe_url())).bearer_auth(key);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        Ok(tests::answer(request).await?.body["id"].as_str().unwrap().to_owned())
    };
    post("/v1/products", "id=prod_dearer&name=Dearer").await?;
    let dearer = "product=prod_dearer&currency=brl&unit_amount=9990&recurring[interval]=month";
    let dearer = post("/v1/prices", dearer).await?;
    aws.lock().unwrap().live_price.clone_from(&dearer);
    let worlds = Worlds::of(auditor_of(&world, Mode::Test), auditor_of(&world, Mode::Live));
    let plan = Plan::make(&target, &worlds, None).await?;
    assert_eq!(plan.live_price.as_ref().map(|price| price.id.as_str()), Some(dearer.as_str()));
    assert_eq!(plan.lines()[0], format!("1. ✓ price {dearer} is what the stack sells in live mode; it stays"));

    let named = Plan::make(&target, &worlds, Some(&plan.offer.price.id)).await?;
    let replaces = format!("make the functions serve live mode and sell this price in place of {dearer}");
    assert!(named.lines().iter().any(|line| line.ends_with(&replaces)), "{:?}", named.lines());

    aws.lock().unwrap().live_price = "price_of_nobody".to_owned();
    let refused = Plan::make(&target, &worlds, None).await.unwrap_err();
    assert!(refused.to_string().contains("which live mode does not sell"), "{refused:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_down_does_not_stand_in_the_way_of_going_back() -> Result<()> {
    let world = World::start().await?;
    let (mut target, _) = deployed(&world).await?;
    target.api_url = Some("http://127.0.0.1:1/".parse()?);
    target.core.config.mode = Mode::Live;
    assert_eq!(rollback::served(&target).await, Mode::Live, "as it was deployed");
    Ok(())
}
