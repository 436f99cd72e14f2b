//! What goes on to the product, and what comes back: as it was, less what is dangerous.

use serde_json::json;

use super::scripted::{Answer, Received, Scripted};
use super::stack::{Asked, Setting, Stack};

async fn answering(answer: &str) -> (Stack, Scripted) {
    let answer = answer.to_owned();
    let product = Scripted::start(move |_, _| Answer::text(&answer)).await;
    (Stack::before(&product).await, product)
}

const NOTHING: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// The request as the product got it.
async fn passed_on(asked: Asked) -> Received {
    let (stack, product) = answering(NOTHING).await;
    let told = stack.ask(asked).await;
    assert_eq!(told.status(), 204, "{}", told.body());
    product.only()
}

#[tokio::test]
async fn path_and_query_go_on_as_they_were() {
    let asked = Asked::get("/api/auth/a%2Bb/~x").field("rawQueryString", json!("a=%2F&a=2&b=%20c&d"));
    assert_eq!(
        passed_on(asked.by_function_url()).await.request_line(),
        "GET /api/auth/a%2Bb/~x?a=%2F&a=2&b=%20c&d HTTP/1.1"
    );
}

#[tokio::test]
async fn a_path_that_api_gateway_decoded_is_encoded_again() {
    let asked = Asked::get("/api/c#/José 100%/x?").with_claims(json!({ "user_id": "1", "is_superuser": true }));
    assert_eq!(passed_on(asked).await.request_line(), "GET /api/c%23/Jos%C3%A9%20100%25/x%3F HTTP/1.1");
}

#[tokio::test]
async fn the_products_own_base_path_stays() {
    let product = Scripted::start(|_, _| Answer::text(NOTHING)).await;
    let setting = Setting { upstream_url: format!("{}/v2/", product.url), ..Setting::default() };
    Stack::start(setting).await.ask(Asked::get("/api/auth/login/")).await;
    assert_eq!(product.only().request_line(), "GET /v2/api/auth/login/ HTTP/1.1");
    assert_eq!(product.only().header("host"), [product.url.trim_start_matches("http://")]);
}

#[tokio::test]
async fn a_path_that_servers_read_differently_reaches_nobody() {
    let (stack, product) = answering(NOTHING).await;
    for path in
        ["/api/auth/../banking", "/api//banking", "/api/auth/%2e%2e/banking", "/api/auth/..;/banking", "/api/auth\\x"]
    {
        for asked in [Asked::get(path), Asked::get(path).by_function_url()] {
            let asked = asked.with_claims(json!({ "user_id": "1", "is_superuser": true }));
            let told = stack.ask(asked).await;
            assert_eq!((told.status(), told.code().as_str()), (400, "BAD_PATH"), "{path}");
        }
    }
    let hidden_query = Asked::get("/api/auth/x#y").field("rawQueryString", json!("a=1"));
    assert_eq!(stack.ask(hidden_query).await.code(), "BAD_PATH");
    assert!(product.received().is_empty());
}

