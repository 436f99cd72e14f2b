//! An e-mail address proves nothing: neither the one a token claims nor the one typed at Stripe.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::World;

const PROTECTED: &str = "/api/banking/accounts/";

fn claiming(world: &World, user: &str, email: &str) -> Result<String> {
    world.stack.token(json!({ "user_id": user, "email": email }))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_in_a_token_gives_nobody_anothers_customer_or_subscription() -> Result<()> {
    let world = World::start().await?;
    let victim = claiming(&world, "victim", "maria@example.com")?;
    let session = world.checkout(&victim).await?;
    let paid = world.pay(&session, "4242424242424242").await?;
    let theirs = world.status(&victim).await?;

    for (user, email) in
        [("attacker", "maria@example.com"), ("attacker2", "MARIA@example.com"), ("3", "maria+x@example.com")]
    {
        let attacker = claiming(&world, user, email)?;
        assert_eq!(world.status(&attacker).await?["status"], "none");
        assert_eq!(world.get(PROTECTED, Some(&attacker)).await?.status, 402);
        let portal = world.post("/api/subscriptions/portal/", Some(&attacker), &json!({})).await?;
        assert_eq!((portal.status, portal.code()), (400, "NO_CUSTOMER"));
        let session = world.checkout(&attacker).await?;
        let opened = world.stripe_get(&format!("/v1/checkout/sessions/{session}")).await?;
        assert_ne!(opened["customer"], paid["customer"], "{user} pays for the victim's customer");
        assert_eq!(opened["client_reference_id"], user);
        assert_eq!(world.status(&attacker).await?["status"], "none");
    }
    assert_eq!(world.status(&victim).await?, theirs, "and the victim keeps what is theirs");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_at_stripe_is_not_given_to_whoever_claims_its_email() -> Result<()> {
    let world = World::start().await?;
    // Somebody subscribed by other means, say in the Dashboard: no user is named.
    let made = world.stripe_post("/v1/customers", "email=maria%40example.com").await?;
    let customer = made.body["id"].as_str().context("a customer")?.to_owned();
    let attach = world.stripe_post("/v1/payment_methods/pm_card_visa/attach", &format!("customer={customer}")).await?;
    let card = attach.body["id"].as_str().context("a card")?;
    let price = stripe_sandbox::DEFAULT_PRICE_ID;
    let form = format!("customer={customer}&items[0][price]={price}&default_payment_method={card}");
    let orphan = world.stripe_post("/v1/subscriptions", &form).await?;
    assert_eq!(orphan.body["status"], "active", "{:?}", orphan.body);
    world.delivered().await?;

    let attacker = claiming(&world, "attacker", "maria@example.com")?;
    assert_eq!(world.status(&attacker).await?["status"], "none");
    let session = world.checkout(&attacker).await?;
    let opened = world.stripe_get(&format!("/v1/checkout/sessions/{session}")).await?;
    assert_ne!(opened["customer"], customer.as_str());
    world.pay(&session, "4242424242424242").await?;
    let status = world.status(&attacker).await?;
    assert_ne!(status["subscription_id"], orphan.body["id"], "they have what they paid for themselves");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_typed_at_the_checkout_page_moves_nothing() -> Result<()> {
    let world = World::start().await?;
    let victim = claiming(&world, "victim", "maria@example.com")?;
    world.subscribe(&victim).await?;
    let theirs = world.status(&victim).await?;
    let attacker = claiming(&world, "attacker", "attacker@example.com")?;
    let session = world.checkout(&attacker).await?;
    let pay = json!({ "card": "4242424242424242", "email": "maria@example.com" });
    let paid = world.sandbox(&format!("checkout/{session}/pay"), &pay).await?;
    world.delivered().await?;
    assert_eq!(world.status(&attacker).await?["subscription_id"], paid["subscription_id"]);
    assert_eq!(world.status(&victim).await?, theirs);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_email_or_a_deleted_account_brings_no_second_trial() -> Result<()> {
    let world = World::start().await?;
    let first = claiming(&world, "42", "one@example.com")?;
    let session = world.checkout(&first).await?;
    let paid = world.pay(&session, "4242424242424242").await?;
    let subscription = paid["subscription_id"].as_str().context("a subscription")?;
    world.stripe_delete(&format!("/v1/subscriptions/{subscription}")).await?;
    let customer = paid["customer"].as_str().context("a customer")?;
    world.stripe_delete(&format!("/v1/customers/{customer}")).await?;
    world.delivered().await?;

    // The account was deleted and made again under the same id, or has just another address now.
    let again = claiming(&world, "42", "two@example.com")?;
    let refused = world.get(PROTECTED, Some(&again)).await?;
    assert_eq!(refused.status, 402);
    assert_ne!(refused.code(), "CHECKOUT_REQUIRED");
    let session = world.checkout(&again).await?;
    world.pay(&session, "4242424242424242").await?;
    let status = world.status(&again).await?;
    assert_eq!((&status["status"], &status["trial_end"]), (&json!("active"), &Value::Null), "{status}");
    world.stack.shutdown().await
}
