//! The pooled HTTPS client for everything that is not AWS: Stripe and the API behind the gate.
//!
//! It sends one request and never follows a redirect; whoever uses it decides what to try again.

use std::error::Error;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::Service;

/// Shorter than Stripe's, AWS's and load balancers' own, which close idle connections after a minute or more: a frozen
/// function cannot notice. Application servers close them sooner: [`HttpsClient::with_idle_timeout`].
pub(crate) const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// A host with several addresses is tried one after the other within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

type BoxError = Box<dyn Error + Send + Sync>;

/// Why there is no answer. [`crate::causes::causes`] tells the whole story: addresses, never headers or bodies.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// Nothing was sent.
    #[error("could not connect")]
    Connect(#[source] BoxError),
    /// The connection broke after the request, or a part of it, was sent: a pooled one may have been stale.
    /// The request may have had its effect.
    #[error("the connection broke")]
    Broken(#[source] BoxError),
    /// The request may have had its effect.
    #[error("no answer in time")]
    Timeout,
    #[error("the body is too large")]
    TooLarge,
}

/// A clone shares the pool.
#[derive(Clone)]
pub struct HttpsClient {
    client: Client<Connector, Full<Bytes>>,
    connector: Connector,
}

impl Default for HttpsClient {
    fn default() -> HttpsClient {
        HttpsClient::new()
    }
}

impl HttpsClient {
    /// Cheap: root certificates are read at the first https connection.
    pub fn new() -> HttpsClient {
        HttpsClient::of(Connector::new(), POOL_IDLE_TIMEOUT)
    }

    /// One with the same certificates and TLS sessions and a pool of its own, in which no connection is used again that was
    /// idle for longer.
    pub fn with_idle_timeout(&self, idle_timeout: Duration) -> HttpsClient {
        HttpsClient::of(self.connector.clone(), idle_timeout)
    }

    fn of(connector: Connector, idle_timeout: Duration) -> HttpsClient {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(idle_timeout).pool_timer(TokioTimer::new());
        HttpsClient { client: builder.build(connector.clone()), connector }
    }

    /// Connects before there is a request, TLS included; nothing is sent. The next request that goes there, if it comes
    /// soon, need not wait for it.
    pub async fn open(&self, to: &Uri) -> Result<(), HttpsError> {
        let stream = self.connector.connect(to.clone()).await.map_err(HttpsError::Connect)?;
        self.connector.keep_spare(to, stream);
        Ok(())
    }

    /// Sends to an absolute `http` or `https` URI. `timeout` is to the head of the answer; the body is still to be
    /// read, with [`read_body`] or piece by piece.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        timeout: Duration,
    ) -> Result<Response<Incoming>, HttpsError> {
        match tokio::time::timeout(timeout, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(HttpsError::Connect(error.into())),
            Ok(Err(error)) => Err(HttpsError::Broken(error.into())),
            Err(_) => Err(HttpsError::Timeout),
        }
    }
}

/// The whole body, if it is no larger than `max_bytes` and comes within `timeout`.
pub async fn read_body<B>(body: B, max_bytes: usize, timeout: Duration) -> Result<Bytes, HttpsError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    match tokio::time::timeout(timeout, Limited::new(body, max_bytes).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(HttpsError::TooLarge),
        Ok(Err(error)) => Err(HttpsError::Broken(error)),
        Err(_) => Err(HttpsError::Timeout),
    }
}

/// Plain TCP for http, TLS on ring for https.
#[derive(Clone)]
struct Connector {
    tcp: HttpConnector,
    /// Reading the system's root certificates takes milliseconds that most starts of a function never need to spend.
    tls: Arc<OnceLock<HttpsConnector<HttpConnector>>>,
    spare: Arc<Mutex<Option<Spare>>>,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type Connecting = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

/// A connection that nobody has used yet.
struct Spare {
    to: Uri,
    stream: Stream,
    opened_at: Instant,
}

impl Connector {
    fn new() -> Connector {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Connector { tcp, tls: Arc::new(OnceLock::new()), spare: Arc::default() }
    }

    fn spare(&self) -> MutexGuard<'_, Option<Spare>> {
        // Whole values are put in and taken out, so a poisoned lock is as good as another.
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_spare(&self, to: &Uri, stream: Stream) {
        *self.spare() = Some(Spare { to: to.clone(), stream, opened_at: Instant::now() });
    }

    /// One that has waited too long may have been closed at the other end: it is dropped.
    fn take_spare(&self, to: &Uri) -> Option<Stream> {
        let mut spare = self.spare();
        let is_of = |spare: &mut Spare| spare.to.scheme() == to.scheme() && spare.to.authority() == to.authority();
        let taken = spare.take_if(is_of)?;
        (taken.opened_at.elapsed() < POOL_IDLE_TIMEOUT).then_some(taken.stream)
    }

    fn connect(&self, to: Uri) -> Connecting {
        if to.scheme_str() == Some("https") {
            return match self.tls() {
                Ok(mut tls) => tls.call(to),
                Err(error) => Box::pin(async move { Err(error.into()) }),
            };
        }
        let connecting = self.tcp.clone().call(to);
        Box::pin(async move { Ok(MaybeHttpsStream::Http(connecting.await?)) })
    }

