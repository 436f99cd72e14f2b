//! ANY /api/{proxy+}: a token, then access, then the product behind, whose reply comes back as it was.
//!
//! The decision is `shared::gate`; here is what a proxy does with a request that may pass: [`arrival`] reads what
//! Lambda made of it, [`headers`] says which headers go on, [`upstream`] asks, [`answer`] brings the reply back.

mod answer;
mod arrival;
mod headers;
#[cfg(test)]
mod tests;
mod upstream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::boot::Core;
use shared::config::Misconfigured;
use shared::gate::{ExemptPrefixes, Gate};
use shared::http::{ApiError, Function, Reply, Request};

use upstream::Upstream;

/// How long the product may take, from the first byte we send to the last we get.
const PATIENCE: Duration = Duration::from_secs(25);

pub fn function(core: &Result<Core, Misconfigured>) -> Function {
    Function::new("gate", &[], core, |core| Deps::new(core, PATIENCE), handle)
}

struct Deps {
    gate: Gate,
    exempt: ExemptPrefixes,
    upstream: Upstream,
}

impl Deps {
    fn new(core: &Core, patience: Duration) -> Result<Deps, Misconfigured> {
        Ok(Deps {
            gate: Gate::of(core)?,
            exempt: ExemptPrefixes::new(&core.config.gate_exempt_prefixes),
            upstream: Upstream::new(core.config.require_upstream_url()?, patience)?,
        })
    }
}

async fn handle(deps: Arc<Deps>, request: Request) -> Result<Reply, ApiError> {
    let arrived_at = Instant::now();
    arrival::check_method(request.method())?;
    let path = arrival::path(&request)?;
    let target = deps.upstream.target(&path, arrival::query(&request)?)?;
    let admission = match deps.exempt.cover(&path) {
        true => None,
        false => Some(deps.gate.admit(request.headers()).await?),
    };
    let passed_on = upstream::passed_on(request, target, admission.as_ref());
    deps.upstream.ask(passed_on, arrived_at).await
}
