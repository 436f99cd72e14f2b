//! What every function of one process shares, built once.

use std::sync::Arc;

use crate::books::Books;
use crate::clock::Clock;
use crate::config::{Config, Misconfigured};
use crate::domain::Mode;
use crate::secrets::SecretStore;

/// Built once per process and lent to every function.
pub struct Core {
    pub config: Config,
    pub clock: Clock,
    pub secrets: Arc<SecretStore>,
}

impl Core {
    /// The table and Stripe of one mode, paired.
    pub fn books(&self, _mode: Mode) -> Result<Books, Misconfigured> {
        todo!()
    }
}
