//! When the secret is read: at first use, every five minutes, and at once after something verified under no known key.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::{ModeSecrets, SecretsError, document};
use crate::causes::causes;
use crate::clock::Clock;
use crate::config::{Config, Misconfigured};
use crate::domain::Mode;

const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// How long the last good secret serves while Secrets Manager fails.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Between two tries while the last good secret serves, and between two reads that bad signatures cause.
const BETWEEN_READS: SignedDuration = SignedDuration::from_mins(1);
/// Between two tries while there is nothing to serve with: callers get the last answer meanwhile.
const BETWEEN_FAILURES: SignedDuration = SignedDuration::from_secs(5);

/// A read ends within this.
const LONGEST_READ: SignedDuration = SignedDuration::from_secs(10);

/// The secrets of both modes. Readers never wait for each other; of those who find a secret too old, one reads it anew.
pub struct SecretStore {
    pub(super) client: Client,
    clock: Clock,
    test: Slot,
    live: Slot,
}

impl SecretStore {
    pub fn new(client: Client, config: &Config, clock: Clock) -> SecretStore {
        let slot = |mode| Slot::new(mode, config.require_secret_id(mode).map(str::to_owned));
        SecretStore { client, clock, test: slot(Mode::Test), live: slot(Mode::Live) }
    }

    /// Cached for 5 minutes, kept up to 24 h when Secrets Manager fails.
    pub async fn get(&self, mode: Mode) -> Result<Arc<ModeSecrets>, SecretsError> {
        self.get_at(mode, self.clock.wall_now()).await
    }

    /// Reads the secret before anybody needs it. A failure is neither remembered nor said: whoever needs it first asks
    /// again.
    pub async fn read_ahead(&self, mode: Mode) {
        let slot = self.slot(mode);
        let _only_reader = slot.reading.lock().await;
        let now = self.clock.wall_now();
        if let Ok(secrets) = self.fetch(slot).await {
            slot.keep(secrets, now);
        }
    }

    /// After a signature or token verified under no cached key: reads again, one caller at a time and at most once a
    /// minute. Nothing when there is nothing newer than what the caller had.
    pub async fn refreshed(&self, mode: Mode, known: &Arc<ModeSecrets>) -> Option<Arc<ModeSecrets>> {
        self.refreshed_at(mode, known, self.clock.wall_now()).await
    }

    pub(super) async fn get_at(&self, mode: Mode, now: Timestamp) -> Result<Arc<ModeSecrets>, SecretsError> {
        let slot = self.slot(mode);
        let _only_reader = match slot.view(now) {
            View::Answer(answer) => return answer,
            View::TooOld(secrets) => match slot.reading.try_lock() {
                Ok(guard) => guard,
                // Somebody is reading it anew: what was good a moment ago serves meanwhile.
                Err(_) => return Ok(secrets),
            },
            View::Nothing => {
                let guard = slot.reading.lock().await;
                if let View::Answer(answer) = slot.view(now) {
                    return answer;
                }
                guard
            }
        };
        self.read(slot, now).await
    }

    pub(super) async fn refreshed_at(
        &self,
        mode: Mode,
        known: &Arc<ModeSecrets>,
        now: Timestamp,
    ) -> Option<Arc<ModeSecrets>> {
        let slot = self.slot(mode);
        if let Some(newer) = slot.other_than(known) {
            return Some(newer);
        }
        if !slot.may_refresh(now) {
            return None;
        }
        let _only_reader = slot.reading.lock().await;
        if let Some(newer) = slot.other_than(known) {
            return Some(newer);
        }
        if !slot.may_refresh(now) {
            return None;
        }
        slot.write().refreshed_at = Some(now);
        self.read(slot, now).await.ok().and_then(|_| slot.other_than(known))
    }

    pub(super) fn slot(&self, mode: Mode) -> &Slot {
        match mode {
            Mode::Test => &self.test,
            Mode::Live => &self.live,
        }
    }

    /// Asks Secrets Manager and keeps what it said. The caller holds `slot.reading`.
    async fn read(&self, slot: &Slot, now: Timestamp) -> Result<Arc<ModeSecrets>, SecretsError> {
        let began = Instant::now();
        match self.fetch(slot).await {
            Ok(secrets) => Ok(slot.keep(secrets, now)),
            // Counted from when it failed: a timeout takes as long as callers are to be spared another.
            Err(failure) => slot.fail(failure, now.saturating_add(began.elapsed()).unwrap_or(now)),
        }
    }

    /// Both versions, side by side. That there is no previous one is usual.
    async fn fetch(&self, slot: &Slot) -> Result<ModeSecrets, Failure> {
        let secret_id = slot.secret_id.as_ref().map_err(|missing| Failure::NotSet(missing.clone()))?;
        let (current, previous) =
            tokio::join!(self.version(secret_id, "AWSCURRENT"), self.version(secret_id, "AWSPREVIOUS"));
        let current = current?.ok_or(Failure::NotThere)?;
        let current = document::read(slot.mode, &current).map_err(Failure::Wrong)?;
        match previous?.map(|previous| document::read(slot.mode, &previous)) {
            None => Ok(current),
            Some(Ok(previous)) => Ok(current.also_verifying(previous)),
            Some(Err(complaint)) => {
                if slot.says_first(format!("previous {complaint:?}")) {
                    let (mode, field, problem) = (slot.mode.as_str(), complaint.field, complaint.problem);
                    tracing::warn!(secret_id, mode, field, problem, "The secret's previous version is ignored");
                }
                Ok(current)
            }
        }
    }

    pub(super) async fn version(&self, secret_id: &str, stage: &str) -> Result<Option<String>, Failure> {
        match self.client.get_secret_value().secret_id(secret_id).version_stage(stage).send().await {
            // A binary secret has no text, and an empty text is "not JSON".
            Ok(found) => Ok(Some(found.secret_string.unwrap_or_default())),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(Failure::Unreadable(causes(&error))),
        }
    }
}

