//! What the local stack takes from `template.yaml`: routes, function URLs, timeouts and the table.
//!
//! The file is compiled in, so the stack and a deployment of the same commit cannot disagree.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_yaml_ng::Value as Yaml;

/// The template of this workspace.
pub const TEMPLATE: &str = include_str!("../../template.yaml");

#[derive(Clone, Debug)]
pub struct Template {
    pub functions: Vec<TemplateFunction>,
    pub table: TableDescription,
}

#[derive(Clone, Debug)]
pub struct TemplateFunction {
    /// The folder under `functions/`, which is the name of the package and the binary too.
    pub name: String,
    pub routes: Vec<Route>,
    /// A function URL open to everybody: each function checks its callers itself.
    pub has_function_url: bool,
    /// Run by a schedule, not by requests.
    pub is_scheduled: bool,
    pub timeout: Duration,
}

/// One route of the HTTP API, as the template writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// A method, or `ANY`.
    pub method: String,
    pub path: String,
}

/// The table in DynamoDB's own words: CloudFormation uses the API's names for all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TableDescription {
    key_schema: Value,
    attribute_definitions: Value,
    billing_mode: Value,
    global_secondary_indexes: Option<Value>,
    pub time_to_live_attribute: Option<String>,
}

impl TableDescription {
    /// The body of a `CreateTable` request.
    pub fn create_request(&self, table_name: &str) -> Value {
        let mut request = json!({
            "TableName": table_name,
            "KeySchema": self.key_schema,
            "AttributeDefinitions": self.attribute_definitions,
            "BillingMode": self.billing_mode,
        });
        if let Some(indexes) = &self.global_secondary_indexes {
            request["GlobalSecondaryIndexes"] = indexes.clone();
        }
        request
    }

    pub fn key_schema(&self) -> &Value {
        &self.key_schema
    }
}

impl Template {
    /// The functions and the table of this workspace's template.
    pub fn of_this_workspace() -> Result<Template> {
        Template::parse(TEMPLATE)
    }

    /// Errors: name the resource and what is missing in it.
    pub fn parse(text: &str) -> Result<Template> {
        let document: Document = serde_yaml_ng::from_str(text).context("read template.yaml")?;
        let default_timeout = document.globals.function.timeout.unwrap_or(3);
        let mut functions = Vec::new();
        let mut tables = Vec::new();
        for (id, resource) in document.resources {
            match resource.kind.as_str() {
                "AWS::Serverless::Function" => {
                    functions.push(read_function(&id, resource.properties, default_timeout)?);
                }
                "AWS::DynamoDB::Table" => tables.push(read_table(&id, resource.properties)?),
                _ => {}
            }
        }
        match <[TableDescription; 1]>::try_from(tables) {
            Ok([table]) => Ok(Template { functions, table }),
            Err(tables) => bail!("template.yaml: one table is expected, {} found", tables.len()),
        }
    }
}

fn read_function(id: &str, properties: Yaml, default_timeout: u64) -> Result<TemplateFunction> {
    let properties: FunctionProperties =
        serde_yaml_ng::from_value(properties).with_context(|| format!("read the function {id} of template.yaml"))?;
    let Some(name) = properties.code_uri.trim_end_matches('/').strip_prefix("functions/") else {
        bail!("template.yaml: CodeUri of {id} is not a folder of functions/");
    };
    let has_function_url = match &properties.function_url_config {
        None => false,
        Some(url) if url.auth_type == "NONE" => true,
        Some(_) => bail!("template.yaml: the function URL of {id} must have AuthType NONE"),
    };
    let is_scheduled = properties.events.iter().any(|(_, event)| event.kind == "ScheduleV2");
    let mut routes = Vec::new();
    for (event_id, event) in properties.events {
        if event.kind == "HttpApi" {
            let route: RouteProperties = serde_yaml_ng::from_value(event.properties)
                .with_context(|| format!("read the event {event_id} of {id} in template.yaml"))?;
            routes.push(Route { method: route.method.to_uppercase(), path: route.path });
        }
    }
    let timeout = Duration::from_secs(properties.timeout.unwrap_or(default_timeout));
    Ok(TemplateFunction { name: name.to_owned(), routes, has_function_url, is_scheduled, timeout })
}

