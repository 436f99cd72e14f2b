//! What AWS says of the deployment. The table is asked of DynamoDB; the functions, the schedule and the alarms of Cloud
//! Control, which reads any resource by its name, so that no SDK of each service is needed.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use aws_config::SdkConfig;
use aws_sdk_cloudcontrol::error::ProvideErrorMetadata as _;
use serde_json::Value;
use shared::causes::causes;
use shared::store::TableState;

use super::Patient;
use super::check::{Findings, Question};
use crate::target::Place;

const ONLY_A_STACK: &str = "only a deployed stack has it (--stack NAME)";

pub async fn look(patient: &Patient<'_>, findings: &mut Findings) {
    table(patient, findings).await;
    let (Place::Stack { name }, Some(sdk)) = (&patient.target.place, &patient.target.aws) else {
        for name in
            ["Every function is there and serves this mode", "The reconcile schedule is on", "The alarms are there"]
        {
            findings.skip(name, ONLY_A_STACK);
        }
        return;
    };
    let mend = format!("deploy stack {name} again: sam deploy");
    let why = "what is missing does not do its part";
    match resources(sdk, name).await {
        Ok(resources) => {
            let stack = DeployedStack { cloud: cloud_control(sdk), resources, mend };
            stack.functions(patient, findings).await;
            stack.function_url(findings).await;
            stack.schedule(findings).await;
            stack.alarms(findings).await;
        }
        Err(error) => {
            findings.failed(Question { name: "The stack's resources can be listed", why, mend: &mend }, error);
        }
    }
}

async fn table(patient: &Patient<'_>, findings: &mut Findings) {
    let mend = "deploy the stack again: template.yaml sets it on its table";
    let question = |name, why| Question { name, why, mend };
    let there = question("The table is there, with this version's keys", "every function answers 503 without it");
    let state = match table_state(patient).await {
        Ok(state) => state,
        Err(error) => return findings.failed(there, error),
    };
    findings.judge(there, state.has_expected_keys, "");
    let is_stand_in =
        patient.core().config.aws.dynamodb_endpoint.is_some() || matches!(patient.target.place, Place::Local { .. });
    for (name, why, answer) in [
        ("Old events expire (TTL on expires_at)", "the table grows for ever", state.expires_events),
        (
            "Point-in-time recovery is on",
            "a mistake in the records could not be taken back",
            state.has_point_in_time_recovery,
        ),
        ("Deletion protection is on", "one wrong click deletes every record", state.is_deletion_protected),
    ] {
        match answer {
            _ if is_stand_in => findings.skip(name, "the local table is not AWS's"),
            None => findings.skip(name, "DynamoDB does not say"),
            Some(is_on) => findings.judge(question(name, why), is_on, ""),
        }
    }
}

/// What DynamoDB says of it, once a record can be read as the functions read it.
async fn table_state(patient: &Patient<'_>) -> Result<TableState> {
    let store = patient.core().store(patient.mode)?;
    store.ping().await?;
    Ok(store.table_state().await?)
}

/// A resource of the stack: its type and the name AWS gave it.
struct Resource {
    logical_id: String,
    kind: String,
    name: String,
}

async fn resources(sdk: &SdkConfig, stack: &str) -> Result<Vec<Resource>> {
    let client = aws_sdk_cloudformation::Client::new(sdk);
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let page = client.list_stack_resources().stack_name(stack).set_next_token(next).send().await;
        let page = page.map_err(|error| anyhow!("list the resources of stack {stack}: {}", causes(&error)))?;
        for summary in page.stack_resource_summaries() {
            if let (Some(logical_id), Some(kind), Some(name)) =
                (summary.logical_resource_id(), summary.resource_type(), summary.physical_resource_id())
            {
                let (logical_id, kind, name) = (logical_id.to_owned(), kind.to_owned(), name.to_owned());
                found.push(Resource { logical_id, kind, name });
            }
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(found);
        }
    }
}

fn cloud_control(sdk: &SdkConfig) -> aws_sdk_cloudcontrol::Client {
    aws_sdk_cloudcontrol::Client::new(sdk)
}

