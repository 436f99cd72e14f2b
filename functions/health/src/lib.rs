//! GET /health/: whether this deployment can serve, which is whether its table answers.

use std::sync::Arc;

use serde::Serialize;
use shared::boot::Core;
use shared::config::Misconfigured;
use shared::http::{self, ApiError, Function, Method, Reply, Request, StatusCode};
use shared::store::Store;

pub struct Deps {
    store: Store,
}

impl Deps {
    fn new(core: &Core) -> Result<Deps, Misconfigured> {
        Ok(Deps { store: core.store(core.config.mode)? })
    }
}

pub fn function(core: &Result<Core, Misconfigured>) -> Function {
    Function::new("health", &[Method::GET], core, Deps::new, handle)
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    database: &'static str,
    mode: &'static str,
}

async fn handle(deps: Arc<Deps>, _request: Request) -> Result<Reply, ApiError> {
    deps.store.ping().await.map_err(|error| ApiError::unavailable("Database unavailable", &error))?;
    let health = Health { status: "healthy", database: "connected", mode: deps.store.mode().as_str() };
    Ok(http::json(StatusCode::OK, &health))
}

#[cfg(test)]
mod tests;
