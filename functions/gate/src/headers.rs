//! Which headers pass, either way.
//!
//! Names are compared as the laxest server behind would ([`reads_as`]): `Transfer_Encoding` is stopped as
//! `Transfer-Encoding` is.

use lambda_http::RequestExt;
use lambda_http::http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue};
use lambda_http::request::RequestContext;
use shared::gate::identity::{begins_like, reads_as, remove_where};
use shared::http::Request;

/// About one connection, not about the message: <https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1>.
const HOP_BY_HOP: [&str; 8] =
    ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "proxy"];

/// Ours to say of the request we send: the client writes its own, and the whole body is at hand.
const OF_THE_SENDER: [&str; 3] = ["host", "content-length", "expect"];

/// What only a proxy may tell an application. `X-Original-URL` and its kin make some frameworks serve another path
/// than the one that was asked for, and the gate judged.
const OF_A_PROXY: [&str; 8] = [
    "forwarded",
    "x-real-ip",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-http-host-override",
    "script-name",
    "path-info",
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The headers of the request that goes on, but for those about the caller's identity.
pub(crate) fn onward(request: &Request) -> HeaderMap {
    let forwarded = Forwarded::of(request);
    let mut headers = request.headers().clone();
    drop_hop_by_hop(&mut headers);
    remove_where(&mut headers, |name| {
        OF_THE_SENDER.iter().chain(&OF_A_PROXY).any(|stopped| reads_as(name, stopped))
            || begins_like(name, "x-forwarded-")
    });
    forwarded.mark(&mut headers);
    headers
}

/// The headers of the reply that comes back. `has_no_body`: of HEAD and 304, whose length is that of another reply.
pub(crate) fn back(headers: &mut HeaderMap, has_no_body: bool) {
    drop_hop_by_hop(headers);
    if !has_no_body {
        // API Gateway counts for itself.
        headers.remove(CONTENT_LENGTH);
    }
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .collect();
    remove_where(headers, |name| {
        HOP_BY_HOP.iter().any(|hop| reads_as(name, hop))
            || begins_like(name, "proxy-")
            || named.iter().any(|named| named.eq_ignore_ascii_case(name.as_str()))
    });
}

/// Where the request came from, as API Gateway saw it: it writes these headers anew, or appends to the caller's.
struct Forwarded {
    by: Option<HeaderValue>,
    proto: HeaderValue,
    port: Option<HeaderValue>,
    host: Option<HeaderValue>,
}

impl Forwarded {
    fn of(request: &Request) -> Forwarded {
        let header = |name: HeaderName| request.headers().get(name).cloned();
        let context = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => Some(context),
            _ => None,
        };
        let source_ip = context.and_then(|context| context.http.source_ip.as_deref());
        let domain = context.and_then(|context| context.domain_name.as_deref());
        Forwarded {
            by: for_whom(header(X_FORWARDED_FOR), source_ip),
            // API Gateway itself takes https only.
            proto: header(X_FORWARDED_PROTO)
                .filter(|proto| proto == "http")
                .unwrap_or(HeaderValue::from_static("https")),
            port: header(X_FORWARDED_PORT),
            host: domain.and_then(|domain| domain.parse().ok()).or_else(|| header(HOST)),
        }
    }

    fn mark(self, headers: &mut HeaderMap) {
        headers.insert(X_FORWARDED_PROTO, self.proto);
        for (name, value) in [(X_FORWARDED_FOR, self.by), (X_FORWARDED_PORT, self.port), (X_FORWARDED_HOST, self.host)]
        {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }
}

/// The list so far, with the address that reached API Gateway at its end.
fn for_whom(so_far: Option<HeaderValue>, source_ip: Option<&str>) -> Option<HeaderValue> {
    let Some(source_ip) = source_ip else { return so_far };
    let list = so_far.as_ref().and_then(|value| value.to_str().ok()).map(str::trim).filter(|list| !list.is_empty());
    let Some(list) = list else { return source_ip.parse().ok() };
    let is_named = list.rsplit(',').next().is_some_and(|last| last.trim() == source_ip);
    if is_named { so_far } else { format!("{list}, {source_ip}").parse().ok() }
}
