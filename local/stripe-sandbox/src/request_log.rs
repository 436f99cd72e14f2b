//! What was called: for tests that count calls, and for a person who wonders. Never holds a secret.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Value;

const KEPT: usize = 10_000;

/// One API request.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LoggedRequest {
    pub number: u64,
    pub method: String,
    pub path: String,
    pub params: Value,
    pub idempotency_key: Option<String>,
    pub livemode: Option<bool>,
    pub status: u16,
    pub request_id: String,
    pub duration_ms: i64,
}

/// The last requests, oldest first.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: VecDeque<LoggedRequest>,
    count: u64,
}

impl RequestLog {
    pub fn add(&mut self, mut entry: LoggedRequest) {
        self.count += 1;
        entry.number = self.count;
        self.entries.push_back(entry);
        if self.entries.len() > KEPT {
            self.entries.pop_front();
        }
    }

    /// Entries after number `since`.
    pub fn since(&self, since: u64) -> Vec<&LoggedRequest> {
        self.entries.iter().filter(|entry| entry.number > since).collect()
    }

    pub fn clear(&mut self) {
        self.entries.clear();
        self.count = 0;
    }
}

/// Card numbers and codes never reach the log.
pub(crate) fn without_secrets(mut params: Value) -> Value {
    if let Some(card) = params.get_mut("card").and_then(Value::as_object_mut) {
        for name in ["number", "cvc"] {
            if card.contains_key(name) {
                card.insert(name.to_owned(), Value::from("[hidden]"));
            }
        }
    }
    params
}
