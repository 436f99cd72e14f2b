//! GET /api/subscriptions/config/: what a front end needs before anybody signs in.

use std::sync::Arc;

use serde::Serialize;
use shared::boot::Core;
use shared::config::Misconfigured;
use shared::domain::{Mode, PriceId};
use shared::http::{self, ApiError, Function, Method, Reply, Request, StatusCode};
use shared::secrets::SecretStore;

pub struct Deps {
    secrets: Arc<SecretStore>,
    mode: Mode,
    default_price: Option<PriceId>,
}

impl Deps {
    fn new(core: &Core) -> Result<Deps, Misconfigured> {
        core.config.require_secret_id(core.config.mode)?;
        Ok(Deps {
            secrets: Arc::clone(&core.secrets),
            mode: core.config.mode,
            default_price: core.config.default_price.clone(),
        })
    }
}

pub fn function(core: &Result<Core, Misconfigured>) -> Function {
    Function::new("config", &[Method::GET], core, Deps::new, handle)
}

#[derive(Serialize)]
struct Shown<'a> {
    publishable_key: &'a str,
    default_price_id: Option<&'a str>,
}

async fn handle(deps: Arc<Deps>, _request: Request) -> Result<Reply, ApiError> {
    let secrets = deps.secrets.get(deps.mode).await?;
    let shown = Shown {
        publishable_key: &secrets.stripe_publishable_key,
        default_price_id: deps.default_price.as_ref().map(PriceId::as_str),
    };
    Ok(http::json(StatusCode::OK, &shown))
}

#[cfg(test)]
mod tests;
