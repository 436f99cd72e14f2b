//! Faults on demand: rules that spoil the next API calls or the next deliveries.

use serde::{Deserialize, Serialize};

/// What happens to an API call.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum ApiFaultKind {
    /// Answered late.
    #[serde(rename = "delay")]
    Delay,
    #[serde(rename = "429")]
    RateLimit,
    /// As a restricted key without the permission is answered.
    #[serde(rename = "403")]
    NoPermission,
    /// 500, and nothing was done.
    #[serde(rename = "500")]
    ServerError,
    /// No answer until the caller gives up (or `delay_ms`), and nothing was done.
    #[serde(rename = "timeout")]
    Timeout,
    /// The connection breaks before anything was done.
    #[serde(rename = "reset_before")]
    ResetBefore,
    /// It was done, then the connection breaks.
    #[serde(rename = "reset_after_commit")]
    ResetAfterCommit,
    /// It was done, then the answer is 500.
    #[serde(rename = "500_after_commit")]
    ServerErrorAfterCommit,
}

/// The next `count` matching API calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ApiRule {
    pub kind: ApiFaultKind,
    #[serde(default)]
    pub method: Option<String>,
    #[serde(default)]
    pub path_prefix: Option<String>,
    #[serde(default = "once")]
    pub count: u64,
    #[serde(default)]
    pub delay_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryFaultKind {
    /// Sent twice.
    Duplicate,
    /// Never sent, not even on a retry.
    Drop,
    /// Sent after a random pause of up to `delay_ms`, so that later events overtake it.
    Reorder,
    /// Sent after `delay_ms`.
    Delay,
}

/// Matching deliveries: the next `count`, or all with a `probability`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeliveryRule {
    pub kind: DeliveryFaultKind,
    #[serde(default)]
    pub types: Option<Vec<String>>,
    #[serde(default)]
    pub probability: Option<f64>,
    #[serde(default)]
    pub count: Option<u64>,
    #[serde(default)]
    pub delay_ms: Option<u64>,
}

/// The rules that are active.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Faults {
    pub api: Vec<ApiRule>,
    pub delivery: Vec<DeliveryRule>,
}

/// What becomes of a new delivery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    Dropped,
    Sent { copies: usize, delay_ms: i64 },
}

fn once() -> u64 {
    1
}

impl Faults {
    /// The rule for an API call, if any; uses it up by one.
    pub fn for_call(&mut self, method: &str, path: &str) -> Option<ApiRule> {
        let at = self.api.iter().position(|rule| {
            rule.count > 0
                && rule.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && rule.path_prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix.as_str()))
        })?;
        self.api[at].count -= 1;
        let rule = self.api[at].clone();
        self.api.retain(|rule| rule.count > 0);
        Some(rule)
    }

    /// Throws the dice for a delivery of this type.
    pub fn fate_of(&mut self, kind: &str) -> Fate {
        let mut copies = 1;
        let mut delay_ms = 0;
        for rule in self.delivery.iter_mut().filter(|rule| rule.matches(kind)) {
            if !rule.strikes() {
                continue;
            }
            match rule.kind {
                DeliveryFaultKind::Drop => return Fate::Dropped,
                DeliveryFaultKind::Duplicate => copies += 1,
                DeliveryFaultKind::Delay => delay_ms += rule.delay_ms.unwrap_or(300),
                DeliveryFaultKind::Reorder => delay_ms += fastrand::u64(0..=rule.delay_ms.unwrap_or(300)),
            }
        }
        self.delivery.retain(|rule| rule.count != Some(0));
        Fate::Sent { copies, delay_ms: i64::try_from(delay_ms).unwrap_or(0) }
    }
}

impl DeliveryRule {
    fn matches(&self, kind: &str) -> bool {
        self.count != Some(0) && self.types.as_ref().is_none_or(|types| types.iter().any(|wanted| wanted == kind))
    }

    fn strikes(&mut self) -> bool {
        if self.probability.is_some_and(|probability| fastrand::f64() >= probability) {
            return false;
        }
        if let Some(count) = self.count.as_mut() {
            *count -= 1;
        }
        true
    }
}
