//! `import-djstripe` from a real PostgreSQL, in both layouts of dj-stripe.

use anyhow::Result;
use serde_json::{Value, json};
use tests::World;
use tokio_postgres::Client;

use crate::postgres::Postgres;
use crate::support::{auditor, deaf_world, manage, records, run, user};

const USERS: &str = "
    CREATE TABLE auth_user (id bigint PRIMARY KEY, email text, password text, first_name text, last_name text,
        is_superuser bool, acquisition_angle text);
    INSERT INTO auth_user VALUES
        (1, 'ana@example.com', 'canary-hash', 'Ana', 'Souza', false, 'ads'),
        (2, 'bia@example.com', 'canary-hash', '', '', false, NULL),
        (3, 'caio@example.com', 'canary-hash', '', '', false, NULL),
        (4, 'davi@example.com', 'canary-hash', '', '', false, NULL);
    CREATE TABLE trial_usage_tracking (id serial, user_id bigint, first_trial_at timestamptz, stripe_subscription_id text);
    INSERT INTO trial_usage_tracking (user_id, first_trial_at, stripe_subscription_id) VALUES
        (1, '2026-09-01T12:00:00Z', 'sub_one'), (3, '2026-01-01T12:00:00Z', NULL);";

/// 2.9: an object's fields are columns, and rows refer to each other by Stripe's ids.
const COLUMNS: &str = "
    CREATE TABLE djstripe_customer (djstripe_id bigint, id text, livemode bool, created timestamptz, metadata jsonb, email text,
        name text, default_payment_method_id text, deleted bool, subscriber_id bigint REFERENCES auth_user (id));
    CREATE TABLE djstripe_paymentmethod (djstripe_id bigint, id text, livemode bool, created timestamptz, type text, card jsonb,
        customer_id text);
    CREATE TABLE djstripe_price (djstripe_id bigint, id text, currency text, unit_amount bigint, recurring jsonb, product_id text);
    CREATE TABLE djstripe_subscriptionitem (djstripe_id bigint, id text, quantity int, price_id text, subscription_id text);
    CREATE TABLE djstripe_subscription (djstripe_id bigint, id text, livemode bool, created timestamptz, status text,
        trial_start timestamptz, trial_end timestamptz, current_period_start timestamptz, current_period_end timestamptz,
        cancel_at timestamptz, cancel_at_period_end bool, canceled_at timestamptz, ended_at timestamptz, metadata jsonb,
        default_payment_method_id text, customer_id text);
    INSERT INTO djstripe_customer VALUES
        (1, 'cus_one', false, '2026-09-01T11:59:00Z', '{}', 'ana@example.com', 'Ana', NULL, false, 1),
        (2, 'cus_two', false, '2026-09-01T11:59:00Z', '{}', 'bia@example.com', '', NULL, false, 2),
        (3, 'cus_live', true, '2026-09-01T11:59:00Z', '{}', 'ana@example.com', '', NULL, false, 1),
        (4, 'cus_orphan', false, '2026-09-01T11:59:00Z', '{}', 'nobody@example.com', '', NULL, false, NULL);
    INSERT INTO djstripe_paymentmethod VALUES (1, 'pm_one', false, '2026-09-01T12:00:00Z', 'card',
        '{\"brand\": \"visa\", \"last4\": \"4242\", \"exp_month\": 1, \"exp_year\": 2030}', 'cus_one');
    INSERT INTO djstripe_price VALUES (1, 'price_one', 'brl', 4990, '{\"interval\": \"month\", \"interval_count\": 1}', 'prod_one');
    INSERT INTO djstripe_subscriptionitem VALUES (1, 'si_one', 1, 'price_one', 'sub_one'), (2, 'si_two', 1, 'price_one', 'sub_two');
    INSERT INTO djstripe_subscription VALUES
        (1, 'sub_one', false, '2026-09-01T12:00:00Z', 'active', '2026-09-01T12:00:00Z', '2026-09-08T12:00:00Z',
         '2026-11-08T12:00:00Z', '2026-12-08T12:00:00Z', NULL, false, NULL, NULL, '{}', 'pm_one', 'cus_one'),
        (2, 'sub_two', false, '2026-09-01T12:00:00Z', 'canceled', NULL, NULL, '2026-09-01T12:00:00Z', '2026-10-01T12:00:00Z',
         NULL, false, '2026-09-20T12:00:00Z', '2026-10-01T12:00:00Z', '{}', NULL, 'cus_two');";

