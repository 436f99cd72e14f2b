//! `report`: figures of a world whose story is known.

use anyhow::Result;
use serde_json::{Value, json};
use tests::World;

use crate::support::manage;

/// One converted from ads, one running by word of mouth, one whose card failed at the trial's end.
async fn story() -> Result<World> {
    let world = World::start().await?;
    let token = |user: &str, angle: &str| world.stack.token(json!({ "user_id": user, "acquisition_angle": angle }));
    world.subscribe(&token("1", "ads")?).await?;
    let session = world.checkout(&token("2", "ads")?).await?;
    world.pay(&session, "4000000000000341").await?;
    world.advance_days(8).await?;
    world.subscribe(&token("3", "<script>alert(1)</script>")?).await?;
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_are_those_of_the_story() -> Result<()> {
    let world = story().await?;
    let calls = world.stripe_calls().await?.len();
    let said = manage(&world, &["report", "--json"]).await;
    assert_eq!(world.stripe_calls().await?.len(), calls, "Stripe is not asked");
    let report: Value = serde_json::from_str(said.lines()[0])?;
    assert_eq!(
        (&report["trials"], &report["active_trials"], &report["converted_trials"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!((&report["conversion_percent"], &report["paying"]), (&json!(50.0), &json!(1)));
    assert_eq!(report["mrr"], json!([{ "currency": "BRL", "amount_minor": 4990 }]));
    let ads = report["angles"].as_array().unwrap().iter().find(|row| row["angle"] == "ads").unwrap();
    assert_eq!((&ads["users"], &ads["converted"], &ads["paying"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(report["months"].as_array().unwrap().len(), 12);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_nothing_else_and_runs_nothing() -> Result<()> {
    let world = story().await?;
    let file = std::env::temp_dir().join(format!("report-{}.html", uuid::Uuid::new_v4()));
    let said = manage(&world, &["report", "--html", file.to_str().unwrap()]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.stdout
            .contains("3 trials: 1 running, 1 converted, 1 expired (50.0 % conversion). 1 paying, R$ 49.90 a month.")
    );
    let page = std::fs::read_to_string(&file)?;
    std::fs::remove_file(&file)?;
    assert_eq!(page.matches("<svg").count(), 3);
    for outside in ["<script", "http://", "https://", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("&lt;script&gt;"), "a name from a token is text");
    Ok(())
}
