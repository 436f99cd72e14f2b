//! Secrets Manager fails, for a function that has just started and for one that runs.

use std::time::{Duration, Instant};

use anyhow::Result;
use local::Fault;
use tests::{EventBuilder, World, all_at_once};

use super::{BUDGET, MANY, in_time, outcome};

const FAULTS: [Fault; 4] = [Fault::Throttled, Fault::InternalError, Fault::AccessDenied, Fault::NoAnswer];

fn event(id: &str, after: i64) -> String {
    EventBuilder::subscription(id, "sub_1", "cus_1", 1_760_000_000 + after).owned_by("42").status("unpaid").body()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_starts_without_its_secrets_answers_503_and_writes_nothing() -> Result<()> {
    for fault in FAULTS {
        let world = World::start().await?;
        world.stack.secrets_manager().fail_next(None, MANY, fault);
        let answer = in_time(world.deliver(&event("evt_1", 0))).await?;
        assert_eq!(answer.status, 503, "{fault:?} {:?}", answer.body);
        let asked = world.stack.secrets_calls().len();
        assert!(asked <= 12, "two modes, two versions, three tries: {asked} for {fault:?}");
        assert_eq!(world.deliver(&event("evt_1", 0)).await?.status, 503, "{fault:?}");
        assert_eq!(world.stack.secrets_calls().len(), asked, "callers in between ask nobody: {fault:?}");
        assert!(world.stack.dynamodb_calls().is_empty(), "{fault:?}");
        assert!(world.stripe_calls().await?.is_empty(), "{fault:?}");
        world.stack.secrets_manager().heal();
        assert_eq!(when_it_is_back(&world).await?, "200 applied", "{fault:?}");
        world.stack.shutdown().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_callers_of_a_function_without_secrets_one_waits_for_secrets_manager() -> Result<()> {
    let world = World::start().await?;
    world.stack.secrets_manager().fail_next(None, MANY, Fault::NoAnswer);
    let started = Instant::now();
    let answers = all_at_once((0..8).map(|_| world.webhook(&event("evt_1", 0))).collect()).await?;
    assert!(answers.iter().all(|answer| answer.status == 503));
    assert!(started.elapsed() < BUDGET, "they waited for one another: {:?}", started.elapsed());
    let asked = world.stack.secrets_calls().len();
    assert!(asked <= 12, "two modes, two versions, three tries: {asked}");
    world.stack.shutdown().await
}

/// The failure is remembered for some seconds.
async fn when_it_is_back(world: &World) -> Result<String> {
    let started = Instant::now();
    loop {
        let answer = world.deliver(&event("evt_1", 0)).await?;
        if answer.status != 503 || started.elapsed() > Duration::from_secs(10) {
            return Ok(outcome(&answer));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_has_its_secrets_serves_on() -> Result<()> {
    for fault in FAULTS {
        let world = World::start().await?;
        assert_eq!(outcome(&world.deliver(&event("evt_1", 0)).await?), "200 applied");
        world.stack.secrets_manager().fail_next(None, MANY, fault);
        let asked = world.stack.secrets_calls().len();
        let path = world.stack.webhook_path();
        let now = shared::clock::Clock::default().wall_now().as_second();
        let forged = shared::stripe::signature::sign(&"whsec_of_nobody_at_all".into(), now, b"{}");
        let refused = in_time(world.deliver_as(&path, Some(&forged), b"{}")).await?;
        assert_eq!(refused.status, 401, "{fault:?}");
        assert!(world.stack.secrets_calls().len() > asked, "it looked for a newer secret in vain: {fault:?}");
        assert_eq!(outcome(&in_time(world.deliver(&event("evt_2", 10))).await?), "200 applied", "{fault:?}");
        world.stack.shutdown().await?;
    }
    Ok(())
}
