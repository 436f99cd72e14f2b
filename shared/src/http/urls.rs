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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowed() -> Vec<String> {
        ["https://ok.example.com", "http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn pages_of_allowed_origins_come_back_as_they_were_written() {
        for text in [
            "https://ok.example.com",
            "https://ok.example.com/",
            "https://ok.example.com/checkout/success?session_id={CHECKOUT_SESSION_ID}",
            "https://ok.example.com/success/{CHECKOUT_SESSION_ID}#done",
            "https://ok.example.com?x=https://evil.com",
            "https://ok.example.com/a@b",
            "http://localhost:3000/settings",
            "http://127.0.0.1:3000/settings",
            "http://[::1]:3000/settings",
        ] {
            assert_eq!(return_url(text, &allowed()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "/settings",
            "//evil.com",
            "//ok.example.com/settings",
            "https:ok.example.com",
            "https:/ok.example.com",
            "https:///ok.example.com",
            "https://evil.com",
            "https://ok.example.com@evil.com",
            "https://ok.example.com:443@evil.com",
            "https://user@ok.example.com/",
            "https://user:secret@ok.example.com/",
            "https://@ok.example.com/",
            "https://ok.example.com.evil.com/",
            "https://ok.example.com.",
            "https://ok.example.com./settings",
            "https://ok.example.com:8443/",
            "https://ok.example.com:443/",
            "https://ok.example.com:/",
            "https://OK.example.com/",
            "HTTPS://ok.example.com/",
            "http://ok.example.com/",
            "http://localhost:3001/",
            "http://localhost/",
            "https://localhost:3000/",
            "http://localhost.evil.com:3000/",
            "https://xn--k-vna.example.com/",
            "https://\u{f6}k.example.com/",
            "https://ok\u{3002}example.com/",
            "https://ok\u{ff0e}example.com/",
            "https://ok.example.com\\@evil.com",
            "https://ok.example.com\\.evil.com",
            "https:\\\\ok.example.com",
            "https://ok.example.com/a b",
            "https://ok.example.com/\ta",
            "ht\ntps://ok.example.com/",
            " https://ok.example.com/",
            "https://ok.example.com/ ",
            "https://ok.example.com/\u{0}",
            "https://ok.example.com/\u{7f}",
            "https://{CHECKOUT_SESSION_ID}.example.com/",
            "https://ok.example.com{CHECKOUT_SESSION_ID}",
            "javascript:alert(1)",
            "javascript://ok.example.com/%0aalert(1)",
            "data:text/html,hello",
            "blob:https://ok.example.com/1",
            "ftp://ok.example.com/",
            "null",
        ] {
            assert!(return_url(text, &allowed()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn two_thousand_and_forty_eight_characters_are_enough() {
        let of_length = |length: usize| {
            let start = "https://ok.example.com/";
            format!("{start}{}", "a".repeat(length - start.len()))
        };
        assert!(return_url(&of_length(2048), &allowed()).is_ok());
        assert!(return_url(&of_length(2049), &allowed()).is_err());
        assert!(return_url(&of_length(5000), &allowed()).is_err());
    }

    #[test]
    fn plain_http_is_for_loopback_hosts_even_when_an_origin_says_otherwise() {
        let origins = ["http://intranet.example.com".to_owned()];
        assert!(return_url("http://intranet.example.com/", &origins).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_leads_to_an_allowed_origin(
            start in prop_oneof![
                Just("https://ok.example.com"), Just("http://localhost:3000"), Just("https://ok.example"),
                Just("https://"), Just("//"), Just(""),
            ],
            rest in r"[a-z0-9@:/\\.?#{}%\[\]\t\n -]{0,40}",
            end in "\\PC{0,10}",
        ) {
            let text = format!("{start}{rest}{end}");
            if let Ok(accepted) = return_url(&text, &allowed()) {
                prop_assert_eq!(&accepted, &text);
                let url = Url::parse(&accepted).unwrap();
                prop_assert!(allowed().contains(&url.origin().ascii_serialization()));
                prop_assert!(url.username().is_empty() && url.password().is_none());
            }
        }
    }
}
