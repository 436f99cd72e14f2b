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
use crate::https_client::POOL_IDLE_TIMEOUT;

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
    let https = aws_smithy_http_client::Builder::new()
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5))
        .build();
    // The SDK would wait up to a second before its second try: a user is waiting.
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_millis(500));
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(environment.region.clone().unwrap_or_else(|| "us-east-1".to_owned())))
        .credentials_provider(SharedCredentialsProvider::new(credentials(environment.credentials.as_ref())))
        .http_client(https)
        .timeout_config(timeouts)
        .retry_config(retries)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(region: Option<&str>, has_credentials: bool) -> AwsEnvironment {
        let credentials = has_credentials.then(|| AwsCredentials {
            access_key_id: "AKIA".to_owned(),
            secret_access_key: "canary".to_owned().into(),
            session_token: Some("canary".to_owned().into()),
        });
        AwsEnvironment { region: region.map(str::to_owned), credentials, ..AwsEnvironment::default() }
    }

    #[test]
    fn aws_needs_a_region_and_credentials_and_stand_ins_need_neither() {
        let aws = AwsEndpoints::default();
        assert_eq!(require(&environment(Some("sa-east-1"), true), &aws), Ok(()));
        assert_eq!(require(&environment(None, true), &aws).unwrap_err().variable, "AWS_REGION");
        assert_eq!(require(&environment(Some("sa-east-1"), false), &aws).unwrap_err().variable, "AWS_ACCESS_KEY_ID");

        let endpoint = Some("http://127.0.0.1:9002".to_owned());
        let half = AwsEndpoints { dynamodb: endpoint.clone(), secrets_manager: None };
        assert!(require(&environment(None, false), &half).is_err(), "the other half would be asked of AWS");
        let local = AwsEndpoints { dynamodb: endpoint.clone(), secrets_manager: endpoint };
        assert_eq!(require(&environment(None, false), &local), Ok(()));
    }

    #[test]
    fn a_try_is_shorter_than_the_whole_and_the_whole_than_a_function() {
        let config = sdk_config(&environment(Some("sa-east-1"), true));
        assert_eq!(config.region().map(Region::as_ref), Some("sa-east-1"));
        let timeouts = config.timeout_config().unwrap();
        let (connect, attempt) = (timeouts.connect_timeout().unwrap(), timeouts.operation_attempt_timeout().unwrap());
        let all = timeouts.operation_timeout().unwrap();
        assert!(connect < attempt && attempt < all && all <= Duration::from_secs(5));
    }
}
