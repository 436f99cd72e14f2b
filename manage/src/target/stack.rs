//! A deployed stack, read from CloudFormation: its outputs say where things are, its parameters how it was set.

use std::collections::HashMap;

use anyhow::{Context as _, Result, anyhow};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use shared::boot::{AwsEndpoints, Core};
use shared::causes::causes;
use shared::clock::Clock;
use shared::config::from_shell;
use shared::domain::Mode;
use url::Url;

use super::{Place, Target, aws, config_of, mode};
use crate::cli::Common;

/// What a stack says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployed {
    pub outputs: HashMap<String, String>,
    pub parameters: HashMap<String, String>,
}

/// The template's parameters and the variables of the functions that they set.
const SETTINGS: [(&str, &str); 11] = [
    ("LiveMode", "STRIPE_LIVE_MODE"),
    ("FrontendUrl", "FRONTEND_URL"),
    ("AllowedOrigins", "ALLOWED_ORIGINS"),
    ("AllowedPriceIds", "ALLOWED_PRICE_IDS"),
    ("TrialDays", "TRIAL_DAYS"),
    ("TrialAbuseAction", "TRIAL_ABUSE_ACTION"),
    ("PastDueGraceDays", "PAST_DUE_GRACE_DAYS"),
    ("CheckoutLocale", "CHECKOUT_LOCALE"),
    ("UpstreamUrl", "UPSTREAM_URL"),
    ("GateExemptPrefixes", "GATE_EXEMPT_PREFIXES"),
    ("JwtAudience", "JWT_AUDIENCE"),
];

const PLACES: [(&str, &str); 3] =
    [("TableName", "TABLE_NAME"), ("SecretIdTest", "SECRET_ID_TEST"), ("SecretIdLive", "SECRET_ID_LIVE")];

pub(super) async fn target(name: &str, common: &Common) -> Result<Target> {
    let sdk = aws::sdk(common).await?;
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    let deployed = Deployed::read(&Client::new(&sdk), name, &region).await?;
    let mut values = deployed.settings(name)?;
    // What the shell may say beside it: other addresses, for a stand-in of the services.
    for variable in ["STRIPE_API_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SECRETS_MANAGER"] {
        values.extend(from_shell(variable).map(|value| (variable.to_owned(), value)));
    }
    values.insert("AWS_REGION".to_owned(), region);
    let without_price = config_of(&values)?;
    let mode = mode(common, &without_price);
    values.extend(deployed.default_price(mode).map(|price| ("STRIPE_DEFAULT_PRICE_ID".to_owned(), price)));
    let config = config_of(&values)?;
    let endpoints = AwsEndpoints::of(&config.aws);
    let url = |output: &str| {
        let url = deployed.outputs.get(output).map(|url| Url::parse(url));
        url.transpose().with_context(|| format!("read output {output} of stack {name}"))
    };
    Ok(Target {
        place: Place::Stack { name: name.to_owned() },
        mode,
        api_url: url("ApiUrl")?,
        webhook_url: url("WebhookUrl")?,
        core: Core::on(config, Clock::default(), &sdk, &endpoints).for_operator(),
        aws: Some(sdk),
    })
}

impl Deployed {
    /// Asks CloudFormation for the stack's outputs and parameters.
    pub async fn read(client: &Client, name: &str, region: &str) -> Result<Deployed> {
        let described = client.describe_stacks().stack_name(name).send().await;
        let output = described.map_err(|error| {
            let is_unknown = error.message().is_some_and(|message| message.contains("does not exist"));
            match is_unknown {
                true => anyhow!(
                    "There is no stack {name} in {region}. Check the name, and the region (--region) it was deployed to."
                ),
                false => anyhow!("{}", causes(&error)).context(format!("read stack {name} in {region}")),
            }
        })?;
        let stack = output.stacks.unwrap_or_default().into_iter().next();
        let stack = stack.with_context(|| format!("CloudFormation says nothing of stack {name}"))?;
        let outputs = stack.outputs.unwrap_or_default();
        let parameters = stack.parameters.unwrap_or_default();
        Ok(Deployed {
            outputs: outputs.into_iter().filter_map(|output| output.output_key.zip(output.output_value)).collect(),
            parameters: parameters
                .into_iter()
                .filter_map(|parameter| parameter.parameter_key.zip(parameter.parameter_value))
                .collect(),
        })
    }

    /// As the functions' environment has them.
    fn settings(&self, name: &str) -> Result<HashMap<String, String>> {
        let mut values = HashMap::new();
        for (output, variable) in PLACES {
            let value = self.outputs.get(output).with_context(|| {
                format!(
                    "Stack {name} has no output {output}: it is not a stack of this template, or is still being made."
                )
            })?;
            values.insert(variable.to_owned(), value.clone());
        }
        for (parameter, variable) in SETTINGS {
            values.extend(self.parameters.get(parameter).map(|value| (variable.to_owned(), value.clone())));
        }
        Ok(values)
    }

    fn default_price(&self, mode: Mode) -> Option<String> {
        let parameter = match mode {
            Mode::Test => "DefaultPriceIdTest",
            Mode::Live => "DefaultPriceIdLive",
        };
        self.parameters.get(parameter).cloned()
    }
}
