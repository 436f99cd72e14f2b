//! `Idempotency-Key`: the first answer is the answer, for 24 hours of the sandbox clock at least.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;

const KEPT_SECONDS: i64 = 24 * 3_600;
const MAX_LENGTH: usize = 255;

/// An answer that was kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub status: u16,
    pub body: String,
    pub request_id: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    fingerprint: String,
    at: i64,
    /// None while the first request is still running.
    answer: Option<Kept>,
}

/// Keys seen, by mode and key.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Keys {
    entries: HashMap<String, Entry>,
}

impl Keys {
    /// Claims a key for a request: `None` to go on, an answer to replay, or a refusal.
    pub fn claim(&mut self, name: &str, key: &str, fingerprint: String, now: i64) -> Result<Option<Kept>, ApiError> {
        if key.is_empty() || key.len() > MAX_LENGTH {
            return Err(ApiError::refused("Idempotency keys must be between 1 and 255 characters long."));
        }
        if self.entries.len() > 10_000 {
            self.entries.retain(|_, entry| entry.at > now - KEPT_SECONDS);
        }
        match self.entries.get(name) {
            Some(entry) if entry.answer.is_some() && entry.at < now - 30 * KEPT_SECONDS => {}
            Some(entry) if entry.fingerprint != fingerprint => return Err(ApiError::idempotency_mismatch(key)),
            Some(Entry { answer: Some(kept), .. }) => return Ok(Some(kept.clone())),
            Some(_) => return Err(ApiError::idempotency_in_use(key)),
            None => {}
        }
        self.entries.insert(name.to_owned(), Entry { fingerprint, at: now, answer: None });
        Ok(None)
    }

    /// Keeps the answer, or frees the key when the request never began.
    pub fn finish(&mut self, name: &str, answer: Option<Kept>) {
        match answer {
            Some(kept) => {
                if let Some(entry) = self.entries.get_mut(name) {
                    entry.answer = Some(kept);
                }
            }
            None => {
                self.entries.remove(name);
            }
        }
    }

    /// Frees the keys of requests that a stop of the sandbox cut off.
    pub fn drop_unfinished(&mut self) {
        self.entries.retain(|_, entry| entry.answer.is_some());
    }
}
