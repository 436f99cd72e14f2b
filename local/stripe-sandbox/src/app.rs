//! What every handler and task shares, and the one way to change the state.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, Notify};

use crate::clock::SandboxClock;
use crate::engine::jobs;
use crate::schema::Schema;
use crate::state::State;
use crate::tx::{Cause, Tx};

#[derive(Default)]
struct Keys {
    added: HashSet<String>,
    expired: HashSet<String>,
}

/// The running sandbox.
pub(crate) struct App {
    state: Mutex<State>,
    pub clock: SandboxClock,
    pub public_url: String,
    secret_key: String,
    live_mode_key: Option<String>,
    /// Rolled in the Dashboard: further keys, and those that were expired.
    keys: Mutex<Keys>,
    pub schema: Schema,
    pub http: reqwest::Client,
    /// Something may be due for delivery.
    pub wake: Notify,
    /// A delivery has ended.
    pub settled: Notify,
    /// The state is worth saving.
    pub changed: Notify,
    /// Held while the clock is being moved.
    pub advancing: AsyncMutex<()>,
}

impl App {
    pub fn new(state: State, clock: SandboxClock, options: &crate::Options, http: reqwest::Client) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(state),
            clock,
            public_url: options.public_url.trim_end_matches('/').to_owned(),
            secret_key: options.secret_key.clone(),
            live_mode_key: options.live_mode_key.clone(),
            keys: Mutex::default(),
            schema: Schema::load(),
            http,
            wake: Notify::new(),
            settled: Notify::new(),
            changed: Notify::new(),
            advancing: AsyncMutex::new(()),
        })
    }

    /// The state, for as long as the guard lives; never across an await.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a change in one world, then wakes the deliveries and the saving.
    pub fn change<R>(&self, livemode: bool, cause: Cause, change: impl FnOnce(&mut Tx) -> R) -> R {
        let result = {
            let mut state = self.lock();
            change(&mut Tx::open(&mut state, livemode, self.clock.now(), &self.public_url, cause))
        };
        self.wake.notify_one();
        self.changed.notify_one();
        result
    }

    /// Runs every job that is due by the sandbox clock.
    pub fn run_due_jobs(&self) {
        for livemode in [false, true] {
            while let Some(job) = self.take_due_job(livemode) {
                self.change(livemode, Cause::default(), |tx| jobs::run(tx, &job));
            }
        }
    }

    fn take_due_job(&self, livemode: bool) -> Option<jobs::Job> {
        let now = self.clock.now();
        let mut state = self.lock();
        let world = if livemode { &mut state.live } else { &mut state.test };
        if world.jobs.first()?.due <= now { world.jobs.pop_first() } else { None }
    }

    /// When the next job of either world is due.
    pub fn next_due(&self) -> Option<i64> {
        let state = self.lock();
        let firsts = [state.test.jobs.first(), state.live.jobs.first()];
        firsts.into_iter().flatten().map(|job| job.due).min()
    }

    /// The world a key opens: `Some(livemode)`.
    pub fn mode_of(&self, key: &str) -> Option<bool> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.expired.contains(key) {
            return None;
        }
        if keys.added.contains(key) {
            return Some(is_live(key));
        }
        if key == self.secret_key {
            return Some(is_live(key));
        }
        (self.live_mode_key.as_deref() == Some(key)).then_some(true)
    }
}

impl App {
    /// What the Dashboard does when a key is rolled.
    pub fn roll_key(&self, added: Option<String>, expired: Option<String>) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.added.extend(added);
        keys.expired.extend(expired);
    }
}

/// Whether a key is a live one by its looks.
pub(crate) fn is_live(key: &str) -> bool {
    key.starts_with("sk_live_") || key.starts_with("rk_live_")
}
