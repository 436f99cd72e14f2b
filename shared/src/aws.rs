//! How AWS is asked: region, credentials, the HTTPS client and its timeouts, once for DynamoDB and Secrets Manager.
//!
//! Lambda gives a function its region and credentials in the environment, so the SDK's chain of credential providers
//! is not used (and not linked). TLS is rustls on ring: the SDK's default, aws-lc-rs, spends 0.6 s on its first random
//! number on a 128 MB function.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use secrecy::ExposeSecret;

use crate::config::{AwsCredentials, AwsEnvironment, Misconfigured};

/// Other endpoints than AWS's own: the local stack's and tests'.
#[derive(Clone, Debug, Default)]
pub struct AwsEndpoints {
    pub dynamodb: Option<String>,
    pub secrets_manager: Option<String>,
}

impl AwsEndpoints {
    /// The endpoints the environment names.
    pub fn of(environment: &AwsEnvironment) -> AwsEndpoints {
        AwsEndpoints {
            dynamodb: environment.dynamodb_endpoint.as_ref().map(url::Url::to_string),
            secrets_manager: environment.secrets_manager_endpoint.as_ref().map(url::Url::to_string),
        }
    }

    fn are_all_local(&self) -> bool {
        self.dynamodb.is_some() && self.secrets_manager.is_some()
    }
}

/// AWS itself cannot be asked without these; stand-ins for both services can.
pub fn require(environment: &AwsEnvironment, endpoints: &AwsEndpoints) -> Result<(), Misconfigured> {
    if endpoints.are_all_local() {
        return Ok(());
    }
    if environment.region.is_none() {
        return Err(Misconfigured::new("AWS_REGION", "is not set"));
    }
    if environment.credentials.is_none() {
        return Err(Misconfigured::new("AWS_ACCESS_KEY_ID", "is not set"));
    }
    Ok(())
}

/// Three tries of two seconds at the most, five in all: shorter than any function's own timeout.
pub fn sdk_config(environment: &AwsEnvironment) -> SdkConfig {
    let https =
        aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5))
        .build();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(environment.region.clone().unwrap_or_else(|| "us-east-1".to_owned())))
        .credentials_provider(SharedCredentialsProvider::new(credentials(environment.credentials.as_ref())))
        .http_client(https)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        // Replies are small: a timeout per try is protection enough.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

fn credentials(given: Option<&AwsCredentials>) -> Credentials {
    match given {
        Some(given) => Credentials::new(
            given.access_key_id.clone(),
            given.secret_access_key.expose_secret(),
            given.session_token.as_ref().map(|token| token.expose_secret().to_owned()),
            None,
            "environment",
        ),
        None => Credentials::new("local", "local", None, None, "local"),
    }
}
