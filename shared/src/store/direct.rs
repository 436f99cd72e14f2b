//! The table's three busy operations past the SDK's orchestrator: sent once on the SDK's own connections, in its own
//! form, signed by its own signer and read by its own parser. Whatever is not a clear answer is asked again through the
//! SDK, with all its care and one try less.
//!
//! What the orchestrator does around every request (components merged, interceptors run, endpoint rules walked) takes
//! more CPU than the rest of a read: docs/PERFORMANCE.md.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, ProvideCredentials, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::get_item::builders::GetItemInputBuilder;
use aws_sdk_dynamodb::operation::get_item::{GetItem, GetItemError, GetItemOutput};
use aws_sdk_dynamodb::operation::query::builders::QueryInputBuilder;
use aws_sdk_dynamodb::operation::query::{Query, QueryError, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsInputBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItems, TransactWriteItemsError, TransactWriteItemsOutput,
};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::interceptors::context::{Error, Input};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{
    DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::FrozenLayer;
use aws_smithy_types::timeout::TimeoutConfig;
use http_body_util::BodyExt;
use tokio::sync::OnceCell;

use super::commit::jittered;

/// DynamoDB answers within milliseconds: what takes longer than this is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A connection to DynamoDB.
pub struct DynamoDb {
    /// For everything else than the three operations below.
    pub(super) sdk: Client,
    /// The same with one try and its time less, for what was tried once already; made when it is wanted first.
    once_tried: OnceLock<Client>,
    config: SdkConfig,
    way: Arc<OnceLock<Way>>,
    signer: OnceCell<Option<Signer>>,
    get_item: Option<FrozenLayer>,
    query: Option<FrozenLayer>,
    transact_write_items: Option<FrozenLayer>,
}

/// Where the SDK sends its requests, and on what.
#[derive(Debug)]
struct Way {
    connector: SharedHttpConnector,
    time: SharedTimeSource,
    uri: String,
    user_agent: String,
}

/// Credentials that do not expire, as Lambda gives them to a function. All others are the SDK's to keep and renew.
struct Signer {
    identity: Identity,
    region: String,
}

impl DynamoDb {
    /// `endpoint_url` nothing means AWS's own.
    pub fn new(config: &SdkConfig, endpoint_url: Option<&str>) -> DynamoDb {
        let way = Arc::new(OnceLock::new());
        let mut builder = aws_sdk_dynamodb::config::Builder::from(config).interceptor(Learn { way: Arc::clone(&way) });
        builder.set_endpoint_url(endpoint_url.map(str::to_owned));
        DynamoDb {
            sdk: Client::from_conf(builder.build()),
            once_tried: OnceLock::new(),
            config: config.clone(),
            way,
            signer: OnceCell::new(),
            get_item: GetItem::new().config(),
            query: Query::new().config(),
            transact_write_items: TransactWriteItems::new().config(),
        }
    }

    /// The input is made anew for a second road, which is seldom taken.
    pub(super) async fn get_item(
        &self,
        input: impl Fn() -> GetItemInputBuilder,
    ) -> Result<GetItemOutput, SdkError<GetItemError>> {
        let asked = self.ask(self.get_item.as_ref(), input().build()).await;
        self.or_through_the_sdk(asked, |sdk| async move { input().send_with(&sdk).await }).await
    }

    pub(super) async fn query(
        &self,
        input: impl Fn() -> QueryInputBuilder,
    ) -> Result<QueryOutput, SdkError<QueryError>> {
        let asked = self.ask(self.query.as_ref(), input().build()).await;
        self.or_through_the_sdk(asked, |sdk| async move { input().send_with(&sdk).await }).await
    }

    /// A request that landed while its answer was lost is safe: it is repeated with the same token, which DynamoDB
    /// answers with success for ten minutes.
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
    pub(super) async fn transact_write_items(
        &self,
        input: impl Fn() -> TransactWriteItemsInputBuilder,
    ) -> Result<TransactWriteItemsOutput, SdkError<TransactWriteItemsError>> {
        let token = uuid::Uuid::new_v4().to_string();
        let input = || input().client_request_token(token.as_str());
        let asked = self.ask(self.transact_write_items.as_ref(), input().build()).await;
        self.or_through_the_sdk(asked, |sdk| async move { input().send_with(&sdk).await }).await
    }

    async fn ask<I, O, E>(&self, operation: Option<&FrozenLayer>, input: Result<I, BuildError>) -> Asked<O, E>
    where
        I: Debug + Send + Sync + 'static,
        O: Debug + Send + Sync + 'static,
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let (Some(way), Some(operation), Ok(input)) = (self.way.get(), operation, input) else { return Asked::NotSent };
        let signer = self.signer.get_or_init(|| signer(&self.config)).await;
        let request = signer.as_ref().and_then(|signer| request(operation, Input::erase(input), way, signer));
        let Some(request) = request else { return Asked::NotSent };
        let Ok(Some(response)) = tokio::time::timeout(LONGEST_WAIT, send(&way.connector, request)).await else {
            return Asked::NoAnswer;
        };
        match reply(operation, &response) {
            Some(Ok(output)) => Asked::Answered(Ok(output)),
            Some(Err(error)) if is_answer(&error) => Asked::Answered(Err(SdkError::service_error(error, response))),
            _ => Asked::Refused,
        }
    }

    async fn or_through_the_sdk<O, E, F>(
        &self,
        asked: Asked<O, E>,
        through_the_sdk: impl FnOnce(Client) -> F,
    ) -> Result<O, SdkError<E>>
    where
        F: Future<Output = Result<O, SdkError<E>>>,
    {
        let sdk = match asked {
            Asked::Answered(answer) => return answer,
            Asked::NotSent => &self.sdk,
            Asked::NoAnswer => self.once_tried(),
            Asked::Refused => {
                tokio::time::sleep(jittered(1)).await;
                self.once_tried()
            }
        };
        // Boxed, because the SDK's futures are large and every caller's future would hold one.
        Box::pin(through_the_sdk(sdk.clone())).await
    }

    fn once_tried(&self) -> &Client {
        self.once_tried.get_or_init(|| {
            let config = self.sdk.config();
            let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
            let tries_left = retries.max_attempts().saturating_sub(1).max(1);
            let mut timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
            let in_all = config.timeout_config().and_then(TimeoutConfig::operation_timeout);
            timeouts.set_operation_timeout(in_all.map(|in_all| in_all.saturating_sub(LONGEST_WAIT)));
            let builder = config.to_builder().timeout_config(timeouts.build());
            Client::from_conf(builder.retry_config(retries.with_max_attempts(tries_left)).build())
        })
    }
}