/// 2.11: `stripe_data` holds what Stripe sent, and rows refer to each other by numbers of their own.
const STRIPE_DATA: &str = "
    CREATE TABLE djstripe_customer (djstripe_id bigint, id text, livemode bool, created timestamptz, stripe_data jsonb,
        subscriber_id bigint REFERENCES auth_user (id));
    CREATE TABLE djstripe_paymentmethod (djstripe_id bigint, id text, livemode bool, stripe_data jsonb, customer_id bigint);
    CREATE TABLE djstripe_subscription (djstripe_id bigint, id text, livemode bool, stripe_data jsonb, customer_id bigint);";

async fn fill_with_stripe_data(client: &Client) -> Result<()> {
    client.batch_execute(STRIPE_DATA).await?;
    for (number, id, is_live, user) in [
        (1_i64, "cus_one", false, Some(1_i64)),
        (2, "cus_two", false, Some(2)),
        (3, "cus_live", true, Some(1)),
        (4, "cus_orphan", false, None),
    ] {
        let sent =
            json!({"id": id, "object": "customer", "created": 1_788_263_940, "email": "x@example.com", "metadata": {}});
        let sql = "INSERT INTO djstripe_customer VALUES ($1, $2, $3, now(), $4::text::jsonb, $5)";
        client.execute(sql, &[&number, &id, &is_live, &sent.to_string(), &user]).await?;
    }
    let card = json!({"id": "pm_one", "object": "payment_method", "type": "card", "customer": "cus_one",
        "card": {"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}});
    let sql = "INSERT INTO djstripe_paymentmethod VALUES (1, 'pm_one', false, $1::text::jsonb, 1)";
    client.execute(sql, &[&card.to_string()]).await?;
    let price = json!({"id": "price_one", "object": "price", "currency": "brl", "unit_amount": 4990, "product": "prod_one",
        "active": true, "recurring": {"interval": "month", "interval_count": 1}});
    for (number, id, customer, of_status) in [
        (
            1_i64,
            "sub_one",
            1_i64,
            json!({"status": "active", "trial_start": 1_788_264_000, "trial_end": 1_788_868_800}),
        ),
        (2, "sub_two", 2, json!({"status": "canceled", "ended_at": 1_790_856_000})),
    ] {
        let mut sent = json!({"id": id, "object": "subscription", "created": 1_788_264_000, "customer": "x", "metadata": {},
            "default_payment_method": if id == "sub_one" { json!("pm_one") } else { Value::Null },
            "items": {"data": [{"quantity": 1, "price": price, "current_period_start": 1_794_139_200, "current_period_end": 1_796_731_200}]}});
        sent.as_object_mut().unwrap().extend(of_status.as_object().unwrap().clone());
        let sql = "INSERT INTO djstripe_subscription VALUES ($1, $2, false, $3::text::jsonb, $4)";
        client.execute(sql, &[&number, &id, &sent.to_string(), &customer]).await?;
    }
    Ok(())
}

/// User 1 pays, user 2 left, user 3 had a trial that is only in the old product's own table, user 4 never came.
const DECISIONS: [&str; 4] = [
    "  ✓ 1: active → active",
    "  ✓ 2: SUBSCRIPTION_REQUIRED → SUBSCRIPTION_REQUIRED",
    "  ✓ 3: TRIAL_USED → TRIAL_USED",
    "  ✓ 4: CHECKOUT_REQUIRED → CHECKOUT_REQUIRED",
];

async fn imports(world: &World, postgres: &Postgres) -> Result<()> {
    let url = postgres.url();
    let dry = manage(world, &["import-djstripe", "--dry-run", &url]).await;
    assert_eq!(dry.lines(), DECISIONS);
    assert!(records(world, "test#user#1").await.is_empty(), "a dry run writes nothing");

    let said = manage(world, &["import-djstripe", "--yes", &url]).await;
    assert_eq!(said.lines(), DECISIONS);
    assert!(
        said.stderr.contains("4 users, 2 subscriptions, 1 customers without a user: 0 differences, 0 failed."),
        "{said:?}"
    );
    assert!(!format!("{said:?}").contains("canary") && !format!("{said:?}").contains("example.com"), "{said:?}");
    let account = auditor(world).books().store().read_account(&user("1")).await?;
    let shown = account.shown_subscription().unwrap();
    assert_eq!((shown.id.as_str(), shown.amount_minor), ("sub_one", 4990));
    assert_eq!(account.card_of(shown).unwrap().last4, "4242");
    assert_eq!(account.customer.as_ref().unwrap().acquisition_angle.as_deref(), Some("ads"));
    assert_eq!(account.first_trial_at().unwrap().to_string(), "2026-09-01T12:00:00Z");
    assert!(records(world, "test#customer#cus_orphan").await.contains_key("customer#cus_orphan"));
    assert!(records(world, "live#customer#cus_live").await.is_empty(), "the other mode's rows stay where they are");

    let before = world.store()?.fingerprint().await?;
    assert_eq!(manage(world, &["import-djstripe", "--yes", &url]).await.lines(), DECISIONS);
    assert_eq!(world.store()?.fingerprint().await?.differences(&before), [""; 0], "a second import changes nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_2_9_are_imported_and_decide_as_they_did() -> Result<()> {
    let Some(mut postgres) = Postgres::start()? else { return Ok(()) };
    postgres.client().await?.batch_execute(&format!("{USERS}{COLUMNS}")).await?;
    imports(&deaf_world().await?, &postgres).await
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_data_of_2_11_is_imported_and_decides_as_it_did() -> Result<()> {
    let Some(mut postgres) = Postgres::start()? else { return Ok(()) };
    let client = postgres.client().await?;
    client.batch_execute(USERS).await?;
    fill_with_stripe_data(&client).await?;
    imports(&deaf_world().await?, &postgres).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_newer_here_stays_and_each_difference_is_told() -> Result<()> {
    let Some(mut postgres) = Postgres::start()? else { return Ok(()) };
    let client = postgres.client().await?;
    client.batch_execute(&format!("{USERS}{COLUMNS}")).await?;
    let world = deaf_world().await?;
    assert_eq!(manage(&world, &["import-djstripe", "--yes", &postgres.url()]).await.code, 0);
    let canceled = tests::EventBuilder::subscription("evt_newer", "sub_one", "cus_one", 1_795_000_000)
        .with("/data/object/status", json!("canceled"));
    assert_eq!(world.deliver(&canceled.body()).await?.body["outcome"], "applied");
    let said = manage(&world, &["import-djstripe", "--yes", &postgres.url()]).await;
    assert_eq!(said.code, 1, "{said:?}");
    let lines: Vec<&str> = said.stdout.lines().take(3).collect();
    assert_eq!(
        lines,
        [
            "  ✗ 1: active → SUBSCRIPTION_REQUIRED",
            "      had access and would have none",
            "      sub_one was active and is canceled"
        ]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_is_never_written_to_and_a_wrong_one_is_a_sentence() -> Result<()> {
    let Some(mut postgres) = Postgres::start()? else { return Ok(()) };
    let client = postgres.client().await?;
    let world = deaf_world().await?;
    let said = manage(&world, &["import-djstripe", "--dry-run", &postgres.url()]).await;
    assert!(said.code == 1 && said.stderr.contains("has no table djstripe_customer"), "{said:?}");
    client.batch_execute(&format!("{USERS}{COLUMNS}")).await?;
    client
        .batch_execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''written''; END'",
        )
        .await?;
    for table in ["auth_user", "djstripe_customer", "djstripe_subscription", "trial_usage_tracking"] {
        let trigger =
            format!("CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON {table} EXECUTE FUNCTION refuse()");
        client.batch_execute(&trigger).await?;
    }
    assert_eq!(manage(&world, &["import-djstripe", "--yes", &postgres.url()]).await.code, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_where_no_database_is_is_told_without_its_password() -> Result<()> {
    let world = World::start().await?;
    for (url, code, advice) in [
        ("postgresql://reader:canary@127.0.0.1:1/app", 1, "Check host, port and name in the URL"),
        ("canary", 2, "postgresql://user@host/database"),
        ("", 2, "names no host"),
    ] {
        let said = manage(&world, &["import-djstripe", "--dry-run", url]).await;
        assert!(said.code == code && said.stderr.contains(advice), "{said:?}");
        assert!(!format!("{said:?}").contains("canary"), "{said:?}");
    }
    let said = run(vec!["import-djstripe".into(), "--help".into()], Vec::new(), String::new()).await;
    assert!(said.stdout.contains("PGPASSWORD"));
    Ok(())
}
