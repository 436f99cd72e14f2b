//! `sync-stripe` on a small account: exact lines, one object, and cleaning.

use anyhow::Result;
use manage::commands::sync_stripe::{
    Ended, Missing, Stop, find_missing, remove_missing, sync_account, sync_customer, sync_subscription,
};
use manage::done::Done;
use manage::printer::Printer;
use serde_json::json;
use shared::boot::Core;
use shared::domain::Mode;
use tests::{EventBuilder, World};

use crate::support::{
    auditor, auditor_of, customer, customer_at_stripe, deaf_world, manage, records, subscription_at_stripe, user,
};

async fn sync(world: &World) -> String {
    let (printer, said) = Printer::captured(false);
    let (_wish, stop) = Stop::by_hand();
    let ended = sync_account(&auditor(world), &printer, &stop).await.unwrap();
    assert_eq!(ended, Ended::Complete { failed: 0 });
    said.stdout()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_are_those_of_the_guide_and_the_table_is_filled() -> Result<()> {
    let world = deaf_world().await?;
    let customer = customer_at_stripe(&world, "user@example.com", Some("42")).await?;
    let subscription = subscription_at_stripe(&world, &customer, 7).await?;
    let expected = format!(
        "📦 Sincronizando Products...\n  ✓ CaixaHub Premium\n💰 Sincronizando Prices...\n  ✓ R$ 49.90 - CaixaHub Premium\n\
         👥 Sincronizando Customers...\n  ✓ user@example.com\n📋 Sincronizando Subscriptions...\n  ✓ {subscription} - trialing\n\
         ✅ Sincronização completa!\n"
    );
    assert_eq!(sync(&world).await, expected);
    let kept = records(&world, "test#user#42").await;
    assert_eq!(kept["customer"]["customer_id"], customer.as_str());
    assert_eq!(kept[&format!("subscription#{subscription}")]["status"], "trialing");
    assert!(kept.contains_key("trial"), "{kept:?}");
    let status = world.status(&world.token("42")?).await?;
    assert_eq!((&status["status"], &status["access"]), (&json!("trialing"), &json!(true)));
    assert_eq!(sync(&world).await, expected, "a second run says and does the same");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_by_webhook_meanwhile_is_not_taken_back() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let id = world.subscribe(&token).await?;
    world.stripe_delete(&format!("/v1/subscriptions/{id}")).await?;
    world.delivered().await?;
    assert!(sync(&world).await.contains(&format!("  ✓ {id} - canceled")));
    assert_eq!(world.status(&token).await?["status"], "canceled");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_names_no_user_is_parked_with_its_subscription() -> Result<()> {
    let world = deaf_world().await?;
    let customer = customer_at_stripe(&world, "nobody@example.com", None).await?;
    let subscription = subscription_at_stripe(&world, &customer, 0).await?;
    sync(&world).await;
    let kept = records(&world, &format!("test#customer#{customer}")).await;
    assert_eq!(kept["owner"]["is_orphan"], true);
    assert_eq!(kept[&format!("subscription#{subscription}")]["status"], "active");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_customer_or_one_subscription_can_be_synced_alone() -> Result<()> {
    let world = deaf_world().await?;
    let ana = customer_at_stripe(&world, "ana@example.com", Some("1")).await?;
    let of_ana = subscription_at_stripe(&world, &ana, 0).await?;
    let bia = customer_at_stripe(&world, "bia@example.com", Some("2")).await?;
    let of_bia = subscription_at_stripe(&world, &bia, 0).await?;
    let (printer, said) = Printer::captured(false);
    assert_eq!(sync_customer(&auditor(&world), &printer, &ana).await?, Done::Everything);
    assert!(said.stdout().contains("  ✓ ana@example.com\n") && said.stdout().contains(of_ana.as_str()));
    assert!(records(&world, "test#user#1").await.contains_key(&format!("subscription#{of_ana}")));
    assert!(records(&world, "test#user#2").await.is_empty());

    let (printer, said) = Printer::captured(false);
    assert_eq!(sync_subscription(&auditor(&world), &printer, &of_bia).await?, Done::Everything);
    let expected = format!("📋 Sincronizando Subscriptions...\n  ✓ {of_bia} - active\n✅ Sincronização completa!\n");
    assert_eq!(said.stdout(), expected);

    for unknown in [&["sync-stripe", "--customer", "cus_nobody"], &["sync-stripe", "--subscription", "sub_nobody"]] {
        let said = manage(&world, unknown).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stdout.contains(&format!("  ✗ {}: Stripe does not know it", unknown[2])), "{said:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cleaning_removes_what_stripe_no_longer_has_and_never_a_trial() -> Result<()> {
    let world = World::start().await?;
    let (lost, kept) = (world.token("42")?, world.token("43")?);
    let (lost_subscription, kept_subscription) = (world.subscribe(&lost).await?, world.subscribe(&kept).await?);
    let object = world.stripe_subscription(&lost_subscription).await?;
    let lost_customer = customer(object["customer"].as_str().unwrap());
    assert!(find_missing(&auditor(&world)).await?.is_empty(), "Stripe has everything");

    // Deleted while nobody listened.
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    world.stripe_delete(&format!("/v1/customers/{lost_customer}")).await?;
    let missing = find_missing(&auditor(&world)).await?;
    let is_lost =
        |missing: &Missing| matches!(missing, Missing::Customer { customer, .. } if *customer == lost_customer);
    assert!(missing.iter().any(is_lost), "{missing:?}");

    let (printer, _) = Printer::captured(false);
    let (removed, stayed) = remove_missing(&auditor(&world), &printer).await?;
    assert!(removed > 0 && stayed == 0, "{removed} {stayed}");
    let records_of_lost = records(&world, "test#user#42").await;
    assert!(records_of_lost.contains_key("trial"), "{records_of_lost:?}");
    assert!(records_of_lost["customer"].get("customer_id").is_none(), "{records_of_lost:?}");
    assert!(!records_of_lost.contains_key(&format!("customer#{lost_customer}")));
    let status = world.status(&lost).await?;
    assert_eq!((&status["access"], &status["has_used_trial"]), (&json!(false), &json!(true)));
    assert!(!records(&world, &format!("test#customer#{lost_customer}")).await.contains_key("owner"));
    assert_eq!(world.status(&kept).await?["subscription_id"], kept_subscription);
    assert!(find_missing(&auditor(&world)).await?.is_empty(), "a second run finds nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cleaning_one_mode_leaves_the_other_alone() -> Result<()> {
    let world = World::start().await?;
    let id = world.subscribe(&world.token("42")?).await?;
    let live = auditor_of(&world, Mode::Live);
    let (printer, _) = Printer::captured(false);
    assert_eq!(remove_missing(&live, &printer).await?, (0, 0));
    assert!(records(&world, "test#user#42").await.contains_key(&format!("subscription#{id}")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_the_only_trace_of_a_trial_stays() -> Result<()> {
    let world = deaf_world().await?;
    let orphan = customer_at_stripe(&world, "nobody@example.com", None).await?;
    let trialing = subscription_at_stripe(&world, &orphan, 7).await?;
    sync(&world).await;
    let core = core_of_an_empty_account(&world).await?;
    let (printer, said) = Printer::captured(false);
    let (removed, stayed) = remove_missing(&core.auditor(Mode::Test)?, &printer).await?;
    assert!(removed >= 3, "product, price and customer: {removed}");
    assert!(records(&world, "test#catalog").await.is_empty());
    assert_eq!(stayed, 1);
    assert!(said.stderr().contains(&format!("{trialing} stays: it is the only trace of a trial")), "{}", said.stderr());
    let kept = records(&world, &format!("test#customer#{orphan}")).await;
    assert!(kept.contains_key(&format!("subscription#{trialing}")), "{kept:?}");
    Ok(())
}

/// Of whom the table knows more than the subscription says, and of whom it says more than the table knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_goes_when_its_trial_is_on_record_and_stays_when_it_is_the_earlier_one() -> Result<()> {
    let world = World::start().await?;
    let of_known = world.subscribe(&world.token("42")?).await?;
    let books = auditor(&world).books().clone();
    let at = |seconds_ago: i64| world.business_now_second() - seconds_ago;
    let marked_at = jiff::Timestamp::from_second(at(0))?;
    shared::sync::mark_trial_used(&books, &user("43"), marked_at).await?;
    let earlier = EventBuilder::subscription("evt_1", "sub_earlier", "cus_earlier", at(0))
        .owned_by("43")
        .with("/data/object/trial_start", at(86_400))
        .with("/data/object/trial_end", at(43_200));
    assert_eq!(world.deliver(&earlier.body()).await?.body["outcome"], "applied");
    let first_trial_at = world.status(&world.token("43")?).await?["first_trial_at"].clone();

    let core = core_of_an_empty_account(&world).await?;
    let (printer, said) = Printer::captured(false);
    let (_removed, stayed) = remove_missing(&core.auditor(Mode::Test)?, &printer).await?;
    assert_eq!(stayed, 1, "{}", said.stderr());
    assert!(said.stderr().contains("sub_earlier stays: it is the only trace of a trial"), "{}", said.stderr());
    let known = records(&world, "test#user#42").await;
    assert!(!known.contains_key(&format!("subscription#{of_known}")), "{known:?}");
    assert_eq!(known["trial"]["subscription_id"], of_known, "the trial is remembered");
    assert!(!known.keys().any(|sk| sk.starts_with("payment_method#")), "{known:?}");
    assert!(records(&world, "test#user#43").await.contains_key("subscription#sub_earlier"));
    assert_eq!(world.status(&world.token("43")?).await?["first_trial_at"], first_trial_at);
    Ok(())
}

/// An account whose test data was deleted has none of it: another account is as empty.
async fn core_of_an_empty_account(world: &World) -> Result<Core> {
    let empty = crate::fake_stripe::FakeStripe::start(crate::fake_stripe::Account::default()).await;
    let services = tests::Services {
        dynamodb_url: world.stack.dynamodb_url(),
        stripe_url: &empty.url,
        default_price: stripe_sandbox::DEFAULT_PRICE_ID,
    };
    Ok(tests::core_on(&world.stack, services, shared::clock::Clock::default()).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn cleaning_shows_its_plan_and_asks() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let id = world.subscribe(&token).await?;
    let object = world.stripe_subscription(&id).await?;
    let lost = object["customer"].as_str().unwrap().to_owned();
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    world.stripe_delete(&format!("/v1/customers/{lost}")).await?;

    let said = manage(&world, &["sync_stripe", "--clean"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (2, ""), "nobody is there to be asked");
    assert!(said.stderr.contains("Stripe no longer has"), "{}", said.stderr);
    assert!(said.stderr.contains(&format!("  - {lost}")), "{}", said.stderr);
    assert!(records(&world, "test#user#42").await.contains_key(&format!("customer#{lost}")), "nothing was removed");

    let said = manage(&world, &["sync_stripe", "--clean", "--yes"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.ends_with("✅ Sincronização completa!\n"));
    assert!(!records(&world, "test#user#42").await.contains_key(&format!("customer#{lost}")));
    Ok(())
}
