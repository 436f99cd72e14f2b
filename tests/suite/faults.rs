//! What is answered and what the records say when DynamoDB, Secrets Manager or Stripe fail: one table per neighbour, one
//! row per fault. Each row ends with the fault gone and the same thing asked again.

mod dynamodb;
mod secrets;
mod storm;
mod stripe;

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;
use tests::{Answer, World};
use tokio::task::JoinSet;

/// More often than anything is tried.
const MANY: u32 = 60;
/// Every answer comes within this, whatever fails.
const BUDGET: Duration = Duration::from_secs(15);
/// Worlds at once; more would only wait for the processor.
const WORLDS: usize = 8;

/// What a row shows, to be compared with what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// The answer's status.
    status: u16,
    /// The requests that reached who failed.
    tries: usize,
    /// The user's record after the answer.
    record: String,
    /// What is answered when the fault is over and the same is asked again.
    again: String,
    /// The record after that.
    record_again: String,
}

/// Plays every row in a world of its own, some at once; a failed assertion shows every row that is not as expected.
async fn play<R, F>(
    table: &'static [R],
    play_one: impl Fn(&'static R) -> F,
    expected: impl Fn(&R) -> Seen,
) -> Result<()>
where
    R: Sync + std::fmt::Debug,
    F: Future<Output = Result<Seen>> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut rows = table.iter().enumerate();
    let mut seen: Vec<Option<Seen>> = table.iter().map(|_| None).collect();
    loop {
        while running.len() < WORLDS
            && let Some((place, row)) = rows.next()
        {
            let one = play_one(row);
            running.spawn(async move { (place, one.await) });
        }
        let Some(finished) = running.join_next().await else { break };
        let (place, row) = finished?;
        seen[place] = Some(row.map_err(|error| error.context(format!("{:?}", table[place])))?);
    }
    let differing: Vec<String> = table
        .iter()
        .zip(seen)
        .filter(|(row, seen)| seen.as_ref() != Some(&expected(row)))
        .map(|(row, seen)| format!("{row:?}\n  shows    {seen:?}\n  expected {:?}", expected(row)))
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    Ok(())
}

/// The answer, which must come in time.
async fn in_time(asked: impl Future<Output = Result<Answer>>) -> Result<Answer> {
    let started = Instant::now();
    let answer = asked.await?;
    assert!(started.elapsed() < BUDGET, "answered {} after {:?}", answer.status, started.elapsed());
    Ok(answer)
}

fn outcome(answer: &Answer) -> String {
    let word = answer.body["outcome"].as_str().or_else(|| answer.body["code"].as_str()).unwrap_or_default();
    format!("{} {word}", answer.status).trim_end().to_owned()
}

/// Whether the log has a line of the event.
fn is_logged(event: &str, level: &str, message: &str) -> bool {
    times_logged(event, level, message) > 0
}

/// How many lines of the event the log has that begin so.
fn times_logged(event: &str, level: &str, message: &str) -> usize {
    let is_it = |line: &&Value| {
        let begins = line["message"].as_str().is_some_and(|text| text.starts_with(message));
        line["event"] == event && line["level"] == level && begins
    };
    local::logs::after(0).iter().filter(is_it).count()
}

/// Transactions that reached DynamoDB since it had been called so often.
fn transactions_since(world: &World, calls: usize) -> usize {
    world.stack.dynamodb_calls().iter().skip(calls).filter(|operation| *operation == "TransactWriteItems").count()
}