fn read_table(id: &str, properties: Yaml) -> Result<TableDescription> {
    let table: TableProperties =
        serde_yaml_ng::from_value(properties).with_context(|| format!("read the table {id} of template.yaml"))?;
    Ok(TableDescription {
        key_schema: table.key_schema,
        attribute_definitions: table.attribute_definitions,
        billing_mode: table.billing_mode,
        global_secondary_indexes: table.global_secondary_indexes,
        time_to_live_attribute: table.time_to_live_specification.map(|ttl| ttl.attribute_name),
    })
}

// The part of CloudFormation that is read. Whatever is under a tag such as !Ref is never asked for.

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    #[serde(default)]
    globals: Globals,
    resources: BTreeMap<String, Resource>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Globals {
    #[serde(default)]
    function: GlobalFunction,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GlobalFunction {
    timeout: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: Yaml,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionProperties {
    code_uri: String,
    timeout: Option<u64>,
    #[serde(default)]
    events: BTreeMap<String, Event>,
    function_url_config: Option<FunctionUrlConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: Yaml,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RouteProperties {
    method: String,
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionUrlConfig {
    auth_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableProperties {
    key_schema: Value,
    attribute_definitions: Value,
    billing_mode: Value,
    global_secondary_indexes: Option<Value>,
    time_to_live_specification: Option<TimeToLive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLive {
    attribute_name: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The folders under `functions/`.
    fn function_folders() -> BTreeSet<String> {
        let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions");
        std::fs::read_dir(functions)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().join("Cargo.toml").is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }

    /// That every folder is deployed, here or by an example, is seen in tests/suite/template.rs.
    #[test]
    fn what_is_deployed_has_a_folder_and_is_reachable() {
        let template = Template::of_this_workspace().unwrap();
        let deployed: BTreeSet<String> = template.functions.iter().map(|function| function.name.clone()).collect();
        assert!(deployed.is_subset(&function_folders()));
        for function in &template.functions {
            let is_reachable = !function.routes.is_empty() || function.has_function_url || function.is_scheduled;
            assert!(is_reachable, "{} has neither route nor schedule", function.name);
        }
    }

    #[test]
    fn every_route_exists_with_and_without_its_trailing_slash() {
        let template = Template::of_this_workspace().unwrap();
        for function in &template.functions {
            for route in &function.routes {
                if route.path.ends_with("+}") {
                    continue; // a greedy variable covers both
                }
                let twin = match route.path.strip_suffix('/') {
                    Some(bare) => bare.to_owned(),
                    None => format!("{}/", route.path),
                };
                let twin = Route { method: route.method.clone(), path: twin };
                assert!(function.routes.contains(&twin), "{}: {twin:?} is missing", function.name);
            }
        }
    }

    #[test]
    fn every_function_that_answers_requests_has_one_as_a_sample() {
        let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
        for function in Template::of_this_workspace().unwrap().functions {
            if function.is_scheduled {
                continue; // its sample is no request
            }
            let path = events.join(format!("{}.json", function.name));
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            lambda_http::request::from_str(&text).unwrap();
        }
    }

    #[test]
    fn the_table_is_what_the_records_need() {
        let table = Template::of_this_workspace().unwrap().table;
        assert_eq!(
            table.create_request("subscriptions"),
            json!({
                "TableName": "subscriptions",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "S"},
                ],
                "BillingMode": "PAY_PER_REQUEST",
            })
        );
        assert_eq!(table.time_to_live_attribute.as_deref(), Some("expires_at"));
    }

    #[test]
    fn a_function_outside_functions_is_named() {
        let error = Template::parse(
            "Resources:\n  Odd:\n    Type: AWS::Serverless::Function\n    Properties: { CodeUri: elsewhere/odd }\n",
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "template.yaml: CodeUri of Odd is not a folder of functions/");
    }

    #[test]
    fn a_function_url_behind_iam_would_lock_stripe_out() {
        let error = Template::parse(
            "Resources:\n  Hook:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: functions/hook\n      FunctionUrlConfig: { AuthType: AWS_IAM }\n",
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "template.yaml: the function URL of Hook must have AuthType NONE");
    }
}
