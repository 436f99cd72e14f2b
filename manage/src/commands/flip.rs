//! Making the functions serve the other mode.
//!
//! In AWS that is one update of the stack and not a variable of each function: the template gives each mode its price, its
//! secret and a role that is fenced to its records, and all of them have to change together. CloudFormation takes everything
//! back if a part fails.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
use aws_sdk_cloudformation::types::{Capability, Parameter, StackStatus};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use shared::causes::causes;
use shared::domain::{Mode, PriceId};
use tokio::time::Instant;

use super::doctor::probes;
use crate::done::usage;
use crate::printer::Printer;
use crate::target::{Place, Target};

/// An update of a stack's functions takes a minute or two; a stuck one is for a person to look at.
const LONGEST_UPDATE: Duration = Duration::from_secs(30 * 60);
const BETWEEN_LOOKS: Duration = Duration::from_secs(3);
/// A function's new environment is in use by the next request; a connection may still be on an old instance.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Asked before anything else is done.
///
/// # Errors
/// Usage, where there is no stack whose functions could be changed.
pub fn can_serve(target: &Target, mode: Mode) -> Result<()> {
    match (&target.place, &target.aws) {
        (Place::Local { .. }, _) | (Place::Stack { .. }, Some(_)) => Ok(()),
        _ => Err(usage(format!(
            "The functions can be changed in a named stack only (--stack NAME). Elsewhere, set STRIPE_LIVE_MODE={} and \
             STRIPE_DEFAULT_PRICE_ID on every function yourself.",
            mode.is_live()
        ))),
    }
}

/// The functions serve `mode` when this comes back; already doing so is no error. `default_price` is that mode's.
pub async fn serve(target: &Target, printer: &Printer, mode: Mode, default_price: Option<&PriceId>) -> Result<()> {
    match (&target.place, &target.aws) {
        (Place::Stack { name }, Some(sdk)) => update_stack(sdk, name, printer, mode, default_price).await?,
        (Place::Local { .. }, _) => flip_local(target, mode, default_price).await?,
        _ => can_serve(target, mode)?,
    }
    wait_until_served(target, mode).await
}

async fn flip_local(target: &Target, mode: Mode, default_price: Option<&PriceId>) -> Result<()> {
    let api = target.api_url.as_ref().context("the local stack has an API")?;
    let body = json!({ "is_live": mode.is_live(), "default_price": default_price });
    let request = Request::post(api.join("_local/mode")?.as_str())
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(body.to_string()))?;
    let reply =
        target.core.https.send(request, LONGEST_WAIT).await.context("ask the local stack to change its mode")?;
    match reply.status().is_success() {
        true => Ok(()),
        false => Err(anyhow!("The local stack did not change its mode: {}.", reply.status())),
    }
}

async fn update_stack(
    sdk: &SdkConfig,
    stack: &str,
    printer: &Printer,
    mode: Mode,
    default_price: Option<&PriceId>,
) -> Result<()> {
    let client = Client::new(sdk);
    let described = client.describe_stacks().stack_name(stack).send().await;
    let described = described.map_err(|error| anyhow!("read stack {stack}: {}", causes(&error)))?;
    let known = described.stacks().first().map(|stack| stack.parameters().to_vec()).unwrap_or_default();
    let changed = |name: &str| match name {
        "LiveMode" => Some(mode.is_live().to_string()),
        "DefaultPriceIdLive" if mode.is_live() => default_price.map(ToString::to_string),
        "DefaultPriceIdTest" if !mode.is_live() => default_price.map(ToString::to_string),
        _ => None,
    };
    let parameters = known.iter().filter_map(Parameter::parameter_key).map(|name| {
        let parameter = Parameter::builder().parameter_key(name);
        match changed(name) {
            Some(value) => parameter.parameter_value(value).build(),
            None => parameter.use_previous_value(true).build(),
        }
    });
    let update = client.update_stack().stack_name(stack).use_previous_template(true);
    let update = update.set_parameters(Some(parameters.collect()));
    let capabilities =
        vec![Capability::CapabilityIam, Capability::CapabilityNamedIam, Capability::CapabilityAutoExpand];
    match update.set_capabilities(Some(capabilities)).send().await {
        Ok(_) => wait_for_update(&client, stack, printer).await,
        // All parameters are as they were asked to be.
        Err(error) if error.message().is_some_and(|text| text.contains("No updates are to be performed")) => Ok(()),
        // The template's own rules may refuse it: live mode without the front end's address, say.
        Err(error) => Err(anyhow!(
            "Stack {stack} was not updated: {}. The functions are as they were. Mend that with sam deploy, then run the \
             command again: it goes on from there",
            causes(&error)
        )),
    }
}

async fn wait_for_update(client: &Client, stack: &str, printer: &Printer) -> Result<()> {
    printer.say(&format!("CloudFormation is updating stack {stack} …"));
    let deadline = Instant::now() + LONGEST_UPDATE;
    loop {
        let described = client.describe_stacks().stack_name(stack).send().await;
        let described = described.map_err(|error| anyhow!("read stack {stack}: {}", causes(&error)))?;
        let status = described.stacks().first().and_then(|stack| stack.stack_status().cloned());
        match status {
            Some(StackStatus::UpdateComplete) => return Ok(()),
            Some(StackStatus::UpdateInProgress | StackStatus::UpdateCompleteCleanupInProgress) => {}
            Some(other) => bail!(
                "Stack {stack} was not updated ({}); the functions are as they were. CloudFormation's events say why.",
                other.as_str()
            ),
            None => bail!("CloudFormation says nothing of stack {stack}."),
        }
        if Instant::now() >= deadline {
            bail!("Stack {stack} is still being updated. Run the command again later: it goes on from there.");
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

async fn wait_until_served(target: &Target, mode: Mode) -> Result<()> {
    let Some(api) = &target.api_url else { return Ok(()) };
    let deadline = Instant::now() + LONGEST_WAIT;
    loop {
        let said = probes::served_mode(&target.core, api).await;
        if matches!(said, Ok(Some(served)) if served == mode) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let why = said.err().map(|error| format!(" ({error:#})")).unwrap_or_default();
            bail!("The functions were changed, but health does not say {mode} mode yet{why}. Run the command again.");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