/// What became of a request.
#[expect(clippy::large_enum_variant, reason = "the usual variant is the large one")]
enum Asked<O, E> {
    /// DynamoDB's answer, which asking again would not change.
    Answered(Result<O, SdkError<E>>),
    /// The way is not known yet, or the credentials are the SDK's affair.
    NotSent,
    /// Trouble on the way, or too late.
    NoAnswer,
    /// A throttle, a failure of DynamoDB's own, or a reply that cannot be read.
    Refused,
}

/// Whether the SDK would not try again: what is not listed here it is asked about.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>
fn is_answer(error: &impl ProvideErrorMetadata) -> bool {
    let answers = [
        "AccessDeniedException",
        "ResourceNotFoundException",
        "TransactionCanceledException",
        "UnrecognizedClientException",
        "ValidationException",
    ];
    error.code().is_some_and(|code| answers.contains(&code))
}

/// The request as the SDK writes it, signed.
fn request(operation: &FrozenLayer, input: Input, way: &Way, signer: &Signer) -> Option<HttpRequest> {
    let form = operation.load::<SharedRequestSerializer>()?;
    signed(form.serialize_input(input, &mut ConfigBag::base()).ok()?, way, signer)
}

/// The reply as the SDK reads it; nothing when it cannot be read.
fn reply<O, E>(operation: &FrozenLayer, response: &HttpResponse) -> Option<Result<O, E>>
where
    O: Debug + Send + Sync + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    let parser = operation.load::<SharedResponseDeserializer>()?;
    match parser.deserialize_nonstreaming_with_config(response, &ConfigBag::base()) {
        Ok(output) => output.downcast().ok().map(Ok),
        Err(error) => service_error(error)?.downcast().ok().map(Err),
    }
}

async fn signer(config: &SdkConfig) -> Option<Signer> {
    let credentials = config.credentials_provider()?.provide_credentials().await.ok()?;
    let region = config.region()?.to_string();
    credentials.expiry().is_none().then(|| Signer { identity: credentials.into(), region })
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
fn signed(mut request: HttpRequest, way: &Way, signer: &Signer) -> Option<HttpRequest> {
    request.set_uri(way.uri.as_str()).ok()?;
    request.headers_mut().try_insert("user-agent", way.user_agent.clone()).ok()?;
    let how = v4::SigningParams::builder()
        .identity(&signer.identity)
        .region(&signer.region)
        .name("dynamodb")
        .time(way.time.now())
        .settings(SigningSettings::default())
        .build()
        .ok()?;
    let body = SignableBody::Bytes(request.body().bytes()?);
    let what = SignableRequest::new(request.method(), request.uri(), request.headers().iter(), body).ok()?;
    let (instructions, _) = sign(what, &how.into()).ok()?.into_parts();
    let (headers, _) = instructions.into_parts();
    for header in headers {
        let mut value = http::HeaderValue::from_str(header.value()).ok()?;
        value.set_sensitive(header.sensitive());
        request.headers_mut().try_insert(header.name(), value).ok()?;
    }
    Some(request)
}

async fn send(connector: &SharedHttpConnector, request: HttpRequest) -> Option<HttpResponse> {
    let mut response = connector.call(request).await.ok()?;
    let body = std::mem::replace(response.body_mut(), SdkBody::taken());
    *response.body_mut() = SdkBody::from(body.collect().await.ok()?.to_bytes());
    Some(response)
}

fn service_error(error: OrchestratorError<Error>) -> Option<Error> {
    let mut found = None;
    if error.is_operation_error() {
        error.map_operation_error(|error| found = Some(error));
    }
    found
}

/// Learns the way from the SDK's first request.
#[derive(Debug)]
struct Learn {
    way: Arc<OnceLock<Way>>,
}

impl Intercept for Learn {
    fn name(&self) -> &'static str {
        "Learn"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (None, Some(client), Some(time)) = (self.way.get(), components.http_client(), components.time_source()) {
            let mut settings = HttpConnectorSettings::builder();
            if let Some(timeouts) = config.load::<TimeoutConfig>() {
                settings.set_connect_timeout(timeouts.connect_timeout());
                settings.set_read_timeout(timeouts.read_timeout());
            }
            // The SDK keeps a connector for each settings: with its own they share their connections.
            let connector = client.http_connector(&settings.build(), components);
            let uri = context.request().uri().to_owned();
            let user_agent = context.request().headers().get("user-agent").unwrap_or_default().to_owned();
            // Another request may have been first: it has learned the same.
            let _ = self.way.set(Way { connector, time, uri, user_agent });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
