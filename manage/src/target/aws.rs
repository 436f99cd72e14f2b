//! An operator's credentials: the environment, a profile, SSO, a process or the machine's role, as the AWS CLI finds them.
//!
//! The functions take theirs from the environment alone; see `shared::aws`.

use std::time::Duration;

use anyhow::{Result, anyhow};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudformation::config::ProvideCredentials;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use shared::boot::AwsEndpoints;
use shared::causes::causes;
use shared::config::Config;

use crate::cli::Common;

const ADVICE: &str = "Sign in (aws sso login), name a profile with --profile, or set AWS_ACCESS_KEY_ID and \
                      AWS_SECRET_ACCESS_KEY.";

/// How AWS is asked, with credentials that have been found: that there are none is said now, not at the first request.
pub(super) async fn sdk(common: &Common) -> Result<SdkConfig> {
    let https =
        aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(30))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(https)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(5));
    if let Some(profile) = &common.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &common.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let sdk = loader.load().await;
    if sdk.region().is_none() {
        return Err(anyhow!("No AWS region is set. Name one with --region, AWS_REGION or in the profile."));
    }
    let Some(provider) = sdk.credentials_provider() else {
        return Err(anyhow!("There are no AWS credentials. {ADVICE}"));
    };
    match provider.provide_credentials().await {
        Ok(_) => Ok(sdk),
        Err(error) => Err(anyhow!("There are no AWS credentials: {}. {ADVICE}", causes(&error))),
    }
}

/// For the services the environment names: AWS's own, or stand-ins, which need no credentials.
pub(super) async fn for_environment(config: &mut Config, common: &Common) -> Result<(SdkConfig, AwsEndpoints)> {
    let endpoints = AwsEndpoints::of(&config.aws);
    if endpoints.dynamodb.is_some() && endpoints.secrets_manager.is_some() {
        return Ok((shared::aws::sdk_config(&config.aws), endpoints));
    }
    let sdk = sdk(common).await?;
    config.aws.region = sdk.region().map(ToString::to_string);
    Ok((sdk, endpoints))
}