fn is_not_found(error: &SdkError<GetSecretValueError>) -> bool {
    error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception)
}

/// Why a read gave nothing.
pub(super) enum Failure {
    /// No variable names the secret.
    NotSet(Misconfigured),
    /// The variable names a secret that does not exist.
    NotThere,
    Wrong(document::Complaint),
    /// Secrets Manager could not be asked.
    Unreadable(String),
}

/// One mode's secret in memory.
pub(super) struct Slot {
    mode: Mode,
    pub(super) secret_id: Result<String, Misconfigured>,
    state: RwLock<State>,
    /// Held by the one who asks Secrets Manager; `state` is never held while waiting.
    reading: Mutex<()>,
}

#[derive(Default)]
struct State {
    cached: Option<(Arc<ModeSecrets>, Timestamp)>,
    failure: Option<(SecretsError, Timestamp)>,
    refreshed_at: Option<Timestamp>,
    /// What the log has been told since all was last well.
    said: HashSet<String>,
}

/// What memory can answer now.
enum View {
    Answer(Result<Arc<ModeSecrets>, SecretsError>),
    TooOld(Arc<ModeSecrets>),
    Nothing,
}

impl Slot {
    fn new(mode: Mode, secret_id: Result<String, Misconfigured>) -> Slot {
        Slot { mode, secret_id, state: RwLock::default(), reading: Mutex::new(()) }
    }

    fn view(&self, now: Timestamp) -> View {
        let state = self.state();
        let has_failed = |within| state.failure.as_ref().filter(|(_, at)| is_within(*at, now, within));
        match &state.cached {
            Some((secrets, at)) if is_within(*at, now, FRESH) => View::Answer(Ok(Arc::clone(secrets))),
            Some((secrets, at)) if is_within(*at, now, KEPT) => match has_failed(BETWEEN_READS) {
                Some(_) => View::Answer(Ok(Arc::clone(secrets))),
                None => View::TooOld(Arc::clone(secrets)),
            },
            _ => match has_failed(BETWEEN_FAILURES) {
                Some((error, _)) => View::Answer(Err(error.clone())),
                None => View::Nothing,
            },
        }
    }

    /// The cached secrets when they are not the ones the caller has: reading the same values keeps the same `Arc`.
    fn other_than(&self, known: &Arc<ModeSecrets>) -> Option<Arc<ModeSecrets>> {
        let state = self.state();
        state.cached.as_ref().map(|(secrets, _)| secrets).filter(|secrets| !Arc::ptr_eq(secrets, known)).cloned()
    }

    fn may_refresh(&self, now: Timestamp) -> bool {
        !self.state().refreshed_at.is_some_and(|at| is_within(at, now, BETWEEN_READS))
    }

    fn keep(&self, secrets: ModeSecrets, now: Timestamp) -> Arc<ModeSecrets> {
        let mut state = self.write();
        let secrets = match state.cached.take() {
            Some((known, _)) if known.has_same_values(&secrets) => known,
            _ => Arc::new(secrets),
        };
        state.cached = Some((Arc::clone(&secrets), now));
        if state.failure.take().is_some() {
            state.said.clear();
        }
        secrets
    }

    /// A secret that is wrong serves nobody, however good the last one was: what an operator took away stays away.
    fn fail(&self, failure: Failure, now: Timestamp) -> Result<Arc<ModeSecrets>, SecretsError> {
        let is_wrong = matches!(failure, Failure::Wrong(_));
        let error = self.error(failure);
        let kept = {
            let mut state = self.write();
            state.failure = Some((error.clone(), now));
            if is_wrong {
                state.cached = None;
            }
            state.cached.as_ref().filter(|(_, at)| is_within(*at, now, KEPT)).map(|(secrets, _)| Arc::clone(secrets))
        };
        let mode = self.mode.as_str();
        match kept {
            Some(secrets) => {
                if self.says_first(format!("kept: {error}")) {
                    tracing::warn!(mode, "The last good secret serves on: {error}");
                }
                Ok(secrets)
            }
            None => {
                if self.says_first(error.to_string()) {
                    tracing::error!(mode, "Service misconfigured or without secrets: {error}");
                }
                Err(error)
            }
        }
    }

    /// It is read anew when it is next needed.
    pub(super) fn forget(&self) {
        *self.write() = State::default();
    }

    pub(super) fn error(&self, failure: Failure) -> SecretsError {
        let secret_id = self.secret_id.clone().unwrap_or_else(|_| format!("of {} mode", self.mode));
        let invalid = |secret_id, field: String, problem: &str| SecretsError::Invalid {
            secret_id,
            field,
            problem: problem.to_owned(),
        };
        match failure {
            Failure::NotSet(missing) => invalid(secret_id, missing.variable, &missing.problem),
            Failure::NotThere => invalid(secret_id, "AWSCURRENT".to_owned(), "does not exist"),
            Failure::Wrong(complaint) => invalid(secret_id, complaint.field, complaint.problem),
            Failure::Unreadable(detail) => SecretsError::Unavailable { secret_id, detail },
        }
    }

    /// True the first time this is to be said, so that a lasting problem is one line.
    fn says_first(&self, what: String) -> bool {
        self.write().said.insert(what)
    }

    // A panic while the lock is held leaves whole values behind, so a poisoned lock is as good as another.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// False also when the clock was set back past `then`: better to read once too often. By a little it may be: who waited
/// for the one reader asked before the reader was done.
fn is_within(then: Timestamp, now: Timestamp, limit: SignedDuration) -> bool {
    let age = now.duration_since(then);
    age > -LONGEST_READ && age < limit
}
