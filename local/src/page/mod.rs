//! The demo page: three static files compiled in, served with headers that let them talk to this origin alone.

use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::get;

/// Where the product sends a browser; all of them are the one page, which looks at its own address.
const PLACES: [&str; 7] = [
    "/",
    "/checkout",
    "/checkout/success",
    "/checkout/cancel",
    "/settings",
    "/subscription/expired",
    "/subscription/trial-used",
];

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub(crate) fn router() -> Router {
    let mut router = Router::new()
        .route("/_local/page.css", get(async || file("text/css; charset=utf-8", include_str!("page.css"))))
        .route("/_local/page.js", get(async || file("text/javascript; charset=utf-8", include_str!("page.js"))))
        .route("/_local/words.js", get(async || file("text/javascript; charset=utf-8", include_str!("words.js"))))
        .route("/favicon.ico", get(async || file("image/svg+xml", include_str!("icon.svg"))));
    for place in PLACES {
        router = router.route(place, get(async || file("text/html; charset=utf-8", include_str!("index.html"))));
        if place != "/" {
            let slash = format!("{place}/");
            router = router.route(&slash, get(async || file("text/html; charset=utf-8", include_str!("index.html"))));
        }
    }
    router
}

fn file(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (AppendHeaders(headers), text)
}
