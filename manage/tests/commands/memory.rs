//! `sync-stripe` as the binary runs it on accounts of very different sizes: its memory does not follow the account's.

use std::process::Stdio;

use axum::Router;
use axum::http::HeaderMap;
use serde_json::json;
use tests::World;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::fake_stripe::{Account, FakeStripe};

/// How far a small account and one ten times as large may be apart, in kilobytes: allocators are not exact.
const NOISE_KB: u64 = 16_000;
/// What no account may need.
const MOST_KB: u64 = 250_000;

/// A table that holds nothing and accepts everything: what is measured is the command.
async fn bottomless_table() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = |headers: HeaderMap| async move {
        let operation = headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
        let reply = if operation == "Query" { json!({ "Items": [], "Count": 0 }) } else { json!({}) };
        ([("content-type", "application/x-amz-json-1.0")], reply.to_string())
    };
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// The most memory the command had, and how many customers it told of.
async fn peak_kb_and_lines(world: &World, customers: u64) -> (u64, u64) {
    let stripe = FakeStripe::start(Account { customers, ..Account::default() }).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_manage"))
        .arg("sync-stripe")
        .env_clear()
        .env("TABLE_NAME", "bottomless")
        .env("SECRET_ID_TEST", world.stack.secret_id(shared::domain::Mode::Test))
        .env("AWS_REGION", "sa-east-1")
        .env("AWS_ENDPOINT_URL_DYNAMODB", bottomless_table().await)
        .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", world.stack.secrets_url())
        .env("STRIPE_API_URL", &stripe.url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut told, mut peak) = (0, 0);
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains('@') {
            told += 1;
        }
        if told % 200 == 0 {
            // Gone when the last lines are still in the pipe.
            peak = peak.max(peak_of(pid).unwrap_or(0));
        }
    }
    assert!(child.wait().await.unwrap().success());
    (peak, told)
}

/// `VmHWM`: the most physical memory the process ever had.
fn peak_of(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

async fn compare(small: u64, large: u64) {
    let world = World::start().await.unwrap();
    let (small_kb, small_told) = peak_kb_and_lines(&world, small).await;
    let (large_kb, large_told) = peak_kb_and_lines(&world, large).await;
    eprintln!("{small} customers: {small_kb} KB, {large} customers: {large_kb} KB");
    assert_eq!((small_told, large_told), (small, large));
    assert!(small_kb > 0 && large_kb < MOST_KB, "{large_kb} KB");
    assert!(large_kb < small_kb + NOISE_KB, "{small} customers: {small_kb} KB, {large} customers: {large_kb} KB");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_account() {
    compare(1_500, 15_000).await;
}
