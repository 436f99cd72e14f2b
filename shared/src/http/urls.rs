//! Where Stripe may send a user back to: only to the merchant's own pages.

use url::{Host, Url};

use super::ApiError;

const LONGEST: usize = 2048;

/// The URL is none we would send a user to. Holds why, never the URL.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct UrlNotAllowed(&'static str);

impl From<UrlNotAllowed> for ApiError {
    fn from(error: UrlNotAllowed) -> ApiError {
        ApiError::bad_request("URL_NOT_ALLOWED", error.0)
    }
}

/// The caller's own text, when it is https (http for loopback hosts) on exactly one of the allowed origins.
///
/// The text is returned as it came, so that `{CHECKOUT_SESSION_ID}` reaches Stripe unescaped. Because it is the text
/// that Stripe and browsers will read, the text itself must start with the origin, and hold nothing that two URL
/// parsers have ever read differently: no spaces, control characters, backslashes or characters beyond ASCII.
pub fn return_url(text: &str, allowed_origins: &[String]) -> Result<String, UrlNotAllowed> {
    if text.len() > LONGEST {
        return Err(UrlNotAllowed("URL is too long"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(UrlNotAllowed("URL holds characters that must be escaped"));
    }
    let url = Url::parse(text).map_err(|_| UrlNotAllowed("URL is not absolute"))?;
    if !is_secure(&url) {
        return Err(UrlNotAllowed("URL must be https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlNotAllowed("URL must not hold user information"));
    }
    let origin = url.origin().ascii_serialization();
    let is_allowed = allowed_origins.contains(&origin)
        && text.strip_prefix(&origin).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    if is_allowed { Ok(text.to_owned()) } else { Err(UrlNotAllowed("URL is not on an allowed origin")) }
}

/// https, or http to this very machine.
pub fn is_secure(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => is_loopback(url),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    }
}
