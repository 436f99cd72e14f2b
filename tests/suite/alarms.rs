//! Every alarm and every graph of `template.yaml` looks at something that is written, and says what to do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tests::policy::{self, Template};

use crate::template;

/// A metric and the names of the dimensions it is kept by.
type Series = (String, BTreeSet<String>);

fn series(name: &str, dimensions: &[&str]) -> Series {
    (name.to_owned(), template::set(dimensions))
}

/// What the functions write and what AWS's services do.
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>,
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html>,
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html>
fn written() -> BTreeMap<&'static str, BTreeSet<Series>> {
    let mut ours = BTreeSet::new();
    for (_, directives) in shared::metrics::LINES {
        for directive in directives {
            for (name, _) in directive.metrics {
                ours.extend(directive.dimensions.iter().map(|dimensions| series(name, dimensions)));
            }
        }
    }
    let all = |names: &[&str], dimension: &str| names.iter().map(|name| series(name, &[dimension])).collect();
    BTreeMap::from([
        ("ours", ours),
        ("AWS/Lambda", all(&["Url5xxCount", "Throttles", "Errors", "Duration"], "FunctionName")),
        ("AWS/ApiGateway", all(&["Count", "4xx", "5xx", "Latency"], "ApiId")),
        ("AWS/DynamoDB", all(&["ReadThrottleEvents", "WriteThrottleEvents"], "TableName")),
    ])
}

/// An alarm on a metric that nothing writes, or not by these dimensions, would sleep for ever.
#[test]
fn every_metric_an_alarm_names_is_written_with_its_dimensions() {
    let [template, _] = template::templates();
    let written = written();
    let mut count = 0;
    for (id, alarm) in template.resources_of("AWS::CloudWatch::Alarm") {
        policy::walk(&alarm["Properties"], &mut |value| {
            let Some(name) = value.get("MetricName").and_then(Value::as_str) else { return };
            let namespace = match value["Namespace"]["Ref"] == "AWS::StackName" {
                true => "ours",
                false => value["Namespace"].as_str().unwrap_or_default(),
            };
            let dimensions = value.get("Dimensions").and_then(Value::as_array).cloned().unwrap_or_default();
            let names: Vec<&str> = dimensions.iter().filter_map(|one| one["Name"].as_str()).collect();
            let known = written.get(namespace).unwrap_or_else(|| panic!("{id}: {namespace}"));
            assert!(known.contains(&series(name, &names)), "{id}: nothing writes {name} by {names:?}");
            for dimension in &dimensions {
                has_a_value_that_occurs(&template, id, dimension);
            }
            count += 1;
        });
    }
    assert!(count >= 18, "{count}");
}

/// A dimension of a value that no line has is as silent as one of a wrong name.
fn has_a_value_that_occurs(template: &Template, alarm: &str, dimension: &Value) {
    let value = &dimension["Value"];
    let kind_of = || template.resource(value["Ref"].as_str().unwrap_or_default())["Type"].clone();
    let occurs = match dimension["Name"].as_str() {
        Some("mode") => *value == serde_json::json!({ "Fn::If": ["IsLive", "live", "test"] }),
        Some("FunctionName") => kind_of() == "AWS::Serverless::Function",
        Some("ApiId") => kind_of() == "AWS::Serverless::HttpApi",
        Some("TableName") => kind_of() == "AWS::DynamoDB::Table",
        _ => false,
    };
    assert!(occurs, "{alarm}: {dimension}");
}

#[test]
fn every_metric_the_dashboard_shows_is_written_with_its_dimensions() {
    let [template, _] = template::templates();
    let written = written();
    let outcomes = ["applied", "duplicate", "stale", "ignored", "parked", "failed", "unavailable"];
    let functions: Vec<String> = template.functions().into_iter().map(|function| function.folder).collect();
    let dashboard = template.resource("Dashboard")["Properties"]["DashboardBody"]["Fn::Sub"][0].as_str().unwrap();
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    for widget in dashboard["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"].as_array().unwrap() {
            let words: Vec<&str> = metric.as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let (namespace, name, dimensions) = (words[0], words[1], &words[2..]);
            let namespace = if namespace == "${AWS::StackName}" { "ours" } else { namespace };
            let names: Vec<&str> = dimensions.iter().step_by(2).copied().collect();
            assert!(written[namespace].contains(&series(name, &names)), "nothing writes {name} by {names:?}");
            for pair in dimensions.chunks(2) {
                let occurs = match pair[0] {
                    "mode" => pair[1] == "${Mode}",
                    "outcome" => outcomes.contains(&pair[1]),
                    "function" => functions.iter().any(|function| function == pair[1]),
                    _ => pair[1].starts_with("${"),
                };
                assert!(occurs, "{metric}");
            }
        }
    }
}

#[test]
fn every_alarm_has_a_sentence_on_what_to_do() {
    let operations = std::fs::read_to_string(template::root().join("docs/OPERATIONS.md")).unwrap();
    let [template, _] = template::templates();
    for (id, alarm) in template.resources_of("AWS::CloudWatch::Alarm") {
        let name = id.strip_suffix("Alarm").unwrap_or(id);
        assert!(operations.contains(&format!("| {name} |")), "docs/OPERATIONS.md does not say what to do at {name}");
        assert!(alarm["Properties"].get("TreatMissingData").is_some(), "{id}");
        assert!(alarm["Properties"].get("AlarmDescription").is_some(), "{id}");
    }
}
