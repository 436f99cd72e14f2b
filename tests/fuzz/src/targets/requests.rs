//! What callers send: bodies, URLs, paths.

use std::cell::OnceCell;
use std::rc::Rc;

use jsonwebtoken::{EncodingKey, Header};
use lambda_http::{Body, Request};
use percent_encoding::percent_decode_str;
use serde_json::json;
use shared::auth::use_hs256_only;
use shared::clock::Clock;
use shared::gate::{CheckedPath, ExemptPrefixes, Spelling};
use shared::http::{Function, urls};
use url::Url;

use super::wait_for;
use crate::still::{JWT_KEY, ORIGIN, Still};

thread_local! {
    static CHECKOUT: OnceCell<Rc<(Function, Still)>> = const { OnceCell::new() };
}

/// The body of a checkout where nothing is for sale: every one is 400, and nothing is written.
pub(crate) fn checkout_body(data: &[u8]) {
    let checkout = CHECKOUT.with(|cell| {
        let made = || {
            let still = Still::default();
            Rc::new((checkout::function(&Ok(still.core(&[]))), still))
        };
        Rc::clone(cell.get_or_init(made))
    });
    let mut request = Request::new(Body::Binary(data.to_vec()));
    *request.method_mut() = shared::http::Method::POST;
    request.headers_mut().insert("authorization", format!("Bearer {}", token()).parse().expect("a header"));
    let reply = wait_for(checkout.0.call(request));
    assert_eq!(reply.status(), 400);
    let Body::Text(text) = reply.body() else { panic!("a reply without a text") };
    assert!(text.len() < 256, "a reply that repeats what came");
}

fn token() -> String {
    use_hs256_only();
    let expires_at = Clock::default().wall_now().as_second() + 300;
    let claims = json!({ "token_type": "access", "exp": expires_at, "user_id": 42 });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(JWT_KEY.as_bytes())).expect("a token")
}

/// What is accepted is the very text, and leads to an allowed origin by another reading too.
pub(crate) fn return_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let allowed = [ORIGIN.to_owned(), "http://localhost:3000".to_owned()];
    let Ok(accepted) = urls::return_url(text, &allowed) else { return };
    assert_eq!(accepted, text);
    let url = Url::parse(&accepted).expect("a URL");
    assert!(allowed.contains(&url.origin().ascii_serialization()));
    assert!(url.username().is_empty() && url.password().is_none());
    let after = allowed.iter().find_map(|origin| text.strip_prefix(origin)).expect("the origin at the start");
    assert!(after.is_empty() || after.starts_with(['/', '?', '#']));
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'));
}

/// What needs no token stays below the exempt prefix however often it is decoded and walked.
pub(crate) fn gate_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let exempt = ExemptPrefixes::new(&["/api/auth/".to_owned()]);
    for spelling in [Spelling::AsSent, Spelling::Decoded] {
        let Ok(path) = CheckedPath::parse(text, spelling) else { continue };
        assert!(path.encoded().starts_with('/'));
        assert!(path.encoded().parse::<lambda_http::http::Uri>().is_ok(), "a path that no URL holds");
        if exempt.cover(&path) {
            let walked = walked(path.encoded());
            assert!(walked == "/api/auth" || walked.starts_with("/api/auth/"), "{walked}");
        }
    }
}

/// As a careless server reads a path: decoded until nothing changes, backslashes as slashes, parameters cut off, dots
/// walked.
fn walked(path: &str) -> String {
    let mut path = path.to_owned();
    for _ in 0..5 {
        path = percent_decode_str(&path).decode_utf8_lossy().replace('\\', "/");
    }
    let mut segments = Vec::new();
    for segment in path.split(['?', '#']).next().unwrap_or_default().split('/') {
        match segment.split(';').next().unwrap_or_default().trim() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment.to_owned()),
        }
    }
    format!("/{}", segments.join("/"))
}