    /// Fails when the system has no root certificates; that is not remembered.
    fn tls(&self) -> std::io::Result<HttpsConnector<HttpConnector>> {
        if let Some(ready) = self.tls.get() {
            return Ok(ready.clone());
        }
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
            .https_only()
            .enable_http1()
            .wrap_connector(self.tcp.clone());
        Ok(self.tls.get_or_init(|| connector).clone())
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, destination: Uri) -> Connecting {
        match self.take_spare(&destination) {
            Some(stream) => Box::pin(ready(Ok(stream))),
            None => self.connect(destination),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::scripted_server::{Reaction, ScriptedServer};

    const SOON: Duration = Duration::from_secs(5);

    fn get(url: &str) -> Request<Full<Bytes>> {
        Request::get(url).body(Full::default()).unwrap()
    }

    #[tokio::test]
    async fn one_connection_serves_many_requests() {
        let server = ScriptedServer::start(vec![Reaction::ok("one"), Reaction::ok("two")]).await;
        let client = HttpsClient::new();
        for expected in ["one", "two"] {
            let response = client.send(get(&server.url("/")), SOON).await.unwrap();
            assert_eq!(read_body(response.into_body(), 100, SOON).await.unwrap(), expected);
        }
        assert_eq!(server.connections(), 1);
    }

    fn uri(url: &str) -> Uri {
        url.parse().unwrap()
    }

    #[tokio::test]
    async fn the_first_request_takes_the_connection_that_was_opened_for_it() {
        let server = ScriptedServer::start(vec![Reaction::ok("one"), Reaction::ok("two")]).await;
        let client = HttpsClient::new();
        client.open(&uri(&server.url("/"))).await.unwrap();
        assert_eq!(server.requests().len(), 0, "nothing is sent before there is a request");
        for expected in ["one", "two"] {
            let response = client.send(get(&server.url("/any?query")), SOON).await.unwrap();
            assert_eq!(read_body(response.into_body(), 100, SOON).await.unwrap(), expected);
        }
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test]
    async fn a_connection_opened_elsewhere_or_long_ago_is_not_taken() {
        let (server, elsewhere) = (
            ScriptedServer::start(vec![Reaction::ok("one"), Reaction::ok("two")]).await,
            ScriptedServer::start(Vec::new()).await,
        );
        let client = HttpsClient::new();
        client.open(&uri(&elsewhere.url("/"))).await.unwrap();
        client.send(get(&server.url("/")), SOON).await.unwrap();
        let client = HttpsClient::new();
        client.open(&uri(&server.url("/"))).await.unwrap();
        client.connector.spare().as_mut().unwrap().opened_at -= POOL_IDLE_TIMEOUT;
        client.send(get(&server.url("/")), SOON).await.unwrap();
        assert_eq!(server.connections(), 3, "one for the first client, two for the second");
        server.stop().await;
        assert!(matches!(client.open(&uri("http://127.0.0.1:1/")).await, Err(HttpsError::Connect(_))));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let elsewhere = Reaction::reply(302, "").with_header("location", "/elsewhere");
        let server = ScriptedServer::start(vec![elsewhere, Reaction::ok("never asked for")]).await;
        let response = HttpsClient::new().send(get(&server.url("/")), SOON).await.unwrap();
        assert_eq!(response.status(), 302);
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn failures_are_told_apart() {
        let server = ScriptedServer::start(vec![Reaction::Hang, Reaction::Reset]).await;
        let client = HttpsClient::new();
        let slow = client.send(get(&server.url("/")), Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(slow, HttpsError::Timeout), "{slow:?}");
        let broken = client.send(get(&server.url("/")), SOON).await.unwrap_err();
        assert!(matches!(broken, HttpsError::Broken(_)), "{broken:?}");
        let url = server.url("/");
        server.stop().await;
        let nobody = client.send(get(&url), SOON).await.unwrap_err();
        assert!(matches!(nobody, HttpsError::Connect(_)), "{nobody:?}");
        let story = crate::causes::causes(&nobody);
        assert!(story.starts_with("could not connect: ") && story.contains("refused"), "{story}");
    }

    #[tokio::test]
    async fn a_body_is_bounded_in_size_and_time() {
        let server =
            ScriptedServer::start(vec![Reaction::ok("12345"), Reaction::ok("123456"), Reaction::HangInBody]).await;
        let client = HttpsClient::new();
        let fits = client.send(get(&server.url("/")), SOON).await.unwrap();
        assert_eq!(read_body(fits.into_body(), 5, SOON).await.unwrap(), "12345");
        let over = client.send(get(&server.url("/")), SOON).await.unwrap();
        assert!(matches!(read_body(over.into_body(), 5, SOON).await, Err(HttpsError::TooLarge)));
        let slow = client.send(get(&server.url("/")), SOON).await.unwrap();
        let slow = read_body(slow.into_body(), 5, Duration::from_millis(50)).await;
        assert!(matches!(slow, Err(HttpsError::Timeout)));
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_tls_is_not_spoken_to_in_the_clear() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let first_byte = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            stream.read_u8().await.unwrap()
        });
        let error = HttpsClient::new().send(get(&url), SOON).await.unwrap_err();
        assert!(matches!(error, HttpsError::Connect(_)), "{error:?}");
        // A machine without root certificates does not even connect.
        if let Ok(first_byte) = tokio::time::timeout(Duration::from_secs(1), first_byte).await {
            const TLS_HANDSHAKE: u8 = 22;
            assert_eq!(first_byte.unwrap(), TLS_HANDSHAKE);
        }
    }
}
