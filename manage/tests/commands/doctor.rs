//! `doctor`: a well deployment and ones that are not.

use anyhow::Result;
use local::Fault;
use manage::commands::doctor::{Arguments, Check, Patient, Section, Verdict, examine};
use manage::printer::Printer;
use serde_json::Value;
use shared::domain::Mode;
use tests::World;

use crate::support::{customer_at_stripe, manage, put_secret, says_no_secret, subscription_at_stripe, target};

async fn checks(world: &World, only: &[Section]) -> Result<Vec<Check>> {
    let target = target(world, Mode::Test).await?;
    let arguments = Arguments { only: only.to_vec(), ..Arguments::default() };
    Ok(examine(&Patient::of(&target, Mode::Test), &arguments, &Printer::captured(false).0).await)
}

fn bad(checks: &[Check]) -> Vec<String> {
    checks.iter().filter(|check| check.verdict == Verdict::Bad).map(|check| check.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_works_is_well_and_what_cannot_be_asked_here_is_said_to_be_unasked() -> Result<()> {
    let world = World::start().await?;
    world.subscribe(&world.token("42")?).await?;
    assert_eq!(manage(&world, &["sync-stripe"]).await.code, 0);
    let said = manage(&world, &["doctor"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("  ✓ The webhook accepts what we_local") && said.stdout.contains(": 200 OK ignored"));
    assert!(said.stdout.contains("  – The alarms are there: only a deployed stack has it (--stack NAME)"));
    says_no_secret(&world, &format!("{said:?}"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probes_change_nothing_but_the_record_of_an_ignored_event() -> Result<()> {
    let world = World::start().await?;
    let store = world.store()?;
    let before = store.fingerprint().await?;
    assert_eq!(bad(&checks(&world, &[Section::Probes]).await?), [""; 0]);
    assert_eq!(store.fingerprint().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_section_as_json_is_one_value_a_line_and_a_failure_ends_with_1() -> Result<()> {
    let world = World::start().await?;
    let said = manage(&world, &["doctor", "--only", "data", "--json"]).await;
    assert_eq!(said.code, 1, "the catalogue is not on record: {said:?}");
    let values: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(values.iter().all(|value| value["section"] == "Data"));
    let catalogue = values.iter().find(|value| value["verdict"] == "bad").unwrap();
    assert!(catalogue["mend"].as_str().unwrap().ends_with(" sync-stripe"), "{catalogue}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_is_wrong_at_stripe_is_found() -> Result<()> {
    let world = World::start().await?;
    let endpoint = world.stripe_get("/v1/webhook_endpoints").await?["data"][0]["id"].as_str().unwrap().to_owned();
    let portal =
        world.stripe_get("/v1/billing_portal/configurations").await?["data"][0]["id"].as_str().unwrap().to_owned();
    let (price, product) = (stripe_sandbox::DEFAULT_PRICE_ID, stripe_sandbox::DEFAULT_PRODUCT_ID);
    let endpoint = format!("/v1/webhook_endpoints/{endpoint}");
    for (path, form, undo, expected) in [
        (endpoint.as_str(), "disabled=true", "disabled=false", "It is enabled"),
        (
            endpoint.as_str(),
            "enabled_events[]=invoice.paid",
            "enabled_events[]=*",
            "It is sent every event that is handled",
        ),
        (&format!("/v1/prices/{price}"), "active=false", "active=true", "The default price is active"),
        (&format!("/v1/products/{product}"), "active=false", "active=true", "The product is active"),
        (
            &format!("/v1/billing_portal/configurations/{portal}"),
            "features[invoice_history][enabled]=false",
            "features[invoice_history][enabled]=true",
            "The portal lets customers change the card, see invoices and cancel at the period's end",
        ),
    ] {
        assert_eq!(world.stripe_post(path, form).await?.status, 200, "{path}");
        assert_eq!(bad(&checks(&world, &[Section::Stripe]).await?), [expected]);
        assert_eq!(world.stripe_post(path, undo).await?.status, 200, "{path}");
    }
    assert_eq!(bad(&checks(&world, &[Section::Stripe]).await?), [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unexpected_price_is_found() -> Result<()> {
    let world = World::start().await?;
    let said =
        manage(&world, &["doctor", "--only", "stripe", "--expect-currency", "brl", "--expect-amount-minor", "4990"])
            .await;
    assert_eq!(said.code, 0, "{said:?}");
    let said = manage(&world, &["doctor", "--only", "stripe", "--expect-currency", "usd"]).await;
    assert!(
        said.code == 1 && said.stdout.contains("✗ The default price has the expected currency and amount: R$ 49.90")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_and_what_follows_from_it_are_found_without_a_value() -> Result<()> {
    let world = World::start().await?;
    put_secret(&world, Mode::Test, r#"{"stripe_secret_key": "sk_live_canary"}"#).await?;
    let all = checks(&world, &[Section::Secrets]).await?;
    assert_eq!(bad(&all).len(), 5, "{all:?}");
    assert!(all[0].detail == "stripe_secret_key is a key of the other mode" && !format!("{all:?}").contains("canary"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_not_true_are_found() -> Result<()> {
    let world = World::start().await?;
    assert_eq!(manage(&world, &["sync-stripe"]).await.code, 0);
    let orphan = customer_at_stripe(&world, "nobody@example.com", None).await?;
    subscription_at_stripe(&world, &orphan, 0).await?;
    world.delivered().await?;
    let expected = ["Every subscription that serves has a user", "Every customer has a user"];
    assert_eq!(bad(&checks(&world, &[Section::Data]).await?), expected);

    world.sandbox("deliver", &serde_json::json!({ "hold": true })).await?;
    subscription_at_stripe(&world, &orphan, 0).await?;
    let all = bad(&checks(&world, &[Section::Data]).await?);
    assert!(all.contains(&"The newest subscriptions are on record as Stripe has them".to_owned()), "{all:?}");
    Ok(())
}

/// The mends of what is wrong, by the names of the checks.
fn mends(checks: &[Check]) -> Vec<(&str, &str)> {
    let bad = checks.iter().filter(|check| check.verdict == Verdict::Bad);
    bad.map(|check| (check.name.as_str(), check.mend.as_deref().unwrap_or_default())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_may_not_be_read_is_one_of_the_answers() -> Result<()> {
    let world = World::start().await?;
    world.stack.dynamodb().fail_next(None, 1_000, Fault::AccessDenied);
    let said = manage(&world, &["doctor"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stdout.contains("  ✓ Stripe's secret key is there"), "the rest is asked all the same: {said:?}");
    let table = "  ✗ The table is there, with this version's keys: reach the table: ";
    assert!(said.stdout.contains(table) && said.stdout.contains("mend  AWS does not allow it"), "{said:?}");

    let all = checks(&world, &[Section::Data]).await?;
    let [(name, mend)] = mends(&all)[..] else { panic!("one answer is enough: {all:?}") };
    assert!(name == "The records can be compared with Stripe" && mend.contains("--profile"), "{mend}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_there_is_one_of_the_answers() -> Result<()> {
    let world = World::start().await?;
    let mut target = target(&world, Mode::Test).await?;
    target.core.config.table_name = Some("elsewhere".to_owned());
    let arguments = Arguments { only: vec![Section::Aws], ..Arguments::default() };
    let all = examine(&Patient::of(&target, Mode::Test), &arguments, &Printer::captured(false).0).await;
    let [(name, mend)] = mends(&all)[..] else { panic!("{all:?}") };
    assert!(name.starts_with("The table is there") && mend.contains("--region"), "{mend}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stripe_that_is_down_is_said_to_be_down_and_not_the_key_to_be_wrong() -> Result<()> {
    let world = World::start().await?;
    let down = |method| serde_json::json!({ "method": method, "path_prefix": "/v1", "kind": "500", "count": 1_000 });
    world.sandbox("faults", &serde_json::json!({ "api": [down("GET"), down("POST")] })).await?;
    let all = checks(&world, &[Section::Secrets, Section::Stripe, Section::Data]).await?;
    let mends = mends(&all);
    assert_eq!(mends.len(), 3, "one of each section: {mends:?}");
    assert!(mends.iter().all(|(_, mend)| mend.contains("https://status.stripe.com")), "{mends:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_section_that_could_not_be_asked_is_not_well() -> Result<()> {
    let world = World::start().await?;
    put_secret(&world, Mode::Test, "{}").await?;
    for section in ["secrets", "stripe", "probes", "data"] {
        let said = manage(&world, &["doctor", "--only", section]).await;
        assert!(said.code == 1 && said.stdout.contains("mend  manage --local"), "{said:?}");
    }
    Ok(())
}
