//! The records on a real engine: keys, conditions and what a second write does.

use anyhow::Result;
use jiff::Timestamp;
use shared::domain::{
    CheckoutChoice, CheckoutClaim, CheckoutSessionId, CustomerId, Mode, PriceId, SubscriptionId, TrialClaim, UserId,
};
use shared::store::{Change, Commit, Store};
use tests::World;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time of this age")
}

fn store(world: &World, mode: Mode) -> Result<Store> {
    let core = world.stack.core().map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(core.store(mode)?)
}

fn is_landed(commit: &Commit) -> bool {
    matches!(commit, Commit::Landed)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_trial_stays_for_ever() -> Result<()> {
    let world = World::start().await?;
    let store = store(&world, Mode::Test)?;
    let user = UserId::parse("42")?;
    let spend = |second: i64, subscription: &str| {
        let claim = TrialClaim { first_trial_at: at(second), subscription: SubscriptionId::parse(subscription).ok() };
        vec![Change::Trial { user: user.clone(), claim }]
    };
    assert!(is_landed(&store.commit(spend(100, "sub_first")).await?));
    assert!(is_landed(&store.commit(spend(150, "sub_first")).await?), "the same again");
    assert!(!is_landed(&store.commit(spend(50, "sub_second")).await?), "another subscription");
    let trial = store.read_account(&user).await?.trial.expect("a trial");
    assert_eq!((trial.first_trial_at, trial.subscription.unwrap().as_str()), (at(100), "sub_first"));
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_has_one_owner_and_a_user_one_customer() -> Result<()> {
    let world = World::start().await?;
    let store = store(&world, Mode::Test)?;
    let (mine, yours) = (UserId::parse("42")?, UserId::parse("43")?);
    let (first, second) = (CustomerId::parse("cus_1")?, CustomerId::parse("cus_2")?);
    let own = |customer: &CustomerId, user: &UserId| {
        vec![
            Change::Own { customer: customer.clone(), user: user.clone(), joined: true },
            Change::LinkCustomer { user: user.clone(), customer: customer.clone() },
        ]
    };
    assert!(is_landed(&store.commit(own(&first, &mine)).await?));
    assert!(is_landed(&store.commit(own(&first, &mine)).await?), "again is the same");
    assert!(!is_landed(&store.commit(own(&first, &yours)).await?), "another user");
    assert!(!is_landed(&store.commit(own(&second, &mine)).await?), "another customer");
    assert_eq!(store.read_owner(&first).await?.user, Some(mine));
    assert_eq!(store.read_owner(&second).await?.user, None, "nothing of a refused transaction landed");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_session_is_claimed_by_one_attempt_only() -> Result<()> {
    let world = World::start().await?;
    let store = store(&world, Mode::Test)?;
    let user = UserId::parse("42")?;
    let claim = |session: &str, attempt: u64| CheckoutClaim {
        session: CheckoutSessionId::parse(session).expect("a session id"),
        url: "https://checkout.stripe.com/c/pay".into(),
        expires_at: at(2_000_000_000),
        choice: CheckoutChoice {
            price: PriceId::parse("price_1").expect("a price id"),
            success_url: "https://app.example.com/s".into(),
            cancel_url: "https://app.example.com/c".into(),
            trial_days: Some(7),
        },
        opened_at: at(1_000),
        attempt,
        failures_before: 0,
        customer: CustomerId::parse("cus_1").ok(),
        is_paid: false,
        is_closed: false,
    };
    let open = |session: &str, attempt: u64, previous_attempt| {
        vec![Change::Checkout { user: user.clone(), claim: claim(session, attempt), previous_attempt }]
    };
    assert!(is_landed(&store.commit(open("cs_test_a", 1, None)).await?));
    assert!(!is_landed(&store.commit(open("cs_test_b", 1, None)).await?));
    assert!(is_landed(&store.commit(open("cs_test_c", 2, Some(1))).await?));
    assert!(!is_landed(&store.commit(open("cs_test_d", 2, Some(1))).await?));
    let close = |session: &str| {
        let session = CheckoutSessionId::parse(session).expect("a session id");
        vec![Change::CloseCheckout { user: user.clone(), session, is_paid: false }]
    };
    assert!(!is_landed(&store.commit(close("cs_test_a")).await?), "only the open one is closed");
    assert!(is_landed(&store.commit(close("cs_test_c")).await?));
    let kept = store.read_account(&user).await?.checkout.expect("a claim");
    assert_eq!((kept, true), (CheckoutClaim { is_closed: true, ..claim("cs_test_c", 2) }, true));
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_reaches_into_anothers_key_and_no_mode_into_the_other() -> Result<()> {
    let world = World::start().await?;
    let store_test = store(&world, Mode::Test)?;
    let claim = TrialClaim { first_trial_at: at(100), subscription: None };
    let forged = UserId::parse("42#trial")?;
    store_test.commit(vec![Change::Trial { user: forged, claim: claim.clone() }]).await?;
    let sly = UserId::parse("x\u{2028}live#user#42").or_else(|_| UserId::parse("xlive#user#42"))?;
    store_test.commit(vec![Change::Trial { user: sly, claim }]).await?;
    let user = UserId::parse("42")?;
    assert!(!store_test.read_account(&user).await?.has_used_trial());
    assert!(!store(&world, Mode::Live)?.read_account(&user).await?.has_used_trial());
    world.stack.shutdown().await
}
