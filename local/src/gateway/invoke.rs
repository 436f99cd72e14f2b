//! A function called as its Lambda runtime would call it: JSON in, JSON out, within its timeout.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::Service;
use lambda_http::{Adapter, Context, LambdaEvent, service_fn};
use serde_json::Value;
use shared::boot::Core;
use shared::clock::Clock;
use shared::config::Misconfigured;
use shared::http::Function;
use shared::http::wire::Verbatim;

use crate::template::Template;

/// Every function of the template, by the name of its folder. A new configuration replaces all of them at once.
pub(crate) struct Functions(RwLock<Arc<ByName>>);

type ByName = BTreeMap<String, Deployed>;

struct Deployed {
    function: Arc<Function>,
    timeout: Duration,
}

#[derive(Debug, PartialEq, Eq)]
pub enum InvokeError {
    TimedOut,
    /// The event was not one the function could read, or its reply not one that can be written as JSON.
    Failed,
}

type Maker = fn(&Result<Core, Misconfigured>) -> Function;

/// The one place that knows all functions; the template says which of them exist.
const MAKERS: [(&str, Maker); 8] = [
    ("checkout", checkout::function),
    ("config", config::function),
    ("gate", gate::function),
    ("health", health::function),
    ("portal", portal::function),
    ("session-status", session_status::function),
    ("status", status::function),
    ("webhook", webhook::function),
];

impl Functions {
    /// Errors: a function of the template that is not among the crates of this stack.
    pub fn of(template: &Template, core: &Result<Core, Misconfigured>) -> Result<Functions> {
        Ok(Functions(RwLock::new(Arc::new(made(template, core)?))))
    }

    /// As Lambda does when a function's configuration is updated: requests under way finish on the old one.
    pub fn replace(&self, template: &Template, core: &Result<Core, Misconfigured>) -> Result<()> {
        let made = Arc::new(made(template, core)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = made;
        Ok(())
    }

    fn now(&self) -> Arc<ByName> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The function's reply as the JSON text AWS would get.
    pub async fn invoke(&self, name: &str, event: &Value, request_id: &str) -> Result<String, InvokeError> {
        let functions = self.now();
        let deployed = functions.get(name).ok_or(InvokeError::Failed)?;
        match tokio::time::timeout(deployed.timeout, deployed.answer(event, request_id)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => {
                tracing::error!(function = name, request_id, error = format!("{error:#}"), "The function failed");
                Err(InvokeError::Failed)
            }
            Err(_) => {
                let seconds = deployed.timeout.as_secs();
                tracing::error!(function = name, request_id, "Task timed out after {seconds} seconds");
                Err(InvokeError::TimedOut)
            }
        }
    }
}

fn made(template: &Template, core: &Result<Core, Misconfigured>) -> Result<ByName> {
    let mut functions = BTreeMap::new();
    for described in template.functions.iter().filter(|described| !described.is_scheduled) {
        let Some((_, make)) = MAKERS.iter().find(|(name, _)| *name == described.name) else {
            bail!("template.yaml deploys {}, which local/src/gateway/invoke.rs does not know", described.name);
        };
        let deployed = Deployed { function: Arc::new(make(core)), timeout: described.timeout };
        functions.insert(described.name.clone(), deployed);
    }
    Ok(functions)
}

impl Deployed {
    async fn answer(&self, event: &Value, request_id: &str) -> Result<String> {
        let payload: LambdaRequest = serde_json::from_str(&event.to_string()).context("read the event")?;
        let mut context = Context::default();
        request_id.clone_into(&mut context.request_id);
        let deadline = Clock::default().wall_now().as_millisecond() + i64::try_from(self.timeout.as_millis())?;
        context.deadline = u64::try_from(deadline)?;
        let function = &self.function;
        let mut runtime =
            Adapter::from(service_fn(
                |request| async move { Ok::<Verbatim, Infallible>(function.respond(request).await) },
            ));
        let reply = match runtime.call(LambdaEvent::new(payload, context)).await {
            Ok(reply) => reply,
            Err(never) => match never {},
        };
        serde_json::to_string(&reply).context("write the reply")
    }
}
