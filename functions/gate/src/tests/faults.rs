//! A product that misbehaves costs its own request an error, and nothing else.

use std::time::{Duration, Instant};

use super::scripted::{Answer, Scripted};
use super::stack::{Asked, Setting, Stack, Told};

async fn told_by(product: &Scripted, asked: Asked) -> Told {
    let setting =
        Setting { upstream_url: product.url.clone(), patience: Some(Duration::from_secs(2)), ..Setting::default() };
    Stack::start(setting).await.ask(asked).await
}

async fn code_of(answer: Answer) -> (u64, String) {
    let product = Scripted::start(move |_, _| answer.clone()).await;
    let told = told_by(&product, Asked::new("POST", "/api/auth/a")).await;
    assert_eq!(product.received().len(), 1);
    (told.status(), told.code())
}

fn last(text: &str) -> Answer {
    Answer::Last(text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_hundred_megabytes_are_not_read() {
    let started = Instant::now();
    let told = Answer::text("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
    assert_eq!(code_of(told).await, (502, "UPSTREAM_TOO_LARGE".to_owned()));
    assert!(started.elapsed() < Duration::from_secs(1), "the body was waited for");
    let piece = format!("10000\r\n{}\r\n", "a".repeat(0x10000)).into_bytes();
    let untold = Answer::Endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", piece, Duration::ZERO);
    assert_eq!(code_of(untold).await, (502, "UPSTREAM_TOO_LARGE".to_owned()));
}

#[tokio::test]
async fn an_endless_trickle_is_cut_off() {
    let trickle = Answer::Endless("HTTP/1.1 200 OK\r\n\r\n", b"data: tick\n\n".to_vec(), Duration::from_millis(50));
    assert_eq!(code_of(trickle).await, (504, "GATEWAY_TIMEOUT".to_owned()));
}

#[tokio::test]
async fn lies_and_nonsense_are_502() {
    for nonsense in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "",
    ] {
        assert_eq!(code_of(last(nonsense)).await, (502, "BAD_GATEWAY".to_owned()), "{nonsense:?}");
    }
}

#[tokio::test]
async fn the_next_request_is_not_read_out_of_a_split_answer() {
    let product = Scripted::start(|before, _| match before {
        0 => Answer::text(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        ),
        _ => Answer::ok("honest"),
    })
    .await;
    let stack = Stack::before(&product).await;
    assert_eq!(stack.ask(Asked::get("/api/auth/a")).await.body(), "ok");
    assert_eq!(stack.ask(Asked::get("/api/auth/b")).await.body(), "honest");
}

#[tokio::test]
async fn a_broken_connection_is_tried_again_once_where_that_is_safe() {
    let breaking_once = || Scripted::start(|before, _| if before == 0 { last("") } else { Answer::ok("second") });
    for method in ["GET", "PUT", "DELETE"] {
        let product = breaking_once().await;
        assert_eq!(told_by(&product, Asked::new(method, "/api/auth/a")).await.body(), "second");
    }
    for method in ["POST", "PATCH"] {
        let product = breaking_once().await;
        assert_eq!(told_by(&product, Asked::new(method, "/api/auth/a")).await.status(), 502);
        assert_eq!(product.received().len(), 1, "{method} may have had its effect");
    }
    let broken = Scripted::start(|_, _| last("")).await;
    assert_eq!(told_by(&broken, Asked::get("/api/auth/a")).await.status(), 502);
    assert_eq!(broken.received().len(), 2);
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_meanwhile_does_no_harm() {
    let closing = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
    let product = Scripted::start(move |_, _| Answer::Last(closing.clone())).await;
    let stack = Stack::before(&product).await;
    for _ in 0..3 {
        assert_eq!(stack.ask(Asked::new("POST", "/api/auth/a")).await.body(), "ok");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
