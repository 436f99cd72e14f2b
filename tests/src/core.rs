//! The functions' core on a stack's table and secrets, with another Stripe or another way to the table.

use std::collections::HashMap;

use local::Stack;
use shared::boot::{AwsEndpoints, Core};
use shared::clock::Clock;
use shared::config::{Config, Misconfigured};
use shared::domain::Mode;

/// Where a core finds its services.
pub struct Services<'a> {
    pub dynamodb_url: &'a str,
    pub stripe_url: &'a str,
    pub default_price: &'a str,
}

/// As the stack makes its own, in test mode.
pub async fn core_on(stack: &Stack, services: Services<'_>, clock: Clock) -> Result<Core, Misconfigured> {
    let values: HashMap<&str, String> = [
        ("FRONTEND_URL", stack.api_url().to_owned()),
        ("TABLE_NAME", stack.table_name().to_owned()),
        ("SECRET_ID_TEST", stack.secret_id(Mode::Test)),
        ("SECRET_ID_LIVE", stack.secret_id(Mode::Live)),
        ("STRIPE_DEFAULT_PRICE_ID", services.default_price.to_owned()),
        ("STRIPE_API_URL", services.stripe_url.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
    .into();
    let config = Config::from_values(|name| values.get(name).cloned())?;
    let endpoints = AwsEndpoints {
        dynamodb: Some(services.dynamodb_url.to_owned()),
        secrets_manager: Some(stack.secrets_url().to_owned()),
    };
    Ok(Core::assemble(config, clock, endpoints).await)
}
