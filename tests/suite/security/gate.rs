//! The gate against callers and upstreams that want to be taken for something else, over real connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The status of the first answer on a connection that is sent exactly these bytes; 0 when it is closed without one.
async fn raw(world: &World, request: &str) -> Result<(u16, String)> {
    let address = world.stack.api_url().strip_prefix("http://").context("an address")?;
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // `Connection: close` ends it; a server that waits for more is given up.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, answer))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_path_reaches_the_product_without_a_token() -> Result<()> {
    let world = World::start().await?;
    for path in [
        "/api/banking/accounts/",
        "/api//banking/accounts/",
        "//api/auth/../banking/accounts/",
        "/api/%2e%2e/api/banking/accounts/",
        "/api/auth/%2e%2e/banking/accounts/",
        "/api/auth/%252e%252e/banking/accounts/",
        "/api/auth/..%2fbanking/accounts/",
        "/api/auth%2f..%2fbanking/accounts/",
        "/api/auth/..;/banking/accounts/",
        "/api/auth/..;a=b/banking/accounts/",
        "/api/auth/;x/../banking/accounts/",
        "/api/auth/.%2e/banking/accounts/",
        "/api/auth/\\..\\banking\\accounts\\",
        "/api/auth/%5c..%5cbanking/accounts/",
        "/api/auth/..%00/banking/accounts/",
        "/api/auth/%c0%ae%c0%ae/banking/accounts/",
        "/api/auth/%e2%80%a5/banking/accounts/",
        "/api/authx",
        "/api/authx/banking/accounts/",
        "/api/auth-admin/",
        "/API/banking/accounts/",
        "/Api/Auth/../banking/accounts/",
        "/api/banking/accounts/?x=/api/auth/",
        "/api/banking/accounts/%3f/api/auth/",
        "/api/banking/accounts/;/api/auth/",
        "http://evil.example/api/banking/accounts/",
        "http://127.0.0.1:1/api/banking/accounts/",
        "/api/@evil.example/",
        "@evil.example/api/auth/",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n");
        let (status, _) = raw(&world, &request).await?;
        assert!(matches!(status, 0 | 400 | 401 | 404), "{path} answered {status}");
    }
    assert!(world.stack.upstream_arrivals().is_empty(), "{:?}", world.stack.upstream_arrivals());
    assert!(world.stack.dynamodb_calls().is_empty(), "nobody's records were read");
    // The same way of asking does reach the product where it may.
    let request = "GET /api/auth/hello HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n";
    assert_eq!(raw(&world, request).await?.0, 200);
    assert_eq!(world.stack.upstream_arrivals(), ["GET /api/auth/hello"]);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_a_caller_never_speak_for_the_gate() -> Result<()> {
    let world = World::start().await?;
    let token = world.stack.token(json!({ "user_id": 7, "is_superuser": true }))?;
    let forged = "X-User-Id: 1\r\nx_user_id: 2\r\nX-User_Id: 3\r\nX-Subscription-Status: active\r\n\
                  Connection: close, X-User-Id, X-Subscription-Status, Authorization\r\nKeep-Alive: timeout=99\r\n\
                  Proxy-Authorization: Basic forged\r\nTE: trailers\r\nX-Forwarded-User: 1\r\nForwarded: for=forged\r\n\
                  X-Original-URL: /api/admin\r\nX-Rewrite-URL: /api/admin\r\nX-HTTP-Method-Override: DELETE";
    for (path, authorization, user) in [
        ("/api/echo/a", format!("Authorization: Bearer {token}\r\n"), Some("7")),
        ("/api/auth/hello", String::new(), None),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{authorization}{forged}\r\n\r\n");
        let (status, answer) = raw(&world, &request).await?;
        assert_eq!(status, 200, "{path}: {answer}");
        if let Some(user) = user {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let from = body.find('{').context("a body")?;
            let to = body.rfind('}').context("a body")?;
            let seen: Value = serde_json::from_str(&body[from..=to])?;
            let headers = seen["headers"].as_array().cloned().unwrap_or_default();
            let of = |name: &str| -> Vec<String> {
                let found =
                    headers.iter().filter(|pair| pair[0].as_str().unwrap_or_default().replace('_', "-") == name);
                found.map(|pair| pair[1].as_str().unwrap_or_default().to_owned()).collect()
            };
            assert_eq!(of("x-user-id"), [user], "{seen}");
            for name in ["x-subscription-status", "proxy-authorization", "x-original-url", "x-rewrite-url", "forwarded"]
            {
                assert!(of(name).is_empty(), "{name} passed: {seen}");
            }
            assert_eq!(seen["method"], "GET");
        }
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_of_a_caller_is_one_request_at_the_product() -> Result<()> {
    let world = World::start().await?;
    let hidden = "GET /api/banking/accounts/ HTTP/1.1\r\nHost: api.example.com\r\nX-User-Id: 1\r\n\r\n";
    let length = hidden.len();
    let start = "POST /api/auth/login HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n";
    let chunked = format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n");
    let requests = [
        ("both lengths", format!("{start}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}")),
        ("two lengths", format!("{start}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}")),
        ("a signed length", format!("{start}Content-Length: +{length}\r\n\r\n{hidden}")),
        ("a space before the colon", format!("{start}Content-Length : {length}\r\n\r\n{hidden}")),
        ("an unknown coding", format!("{start}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}")),
        ("two codings", format!("{start}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{chunked}")),
        ("a folded line", format!("{start}Transfer-Encoding:\r\n chunked\r\n\r\n{chunked}")),
        ("in the body", format!("{start}Content-Length: {length}\r\n\r\n{hidden}")),
        ("in a chunk", format!("{start}Transfer-Encoding: chunked\r\n\r\n{chunked}")),
        (
            "in a name",
            "GET /api/auth/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: a\rX-User-Id: 1\r\n\r\n".to_owned(),
        ),
    ];
    for (name, request) in requests {
        let before = world.stack.upstream_arrivals().len();
        let _ = raw(&world, &request).await?;
        let arrived = world.stack.upstream_arrivals().split_off(before);
        match name {
            "in the body" | "in a chunk" => assert_eq!(arrived.len(), 1, "{name}: {arrived:?}"),
            _ => assert!(arrived.len() <= 1, "{name}: {arrived:?}"),
        }
        assert!(arrived.iter().all(|line| line.contains(" /api/auth/")), "{name}: {arrived:?}");
    }
    world.stack.shutdown().await
}

/// A product that answers every request with the same bytes, and perhaps goes on for ever.
async fn rogue(answer: &'static [u8], goes_on: &'static [u8]) -> Result<(SocketAddr, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                    let mut written = stream.write_all(answer).await;
                    while written.is_ok() && !goes_on.is_empty() {
                        written = stream.write_all(goes_on).await;
                    }
                }
            });
        }
    });
    Ok((address, asked))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_gone_mad_costs_one_request_an_error() -> Result<()> {
    const CHUNK: &[u8] = b"1000\r\nxxxxxxxxxxxxxxxx";
    let rows: [(&str, &'static [u8], &'static [u8], u16); 6] = [
        (
            "redirects",
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
            b"",
            302,
        ),
        ("tells of 100 MB", b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", b"", 502),
        ("streams for ever", b"HTTP/1.1 200 OK\r\n\r\n", b"for ever and ever ", 502),
        ("chunks that are none", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", CHUNK, 502),
        ("says too much", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", b"", 502),
        ("no HTTP", b"\x16\x03\x01\x00\xff\xfe", b"", 502),
    ];
    for (name, answer, goes_on, status) in rows {
        let (address, asked) = rogue(answer, goes_on).await?;
        let world = World::with(&[("UPSTREAM_URL", &format!("http://{address}"))]).await?;
        let told = tests::answer(world.request(reqwest::Method::POST, "/api/auth/x", None)).await?;
        assert_eq!(told.status, status, "{name}: {:?}", told.body);
        assert!(told.bytes.len() < 1024, "{name}");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{name}: asked once, and nobody else was");
        assert_eq!(world.get("/health/", None).await?.status, 200, "{name}: the others go on");
        world.stack.shutdown().await?;
    }
    Ok(())
}
