//! Webhook bodies with a good signature and a bad mind: what a stolen secret, or a mistake at Stripe, could send.

use anyhow::Result;
use serde_json::{Value, json};
use tests::{EventBuilder, World, partition};

fn event(id: &str) -> EventBuilder {
    EventBuilder::subscription(id, "sub_1", "cus_1", 1_760_000_000).owned_by("42")
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_and_wild_numbers_are_400_and_nothing_is_written() -> Result<()> {
    let world = World::start().await?;
    let usual = event("evt_1").body();
    let created = "\"created\":1760000000";
    let bodies = [
        ("10,000 lists", usual.replace("\"metadata\":{", &format!("\"metadata\":{{\"a\":{}", "[".repeat(10_000)))),
        ("10,000 objects", format!("{{\"data\":{}", "{\"object\":".repeat(10_000))),
        ("10,000 lists and their ends", format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000))),
        ("a field twice", usual.replacen('{', "{\"id\":\"evt_2\",", 1)),
        ("1e999", usual.replacen(created, "\"created\":1e999", 1)),
        ("-1e999", usual.replacen(created, "\"created\":-1e999", 1)),
        ("twenty digits", usual.replacen(created, "\"created\":12345678901234567890", 1)),
        ("a hundred digits", usual.replacen(created, &format!("\"created\":{}", "9".repeat(100)), 1)),
        ("NaN", usual.replacen(created, "\"created\":NaN", 1)),
        ("half a pair of surrogates", usual.replacen("evt_1", "evt_\\ud800", 1)),
        ("an array of an event", format!("[{usual}]")),
        ("two events", usual.repeat(2)),
        ("an id that is another's", usual.replacen("evt_1", "cus_1", 1)),
        ("an id with a separator", usual.replacen("evt_1", "evt_1#event", 1)),
        ("an id with a slash", usual.replacen("evt_1", "evt_1/../2", 1)),
        ("an id too long", usual.replacen("evt_1", &format!("evt_{}", "a".repeat(252)), 1)),
    ];
    for (name, body) in bodies {
        let answer = world.deliver(&body).await?;
        assert_eq!((answer.status, answer.code()), (400, "INVALID_EVENT"), "{name}: {:?}", answer.body);
        let said = answer.body["error"].as_str().unwrap_or_default();
        assert!(said.starts_with("the body is not ") && said.len() < 100, "{name}: {said}");
    }
    assert!(world.stack.dynamodb_calls().is_empty());
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_values_inside_an_object_are_answered_once_and_never_5xx() -> Result<()> {
    let world = World::start().await?;
    let price = "/data/object/items/data/0/price";
    let rows = [
        ("a field of the object twice", None, "applied"),
        ("an amount of twenty digits", Some((format!("{price}/unit_amount"), json!(u64::MAX))), "any"),
        ("a negative amount", Some((format!("{price}/unit_amount"), json!(-1))), "any"),
        ("a quantity that overflows", Some(("/data/object/items/data/0/quantity".into(), json!(i64::MAX))), "any"),
        ("a time beyond the calendar", Some(("/data/object/trial_end".into(), json!(i64::MAX))), "any"),
        ("a status nobody knows", Some(("/data/object/status".into(), json!("galactic"))), "applied"),
        ("a status that is a list", Some(("/data/object/status".into(), json!([]))), "failed"),
        ("an id with a separator", Some(("/data/object/id".into(), json!("sub_1#trial"))), "failed"),
        ("a customer that is a number", Some(("/data/object/customer".into(), json!(7))), "failed"),
        ("an empty object", Some(("/data/object".into(), json!({}))), "failed"),
    ];
    for (number, (name, change, expected)) in rows.into_iter().enumerate() {
        let mut event =
            EventBuilder::subscription(&format!("evt_{number}"), &format!("sub_{number}"), "cus_1", 1_760_000_000)
                .owned_by("42");
        if let Some((pointer, value)) = &change {
            event = event.with(pointer, value.clone());
        }
        let body = match change {
            Some(_) => event.body(),
            None => event.body().replacen("\"status\":\"active\"", "\"status\":\"canceled\",\"status\":\"active\"", 1),
        };
        let answer = world.deliver(&body).await?;
        let outcome = answer.body["outcome"].as_str().unwrap_or_default();
        assert_eq!(answer.status, 200, "{name}: {:?}", answer.body);
        assert!(expected == "any" || outcome == expected, "{name}: {outcome}");
        let again = world.deliver(&body).await?;
        assert_eq!(again.status, 200, "{name}: {:?}", again.body);
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_255_characters_with_separators_reach_into_nobodys_records() -> Result<()> {
    let world = World::start().await?;
    let victim = world.token("42")?;
    let subscription = world.subscribe(&victim).await?;
    let before = world.status(&victim).await?;
    let records = async || partition(world.stack.dynamodb_url(), world.stack.table_name(), "test#user#42").await;
    let untouched = records().await?;

    let long = |start: &str| format!("{start}{}", "/#".repeat(128)).chars().take(255).collect::<String>();
    let created = world.business_now_second() + 60;
    let forged = [
        ("evt_c1", "test#user#42".to_owned(), "user-of-the-forger".to_owned()),
        ("evt_c2", "live#user#42".to_owned(), "42#subscription".to_owned()),
        ("evt_c3", long("cus_#owner/"), "42#trial".to_owned()),
        ("evt_c4", "../user#42".to_owned(), "x/../42".to_owned()),
        ("evt_c5", long("#"), "customer#cus_1".to_owned()),
    ];
    for (number, (id, customer, user)) in forged.iter().enumerate() {
        let event = EventBuilder::subscription(id, &format!("sub_forged{number}"), customer, created)
            .owned_by(user)
            .status("canceled");
        let answer = world.deliver(&event.body()).await?;
        assert_eq!((answer.status, answer.body["outcome"].as_str()), (200, Some("applied")), "{id}: {:?}", answer.body);
    }
    assert_eq!(records().await?, untouched, "not a byte of the victim's records changed");
    assert_eq!(world.status(&victim).await?, before);
    assert_eq!(before["subscription_id"], subscription.as_str());
    // Nor is any of it live mode's.
    assert!(partition(world.stack.dynamodb_url(), world.stack.table_name(), "live#user#42").await?.is_empty());
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_have_256_kilobytes_and_not_one_byte_more() -> Result<()> {
    const MOST: usize = 256 * 1024;
    let world = World::start().await?;
    let of_length = |id: &str, length: usize| {
        let padded = |padding: usize| event(id).with("/data/object/description", "x".repeat(padding)).body();
        padded(length - padded(0).len())
    };
    for (id, length, expected) in [("evt_1", MOST - 1, 200), ("evt_2", MOST, 200), ("evt_3", MOST + 1, 413)] {
        let body = of_length(id, length);
        assert_eq!(body.len(), length);
        let answer = world.deliver(&body).await?;
        assert_eq!(answer.status, expected, "{length}: {:?}", answer.body);
    }
    let known = partition(world.stack.dynamodb_url(), world.stack.table_name(), "test#event#evt_3").await?;
    assert!(known.is_empty(), "{known:?}");
    let outcome: Value = world.deliver(&of_length("evt_2", MOST)).await?.body["outcome"].clone();
    assert_eq!(outcome, "duplicate");
    world.stack.shutdown().await
}