struct DeployedStack {
    cloud: aws_sdk_cloudcontrol::Client,
    resources: Vec<Resource>,
    mend: String,
}

impl DeployedStack {
    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(move |resource| resource.kind == kind)
    }

    /// The resource as it is now; nothing when it is gone.
    async fn properties(&self, resource: &Resource, identifier: &str) -> Result<Option<Value>> {
        let got = self.cloud.get_resource().type_name(&resource.kind).identifier(identifier).send().await;
        match got {
            Ok(output) => {
                let text = output.resource_description.and_then(|described| described.properties).unwrap_or_default();
                Ok(Some(serde_json::from_str(text.as_str()).unwrap_or_default()))
            }
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(anyhow!("read {}: {}", resource.logical_id, causes(&error))),
        }
    }

    async fn functions(&self, patient: &Patient<'_>, findings: &mut Findings) {
        let why = "callers and the webhook would see different modes";
        let question = Question { name: "Every function is there", why, mend: &self.mend };
        let mut flags: BTreeMap<String, u32> = BTreeMap::new();
        let (mut count, mut gone) = (0, Vec::new());
        for function in self.of_kind("AWS::Lambda::Function") {
            match self.properties(function, &function.name).await {
                Ok(Some(properties)) => {
                    count += 1;
                    let flag = properties.pointer("/Environment/Variables/STRIPE_LIVE_MODE").and_then(Value::as_str);
                    *flags.entry(flag.unwrap_or("not set").to_owned()).or_default() += 1;
                }
                Ok(None) => gone.push(function.logical_id.clone()),
                Err(error) => return findings.failed(question, error),
            }
        }
        let detail = if gone.is_empty() { format!("{count} functions") } else { format!("gone: {}", gone.join(", ")) };
        findings.judge(question, gone.is_empty() && count > 0, detail);
        let served = patient.served.is_live().to_string();
        let seen: Vec<String> = flags.iter().map(|(flag, count)| format!("{flag} on {count}")).collect();
        let question = Question { name: "Every function has the stack's mode flag", ..question };
        findings.judge(question, flags.len() == 1 && flags.contains_key(&served), seen.join(", "));
    }

    async fn function_url(&self, findings: &mut Findings) {
        let why = "Stripe has nowhere to send its events";
        self.are_there("The webhook's function URL is there", "AWS::Lambda::Url", why, findings, |properties| {
            properties["AuthType"] == "NONE"
        })
        .await;
    }

    async fn schedule(&self, findings: &mut Findings) {
        let why = "what no webhook brought is never found";
        self.are_there("The reconcile schedule is on", "AWS::Scheduler::Schedule", why, findings, |properties| {
            properties["State"] == "ENABLED"
        })
        .await;
    }

    async fn alarms(&self, findings: &mut Findings) {
        let why = "nobody hears of what goes wrong";
        self.are_there("The alarms are there and speak", "AWS::CloudWatch::Alarm", why, findings, |properties| {
            properties["ActionsEnabled"] != false
        })
        .await;
    }

    async fn are_there(
        &self,
        name: &'static str,
        kind: &'static str,
        why: &'static str,
        findings: &mut Findings,
        is_good: impl Fn(&Value) -> bool,
    ) {
        let question = Question { name, why, mend: &self.mend };
        let (mut count, mut bad) = (0, Vec::new());
        for resource in self.of_kind(kind) {
            count += 1;
            match self.properties(resource, &resource.name).await {
                Ok(Some(properties)) if is_good(&properties) => {}
                Ok(_) => bad.push(resource.logical_id.clone()),
                Err(error) => return findings.failed(question, error),
            }
        }
        let detail = match (count, bad.is_empty()) {
            (0, _) => "the stack has none".to_owned(),
            (count, true) => format!("{count}"),
            (_, false) => format!("gone or off: {}", bad.join(", ")),
        };
        findings.judge(question, count > 0 && bad.is_empty(), detail);
    }
}
