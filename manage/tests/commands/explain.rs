//! `explain`: why somebody has, or has not, access.

use anyhow::Result;
use serde_json::{Value, json};
use shared::domain::Mode;
use tests::World;

use crate::support::{auditor, customer_at_stripe, deaf_world, manage, subscription_at_stripe, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_has_access_by_their_subscription_and_the_events_that_brought_it() -> Result<()> {
    let world = World::start().await?;
    let subscription = world.subscribe(&world.token("42")?).await?;
    let said = manage(&world, &["explain", "42"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let lines = said.lines();
    assert_eq!(
        lines[..2],
        ["User 42 has access.".to_owned(), format!("  {subscription} is trialing, which gives access.")]
    );
    assert!(said.stdout.contains("checkout.session.completed") && said.stdout.contains("  applied"), "{said:?}");
    for name in [
        "user42@example.com",
        &auditor(&world).books().store().read_account(&user("42")).await?.customer.unwrap().id.unwrap().to_string(),
    ] {
        let by_name = manage(&world, &["explain", name]).await;
        assert_eq!(by_name.lines()[0], "User 42 has access.", "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_no_webhook_brought_is_found_and_its_mend_mends_it() -> Result<()> {
    let world = deaf_world().await?;
    let session = world.checkout(&world.token("42")?).await?;
    world.sandbox(&format!("checkout/{session}/pay"), &json!({ "card": "4242424242424242" })).await?;
    let said = manage(&world, &["explain", "42", "--json"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    let explanation: Value = serde_json::from_str(&said.stdout)?;
    assert_eq!(
        (&explanation["has_access"], &explanation["refused_with"]),
        (&json!(false), &json!("CHECKOUT_REQUIRED"))
    );
    let differences = explanation["differences"].as_array().unwrap();
    assert!(
        differences[0]["what"].as_str().unwrap().ends_with("is trialing at Stripe and not on record"),
        "{differences:?}"
    );
    assert!(differences[1]["what"] == "Stripe gave a trial and the records do not know of it", "{differences:?}");
    // A trial marked by hand would make the one that runs a second one.
    assert_eq!(differences[0]["mend"], differences[1]["mend"]);
    let mend: Vec<&str> = differences[0]["mend"].as_str().unwrap().split(' ').collect();
    assert_eq!(manage(&world, &mend).await.code, 0);
    let said = manage(&world, &["explain", "42"]).await;
    assert_eq!((said.code, said.stdout.lines().next()), (0, Some("User 42 has access.")), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grace_that_is_over_is_told_with_its_end() -> Result<()> {
    let world = World::with(&[("PAST_DUE_GRACE_DAYS", "3")]).await?;
    let session = world.checkout(&world.token("42")?).await?;
    world.pay(&session, "4000000000000341").await?;
    for _ in 0..6 {
        world.advance_days(2).await?;
    }
    let core = world.stack.core().unwrap();
    let auditor = core.auditor(Mode::Test)?;
    let subjects = manage::commands::explain::Subject::find(&auditor, "42").await?;
    let explanation = manage::commands::explain::explain(&auditor, core.config.policy, &subjects[0]).await?;
    assert!(
        !explanation.has_access && explanation.because[0].contains("is past_due and its grace ended at"),
        "{explanation:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_without_a_user_says_so_with_the_mend() -> Result<()> {
    let world = World::start().await?;
    let orphan = customer_at_stripe(&world, "nobody@example.com", None).await?;
    subscription_at_stripe(&world, &orphan, 0).await?;
    world.delivered().await?;
    let said = manage(&world, &["explain", orphan.as_str()]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.stdout.contains("Nobody owns this customer") && said.stdout.contains("fix-customer-links"),
        "{said:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_not_an_error_but_something_to_look_into() -> Result<()> {
    let world = World::start().await?;
    for who in ["4711", "nobody@example.com", "cus_nobody"] {
        let said = manage(&world, &["explain", who]).await;
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said:?}");
        assert!(said.stderr.contains("Nobody of that name is on record in test mode."));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_of_whom_no_event_came_is_found_at_stripe() -> Result<()> {
    let world = deaf_world().await?;
    let customer = customer_at_stripe(&world, "ana@example.com", Some("77")).await?;
    let subscription = subscription_at_stripe(&world, &customer, 0).await?;
    for who in ["77", customer.as_str()] {
        let said = manage(&world, &["explain", who]).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stdout.starts_with("User 77 has no access (CHECKOUT_REQUIRED)."), "{said:?}");
        let differs = format!("✗ {subscription} is active at Stripe and not on record");
        assert!(said.stdout.contains(&differs) && said.stdout.contains("sync-stripe --customer"), "{said:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_record_and_not_at_stripe_is_said_to_be() -> Result<()> {
    let world = World::start().await?;
    world.subscribe(&world.token("42")?).await?;
    // As after the deletion of all test data in the Dashboard.
    let empty = crate::fake_stripe::FakeStripe::start(crate::fake_stripe::Account::default()).await;
    let services = tests::Services {
        dynamodb_url: world.stack.dynamodb_url(),
        stripe_url: &empty.url,
        default_price: stripe_sandbox::DEFAULT_PRICE_ID,
    };
    let core = tests::core_on(&world.stack, services, shared::clock::Clock::default()).await?;
    let auditor = core.auditor(Mode::Test)?;
    let subjects = manage::commands::explain::Subject::find(&auditor, "42").await?;
    let explanation = manage::commands::explain::explain(&auditor, core.config.policy, &subjects[0]).await?;
    let [difference] = &explanation.differences[..] else { panic!("{explanation:?}") };
    assert!(difference.what.ends_with("is on record and not at Stripe"), "{difference:?}");
    assert_eq!(difference.mend, "sync-stripe --clean");
    Ok(())
}
