//! Which mode the functions serve. In AWS an update of the stack gives every function another environment; here the same
//! functions are made anew on another configuration. A stack that is started again begins as it was first started.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Result, anyhow};
use shared::boot::Core;
use shared::clock::Clock;
use shared::config::Misconfigured;
use shared::domain::Mode;

use crate::controls::Urls;
use crate::gateway::invoke::Functions;
use crate::stack::wiring::assemble;
use crate::stripe_side::StripeSide;
use crate::template::Template;

type MaybeCore = Arc<Result<Core, Misconfigured>>;

pub(crate) struct Switch {
    core: RwLock<MaybeCore>,
    made_from: Parts,
}

/// What the functions' configuration is made from.
pub(crate) struct Parts {
    pub functions: Arc<Functions>,
    pub template: Template,
    pub settings: Vec<(String, String)>,
    pub urls: Urls,
    pub upstream_url: String,
    pub stripe: StripeSide,
    pub clock: Clock,
}

impl Switch {
    pub fn new(core: MaybeCore, made_from: Parts) -> Switch {
        Switch { core: RwLock::new(core), made_from }
    }

    /// What the functions run on now.
    pub fn core(&self) -> MaybeCore {
        Arc::clone(&self.core.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn mode(&self) -> Mode {
        self.core().as_ref().as_ref().map_or(Mode::Test, |core| core.config.mode)
    }

    /// The functions serve the mode from now on; requests under way finish in the old one.
    pub async fn flip(&self, mode: Mode, default_price: Option<String>) -> Result<()> {
        let parts = &self.made_from;
        let mut settings = parts.settings.clone();
        settings.push(("STRIPE_LIVE_MODE".to_owned(), mode.is_live().to_string()));
        settings.extend(default_price.map(|price| ("STRIPE_DEFAULT_PRICE_ID".to_owned(), price)));
        let core = assemble(&settings, &parts.urls, &parts.upstream_url, &parts.stripe, parts.clock.clone()).await;
        if let Err(misconfigured) = &core {
            return Err(anyhow!("{misconfigured}"));
        }
        parts.functions.replace(&parts.template, &core)?;
        *self.core.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(core);
        Ok(())
    }
}