#[tokio::test]
async fn only_methods_of_an_api_pass() {
    let (stack, product) = answering(NOTHING).await;
    for method in ["CONNECT", "TRACE", "PROPFIND"] {
        let told = stack.ask(Asked::new(method, "/api/auth/login/")).await;
        assert_eq!((told.status(), told.header("allow")), (405, Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")));
    }
    assert!(product.received().is_empty());
}

#[tokio::test]
async fn headers_that_speak_for_the_gate_or_for_a_proxy_do_not_pass() {
    let mut asked = Asked::new("POST", "/api/auth/login/").field("body", json!("a=1"));
    for name in [
        "X-User-Id",
        "x_user_id",
        "X-Subscription-Status",
        "X_Subscription-Status",
        "Proxy",
        "Proxy-Authorization",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Transfer_Encoding",
        "Upgrade",
        "Expect",
        "Content_Length",
        "Forwarded",
        "X_Forwarded_For",
        "X-Forwarded-Host",
        "X-Original-URL",
        "X-Rewrite-Url",
        "Script_Name",
        "X-Named",
    ] {
        asked = asked.header(name, "forged");
    }
    asked = asked.header("content-length", "7").header("connection", "close, X-Named, x-user-id").header("x-kept", "1");
    let passed = passed_on(asked).await;
    let mut names = passed.header_names();
    names.sort();
    assert_eq!(
        names,
        [
            "content-length",
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-proto",
            "x-kept"
        ]
    );
    assert!(!passed.head.contains("forged"));
    assert_eq!(passed.header("content-length"), ["3"]);
}

#[tokio::test]
async fn connection_cannot_take_our_own_headers_away() {
    let asked = Asked::get("/api/banking/").with_claims(json!({ "user_id": "1", "is_superuser": true }));
    let passed = passed_on(asked.header("connection", "X-User-Id, X-Forwarded-For")).await;
    assert_eq!(passed.header("x-user-id"), ["1"]);
    assert_eq!(passed.header("x-forwarded-for"), ["203.0.113.7"]);
}

#[tokio::test]
async fn the_product_learns_where_the_request_came_from() {
    let asked = Asked::get("/api/auth/login/").header("x-forwarded-for", "10.0.0.1, 203.0.113.7");
    let passed = passed_on(asked).await;
    assert_eq!(passed.header("x-forwarded-for"), ["10.0.0.1, 203.0.113.7"]);
    assert_eq!(passed.header("x-forwarded-host"), ["api.example.com"]);
    assert_eq!(passed.header("x-forwarded-proto"), ["https"]);
    let claimed = Asked::get("/api/auth/login/").header("x-forwarded-for", "10.0.0.1");
    assert_eq!(passed_on(claimed).await.header("x-forwarded-for"), ["10.0.0.1, 203.0.113.7"]);
}

#[tokio::test]
async fn token_cookies_and_joined_headers_pass() {
    let asked = Asked::get("/api/auth/login/")
        .header("authorization", "Bearer whatever")
        .header("accept", "text/html,application/json")
        .field("cookies", json!(["a=1", "b=2"]));
    let passed = passed_on(asked).await;
    assert_eq!(passed.header("authorization"), ["Bearer whatever"]);
    assert_eq!(passed.header("accept"), ["text/html,application/json"]);
    assert_eq!(passed.header("cookie"), ["a=1; b=2"]);
}

#[tokio::test]
async fn bodies_go_on_byte_by_byte() {
    let binary =
        Asked::new("PUT", "/api/auth/a").field("body", json!("AP+AIg==")).field("isBase64Encoded", json!(true));
    assert_eq!(passed_on(binary).await.body, [0, 0xff, 0x80, 0x22]);
    let text = Asked::new("POST", "/api/auth/a").field("body", json!("olá\r\n"));
    assert_eq!(passed_on(text).await.body, "olá\r\n".as_bytes());
    let none = passed_on(Asked::new("POST", "/api/auth/a")).await;
    assert_eq!((none.header("content-length"), none.body.len()), (vec!["0"], 0));
}

#[tokio::test]
async fn the_answer_comes_back_as_it_was() {
    let (stack, _) = answering(
        "HTTP/1.1 418 I'm a teapot\r\nContent-Type: text/plain; charset=utf-8\r\nSet-Cookie: a=1; Path=/\r\n\
         Set-Cookie: b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\nVary: Accept\r\nX-Many: 1\r\nX-Many: 2\r\n\
         Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n\
         4\r\nchá\r\n1\r\n!\r\n0\r\n\r\n",
    )
    .await;
    let told = stack.ask(Asked::get("/api/auth/tea").header("origin", "https://app.example.com")).await;
    assert_eq!(
        told.0,
        json!({
            "statusCode": 418,
            "headers": {
                "content-type": "text/plain; charset=utf-8",
                "vary": "Accept, Origin",
                "x-many": "1, 2",
                "access-control-allow-origin": "https://app.example.com",
            },
            "multiValueHeaders": {},
            "cookies": ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
            "body": "chá!",
            "isBase64Encoded": false,
        })
    );
}

#[tokio::test]
async fn a_body_that_is_not_text_comes_back_byte_by_byte() {
    let product = Scripted::start(|_, _| {
        Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Length: 3\r\n\r\nol\xe1"
                .to_vec(),
        )
    })
    .await;
    let told = Stack::before(&product).await.ask(Asked::get("/api/auth/a")).await;
    assert_eq!((told.body(), &told.0["isBase64Encoded"]), ("b2zh", &json!(true)));
}

#[tokio::test]
async fn redirects_are_the_callers_to_follow() {
    let (stack, product) =
        answering("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n").await;
    let told = stack.ask(Asked::get("/api/auth/a")).await;
    assert_eq!((told.status(), told.header("location")), (302, Some("http://169.254.169.254/latest/")));
    assert_eq!(product.received().len(), 1);
}

#[tokio::test]
async fn answers_without_a_body_need_none() {
    let (stack, product) = answering("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await;
    let told = stack.ask(Asked::new("HEAD", "/api/auth/a")).await;
    assert_eq!((told.status(), told.header("content-length"), told.body()), (200, Some("1234"), ""));
    assert_eq!(product.only().request_line(), "HEAD /api/auth/a HTTP/1.1");

    let (stack, _) = answering("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n").await;
    let told = stack.ask(Asked::get("/api/auth/a")).await;
    assert_eq!((told.status(), told.header("etag"), told.body()), (304, Some("\"1\""), ""));
}

#[tokio::test]
async fn a_preflight_is_answered_before_the_gate() {
    let (stack, product) = answering(NOTHING).await;
    let preflight = Asked::new("OPTIONS", "/api/banking/")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "PATCH");
    let told = stack.ask(preflight).await;
    assert_eq!((told.status(), told.header("access-control-allow-origin")), (204, Some("https://app.example.com")));
    assert!(told.header("access-control-allow-methods").unwrap().contains("PATCH"));
    assert!(product.received().is_empty());
}

/// The product behind may want headers that no endpoint of ours reads.
#[tokio::test]
async fn a_preflight_allows_the_headers_that_the_page_wants_to_send_the_product() {
    let (stack, _product) = answering(NOTHING).await;
    let preflight = |wanted: &str| {
        Asked::new("OPTIONS", "/api/banking/")
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", wanted)
    };
    let told = stack.ask(preflight("idempotency-key,if-match")).await;
    assert_eq!(told.header("access-control-allow-headers"), Some("idempotency-key,if-match"));
    let told = stack.ask(preflight("a<b>")).await;
    assert!(told.header("access-control-allow-headers").unwrap().contains("Authorization"));
}
