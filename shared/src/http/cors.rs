//! Which browser pages may read our replies: exact allowed origins, on every status.
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>

use lambda_http::Body;
use lambda_http::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use lambda_http::http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::{Reply, Request};

/// What front ends of the Django system could send: the list of django-cors-headers, less what a browser sends unasked.
const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("Accept, Authorization, Content-Type, X-CSRFToken, X-Requested-With");

/// Browsers forget a preflight after ten minutes at the most, so a changed list is soon known.
const PREFLIGHT_MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("600");

#[derive(Clone, Debug)]
pub struct Cors {
    allowed_origins: Vec<String>,
}

impl Cors {
    pub fn new(allowed_origins: &[String]) -> Cors {
        Cors { allowed_origins: allowed_origins.to_vec() }
    }

    pub fn is_preflight(request: &Request) -> bool {
        request.method() == Method::OPTIONS
            && request.headers().contains_key(ORIGIN)
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// The origin that sent the request, to give to [`Cors::mark`] with the reply.
    pub fn origin(request: &Request) -> Option<HeaderValue> {
        request.headers().get(ORIGIN).cloned()
    }

    /// The headers that the page wants to send, where they are names and no more of them than a page would have.
    pub fn wanted_headers(request: &Request) -> Option<HeaderValue> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b',' | b' ');
        let wanted = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS)?;
        (wanted.len() <= 1024 && wanted.as_bytes().iter().copied().all(is_plain)).then(|| wanted.clone())
    }

    /// 204; [`Cors::mark`] adds whether the page may go on.
    pub fn preflight_reply(allow: &str, wanted: Option<HeaderValue>) -> Reply {
        let mut reply = Reply::new(Body::Empty);
        *reply.status_mut() = StatusCode::NO_CONTENT;
        let headers = reply.headers_mut();
        if let Ok(methods) = HeaderValue::from_str(allow) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        if wanted.is_some() {
            headers.append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
        }
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(ALLOWED_HEADERS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE_SECONDS);
        reply
    }

    /// Says on the reply whether the page may read it. An upstream's own opinion gives way to ours.
    pub fn mark(&self, origin: Option<&HeaderValue>, reply: &mut Reply) {
        let headers = reply.headers_mut();
        vary_by_origin(headers);
        let Some(origin) = origin else { return };
        headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        if self.allows(origin) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.allowed_origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
    }
}

fn vary_by_origin(headers: &mut HeaderMap) {
    let says_so = headers
        .get_all(VARY)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == "*" || name.trim().eq_ignore_ascii_case("origin"));
    if !says_so {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors() -> Cors {
        Cors::new(&["https://app.example.com".to_owned(), "http://localhost:3000".to_owned()])
    }

    fn marked(origin: &str) -> Reply {
        let mut reply = Reply::new(Body::Empty);
        cors().mark(Some(&HeaderValue::from_str(origin).unwrap()), &mut reply);
        reply
    }

    #[test]
    fn an_allowed_origin_may_read() {
        for origin in ["https://app.example.com", "http://localhost:3000"] {
            assert_eq!(marked(origin).headers()[ACCESS_CONTROL_ALLOW_ORIGIN], origin);
        }
    }

    #[test]
    fn near_misses_may_not() {
        for origin in [
            "null",
            "*",
            "https://app.example.com.",
            "https://app.example.com/",
            "https://app.example.com:443",
            "https://app.example.com:8443",
            "http://app.example.com",
            "https://APP.example.com",
            "https://app.example.com.evil.com",
            "https://evilapp.example.com",
            "https://example.com",
            "http://localhost",
            "http://localhost:3001",
        ] {
            let reply = marked(origin);
            assert!(!reply.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{origin}");
            assert_eq!(reply.headers()[VARY], "Origin");
        }
    }

    #[test]
    fn an_upstream_does_not_open_what_we_keep_shut() {
        let mut reply = Reply::new(Body::Empty);
        reply.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept, origin"));
        cors().mark(Some(&HeaderValue::from_static("https://evil.com")), &mut reply);
        assert!(!reply.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(reply.headers().get_all(VARY).iter().count(), 1);
    }
}
