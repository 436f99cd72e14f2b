//! The product behind the gate: where it is, how it is asked, how long we wait and what is tried again.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use lambda_http::Body;
use lambda_http::http::header::{CONTENT_LENGTH, HeaderValue};
use lambda_http::http::uri::{Authority, Scheme};
use lambda_http::http::{self, Method, Uri};
use shared::config::Misconfigured;
use shared::gate::{Admission, BadPath, CheckedPath, identity};
use shared::http::{ApiError, Reply, Request};
use shared::https_client::{HttpsClient, HttpsError};
use url::Url;

use crate::{answer, headers};

/// API Gateway gives up after 30 seconds and the function is stopped after 29; what the gate itself took before it
/// asked comes off the product's time.
const LONGEST_STAY: Duration = Duration::from_secs(28);

/// Application servers close idle connections after two seconds (gunicorn) or five (Node, uvicorn), and a function that was
/// frozen does not notice before it has written. What may not be tried again is sent on a connection younger than that.
const LONGEST_IDLE_BEFORE_WRITES: Duration = Duration::from_secs(1);

pub(crate) type PassedOn = http::Request<Full<Bytes>>;

pub(crate) struct Upstream {
    scheme: Scheme,
    authority: Authority,
    /// Without its last slash.
    base_path: String,
    /// For what may be tried again on a new connection.
    client: HttpsClient,
    /// For what may be sent once.
    once: HttpsClient,
    patience: Duration,
}

impl Upstream {
    pub(crate) fn new(base: &Url, patience: Duration) -> Result<Upstream, Misconfigured> {
        let client = HttpsClient::new();
        let is_no_base = || Misconfigured::new("UPSTREAM_URL", "is not the base of a URL");
        let base: Uri = base.as_str().parse().map_err(|_| is_no_base())?;
        Ok(Upstream {
            scheme: base.scheme().cloned().ok_or_else(is_no_base)?,
            authority: base.authority().cloned().ok_or_else(is_no_base)?,
            base_path: base.path().trim_end_matches('/').to_owned(),
            once: client.with_idle_timeout(LONGEST_IDLE_BEFORE_WRITES),
            client,
            patience,
        })
    }

    /// The caller's path and query below our base. Scheme and authority are the configured ones, whatever the path says.
    pub(crate) fn target(&self, path: &CheckedPath, query: Option<&str>) -> Result<Uri, BadPath> {
        let mut path_and_query = format!("{}{}", self.base_path, path.encoded());
        if let Some(query) = query {
            path_and_query.push('?');
            path_and_query.push_str(query);
        }
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path_and_query)
            .build()
            .map_err(|_| BadPath("Path or query holds characters that must be escaped"))
    }

    /// The product's own answer, be it a redirect or an error; else 502 or 504.
    pub(crate) async fn ask(&self, request: PassedOn, arrived_at: Instant) -> Result<Reply, ApiError> {
        let patience = self.patience.min(LONGEST_STAY.saturating_sub(arrived_at.elapsed()));
        let until = Instant::now() + patience;
        let method = request.method().clone();
        let client = if method.is_idempotent() { &self.client } else { &self.once };
        let first = client.send(request.clone(), time_left(until)).await;
        let answered = match first {
            Err(HttpsError::Connect(_)) => client.send(request, time_left(until)).await,
            // A connection from the pool may have been closed behind our back; whether the request arrived is not known.
            Err(HttpsError::Broken(_)) if method.is_idempotent() => client.send(request, time_left(until)).await,
            answered => answered,
        };
        let answered = match answered {
            Ok(response) => answer::bring_back(response, &method, time_left(until)).await,
            Err(error) => Err(error),
        };
        answered.map_err(no_answer)
    }
}

/// The caller's request as it goes on: method and body to the letter, the headers as [`headers`] and the gate say.
pub(crate) fn passed_on(request: Request, target: Uri, admission: Option<&Admission>) -> PassedOn {
    let mut onward = headers::onward(&request);
    identity::mark(&mut onward, admission);
    let method = request.method().clone();
    let body = match request.into_body() {
        Body::Text(text) => Bytes::from(text),
        Body::Binary(bytes) => Bytes::from(bytes),
        _ => Bytes::new(),
    };
    // Said also of an empty body where one is usual: some servers ask for a length.
    if !body.is_empty() || matches!(method, Method::POST | Method::PUT | Method::PATCH) {
        onward.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let mut passed_on = http::Request::new(Full::new(body));
    *passed_on.method_mut() = method;
    *passed_on.uri_mut() = target;
    *passed_on.headers_mut() = onward;
    passed_on
}

fn time_left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

fn no_answer(error: HttpsError) -> ApiError {
    match error {
        HttpsError::Timeout => ApiError::GatewayTimeout { detail: error.to_string() },
        HttpsError::TooLarge => {
            ApiError::bad_gateway("The answer of the service behind is too large", "UPSTREAM_TOO_LARGE", &error)
        }
        HttpsError::Connect(_) | HttpsError::Broken(_) => {
            ApiError::bad_gateway("The service behind did not answer", "BAD_GATEWAY", &error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// A product that lets a connection idle for 1.2 s, while the function is frozen for 1.5: on the one thread nothing of
    /// ours runs meanwhile, so the end of the connection is not seen before the next request is written.
    #[tokio::test]
    async fn a_write_after_a_freeze_is_not_lost_on_a_connection_the_product_has_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(Duration::from_millis(1200))).unwrap();
                    while stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                    }
                });
            }
        });
        let upstream = Upstream::new(&base.parse().unwrap(), Duration::from_secs(5)).unwrap();
        let write = || {
            let request = http::Request::post(&base).body(Full::new(Bytes::new())).unwrap();
            upstream.ask(request, Instant::now())
        };
        write().await.unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(write().await.unwrap().status(), 200);
    }
}
