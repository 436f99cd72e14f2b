//! A small soak; the large one is `cargo run --release -p tests --bin soak`.

use std::time::Duration;

use anyhow::Result;
use tests::soak::{self, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn a_small_town_lives_two_months_in_bad_weather_and_its_records_equal_stripes() -> Result<()> {
    let plan = Plan { users: 6, days: 60, seed: 7, budget: Duration::from_secs(20), history: None };
    let report = soak::run(&plan, |_| {}).await?;
    assert!(report.subscriptions > 0 && report.trials > 0, "nothing happened: {report:#?}");
    assert!(report.is_good(), "{report:#?}");
    Ok(())
}
