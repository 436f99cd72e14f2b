//! Metrics, as CloudWatch's embedded metric format: a log line that says of itself which of its fields are metrics.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! A line is one by its target. Every field named here must be in it, as a number: CloudWatch drops what is not. Alarms
//! and dashboard of `template.yaml` use these names; `docs/OPERATIONS.md` says what each tells.

use std::fmt::Write;

/// The one line per request.
pub const REQUEST: &str = "metrics::request";
/// The one line per event that came to the webhook with a good signature.
pub const WEBHOOK: &str = "metrics::webhook";
/// A webhook whose signature was refused.
pub const SIGNATURE: &str = "metrics::signature";
/// The one line per mode of a run of reconcile.
pub const RECONCILE: &str = "metrics::reconcile";

/// The beginning of all of them: written at every `LOG_LEVEL`.
pub(crate) const TARGETS: &str = "metrics";

/// Fields that are metrics, once for each of the sets of fields that are their dimensions.
pub struct Directive {
    pub dimensions: &'static [&'static [&'static str]],
    pub metrics: &'static [(&'static str, Unit)],
}

#[derive(Clone, Copy, Debug)]
pub enum Unit {
    Count,
    Milliseconds,
    Seconds,
}

use Unit::{Count, Milliseconds, Seconds};

const OF_REQUEST: [Directive; 2] = [
    Directive {
        dimensions: &[&["function"]],
        metrics: &[
            ("duration_ms", Milliseconds),
            ("cold_starts", Count),
            ("dynamodb_calls", Count),
            ("stripe_calls", Count),
        ],
    },
    // Over all functions: each combination of dimensions is a metric that is paid for.
    Directive {
        dimensions: &[&[]],
        metrics: &[("server_errors", Count), ("misconfigured", Count), ("conflicts_given_up", Count)],
    },
];

const OF_WEBHOOK: [Directive; 2] = [
    Directive { dimensions: &[&["mode"], &["mode", "outcome"]], metrics: &[("webhook_events", Count)] },
    Directive {
        dimensions: &[&["mode"]],
        metrics: &[
            ("events_failed", Count),
            ("webhook_lag_seconds", Seconds),
            ("trials_started", Count),
            ("trials_converted", Count),
            ("trials_lost", Count),
            ("payments_succeeded", Count),
            ("payments_failed", Count),
            ("subscriptions_ended", Count),
        ],
    },
];

const OF_SIGNATURE: [Directive; 1] = [Directive { dimensions: &[&[]], metrics: &[("signature_failures", Count)] }];

const OF_RECONCILE: [Directive; 1] = [Directive {
    dimensions: &[&["mode"]],
    metrics: &[
        ("events_seen", Count),
        ("events_healed", Count),
        ("events_failed", Count),
        ("webhook_lag_seconds", Seconds),
        ("drift_checked", Count),
        ("drift_repaired", Count),
        ("endpoint_disabled", Count),
        ("trials_started", Count),
        ("trials_converted", Count),
        ("trials_lost", Count),
        ("payments_succeeded", Count),
        ("payments_failed", Count),
        ("subscriptions_ended", Count),
    ],
}];

/// Every target with what its lines hold.
pub const LINES: [(&str, &[Directive]); 4] =
    [(REQUEST, &OF_REQUEST), (WEBHOOK, &OF_WEBHOOK), (SIGNATURE, &OF_SIGNATURE), (RECONCILE, &OF_RECONCILE)];

/// The value of the field `_aws` of a line of that target; nothing when its lines hold no metrics.
pub(crate) fn embedded(target: &str, namespace: &str, at_ms: i64) -> Option<String> {
    let (_, directives) = LINES.iter().find(|(known, _)| *known == target)?;
    let mut text = format!(r#"{{"Timestamp":{at_ms},"CloudWatchMetrics":["#);
    for (index, directive) in directives.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a text cannot fail; our own names need no escapes, and a stack's name has none.
        let _ = write!(text, r#"{comma}{{"Namespace":"{namespace}","Dimensions":["#);
        text.push_str(&list(directive.dimensions, |set| format!("[{}]", list(set, |name| format!("\"{name}\"")))));
        text.push_str(r#"],"Metrics":["#);
        text.push_str(&list(directive.metrics, |(name, unit)| format!(r#"{{"Name":"{name}","Unit":"{unit:?}"}}"#)));
        text.push_str("]}");
    }
    text.push_str("]}");
    Some(text)
}

fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(",")
}

/// A namespace as CloudWatch takes it; what it would not is replaced, so that a line stays one JSON object.
pub(crate) fn namespace(text: &str) -> String {
    let is_allowed = |letter: &char| letter.is_ascii_alphanumeric() || "._-/#".contains(*letter);
    text.chars().map(|letter| if is_allowed(&letter) { letter } else { '_' }).take(255).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_line_says_which_of_its_fields_are_metrics() {
        let embedded: Value = serde_json::from_str(&embedded(SIGNATURE, "stack", 1_000).unwrap()).unwrap();
        assert_eq!(
            embedded,
            json!({"Timestamp": 1000, "CloudWatchMetrics": [{
                "Namespace": "stack", "Dimensions": [[]], "Metrics": [{"Name": "signature_failures", "Unit": "Count"}],
            }]})
        );
        assert_eq!(super::embedded("shared::sync", "stack", 1_000), None);
    }

    #[test]
    fn every_line_keeps_to_the_limits_of_the_format() {
        for (target, directives) in LINES {
            let embedded: Value = serde_json::from_str(&embedded(target, "stack", 1_000).unwrap()).unwrap();
            assert_eq!(embedded["CloudWatchMetrics"].as_array().unwrap().len(), directives.len());
            assert!(target.starts_with(TARGETS));
            assert!(directives.iter().all(|directive| directive.metrics.len() <= 100));
        }
    }

    #[test]
    fn a_namespace_cannot_break_the_line() {
        assert_eq!(namespace("stripe-subscriptions"), "stripe-subscriptions");
        assert_eq!(namespace("a\"b\nc"), "a_b_c");
    }
}
