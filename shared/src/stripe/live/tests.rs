//! Every operation against a real server: what was asked, held against Stripe's own description, and what was made of
//! the answer.

mod account;

use secrecy::SecretString;
use serde_json::json;
use stripe_spec::Spec;

use super::*;
use crate::domain::{CheckoutChoice, Status};
use crate::scripted_server::{Reaction, ScriptedServer};
use crate::stripe::CheckoutStatus;

/// Date of the scripted replies: 1 760 000 000.
const DATE: &str = "Thu, 09 Oct 2025 08:53:20 GMT";

async fn stripe_answering(reactions: Vec<Reaction>) -> (ScriptedServer, LiveStripe) {
    let server = ScriptedServer::start(reactions).await;
    let api_url = Url::parse(&server.url("/")).unwrap();
    let keys = KeySource::Fixed(SecretString::from("sk_test_canary"));
    let stripe = LiveStripe::new(HttpsClient::new(), &api_url, keys, Clock::default());
    (server, stripe)
}

async fn stripe_with(reply: Value) -> (ScriptedServer, LiveStripe) {
    stripe_answering(vec![Reaction::ok(reply).with_header("date", DATE)]).await
}

async fn stripe_without_it() -> (ScriptedServer, LiveStripe) {
    let error = json!({"error": {"type": "invalid_request_error", "code": "resource_missing", "param": "id"}});
    stripe_answering(vec![Reaction::reply(404, error)]).await
}

/// The requests as lines, one parameter each, after Stripe's description found nothing wrong with them.
fn asked(server: &ScriptedServer) -> String {
    let spec = Spec::load();
    if spec.is_none() {
        eprintln!("Stripe's OpenAPI description is absent: the requests are not held against it");
    }
    let mut lines = Vec::new();
    for request in server.requests() {
        if let Some(spec) = &spec {
            let mut violations = spec.check_request(&request.method, &request.path, &request.body);
            // The description ends one version before the one we pin.
            violations.retain(|violation| !violation.starts_with("api_version:"));
            assert_eq!(violations, Vec::<String>::new(), "{} {}", request.method, request.path);
        }
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        lines.push(format!("{} {path}", request.method));
        for parameters in [query, &request.body] {
            lines.extend(
                url::form_urlencoded::parse(parameters.as_bytes()).map(|(name, value)| format!("{name}={value}")),
            );
        }
    }
    lines.join("\n")
}

fn user() -> UserId {
    UserId::parse("42").unwrap()
}

fn customer_id() -> CustomerId {
    CustomerId::parse("cus_1").unwrap()
}

fn session_id() -> CheckoutSessionId {
    CheckoutSessionId::parse("cs_test_1").unwrap()
}

async fn check_out(stripe: &LiveStripe, trial_days: Option<u32>) -> Result<CheckoutSession, StripeError> {
    let choice = CheckoutChoice {
        price: PriceId::parse("price_1").unwrap(),
        success_url: "https://app.example.com/ok?session_id={CHECKOUT_SESSION_ID}&from=a+b".into(),
        cancel_url: "https://app.example.com/checkout/cancel".into(),
        trial_days,
    };
    let new = NewCheckoutSession {
        user: &user(),
        customer: &customer_id(),
        choice: &choice,
        is_trial_eligible: trial_days.is_some(),
        locale: "pt-BR",
    };
    stripe.create_checkout_session(new, "key-1").await
}

fn open_session() -> Value {
    json!({"id": "cs_test_1", "object": "checkout.session", "status": "open", "expires_at": 1_760_086_400,
           "url": "https://checkout.stripe.com/c/pay/cs_test_1", "customer": "cus_1", "client_reference_id": "42"})
}

#[tokio::test]
async fn a_new_customer_carries_the_user() {
    let (server, stripe) = stripe_with(json!({"id": "cus_1", "object": "customer"})).await;
    let new = NewCustomer { user: &user(), email: Some("ana+a&b=c%@example.com"), name: Some("Ana & Filhos {São}") };
    assert_eq!(stripe.create_customer(new, "key-1").await.unwrap(), customer_id());
    assert_eq!(server.requests()[0].header("idempotency-key"), Some("key-1"));
    insta::assert_snapshot!(asked(&server), @r"
    POST /v1/customers
    email=ana+a&b=c%@example.com
    metadata[user_id]=42
    name=Ana & Filhos {São}
    ");
}

#[tokio::test]
async fn a_token_without_email_and_name_makes_a_customer_too() {
    let (server, stripe) = stripe_with(json!({"id": "cus_1", "object": "customer"})).await;
    let new = NewCustomer { user: &user(), email: None, name: None };
    stripe.create_customer(new, "key-1").await.unwrap();
    insta::assert_snapshot!(asked(&server), @r"
    POST /v1/customers
    metadata[user_id]=42
    ");
}

#[tokio::test]
async fn a_checkout_with_a_trial() {
    let (server, stripe) = stripe_with(open_session()).await;
    let session = check_out(&stripe, Some(7)).await.unwrap();
    assert_eq!(session.status, CheckoutStatus::Open);
    assert_eq!(session.url.as_deref(), Some("https://checkout.stripe.com/c/pay/cs_test_1"));
    assert_eq!(server.requests()[0].header("idempotency-key"), Some("key-1"));
    insta::assert_snapshot!(asked(&server), @r"
    POST /v1/checkout/sessions
    allow_promotion_codes=true
    billing_address_collection=auto
    cancel_url=https://app.example.com/checkout/cancel
    client_reference_id=42
    customer=cus_1
    line_items[0][price]=price_1
    line_items[0][quantity]=1
    locale=pt-BR
    metadata[user_id]=42
    mode=subscription
    phone_number_collection[enabled]=true
    subscription_data[metadata][trial_eligible]=True
    subscription_data[metadata][user_id]=42
    subscription_data[trial_period_days]=7
    success_url=https://app.example.com/ok?session_id={CHECKOUT_SESSION_ID}&from=a+b
    ");
}

#[tokio::test]
async fn a_checkout_without_a_trial_names_no_days() {
    let (server, stripe) = stripe_with(open_session()).await;
    check_out(&stripe, None).await.unwrap();
    let asked = asked(&server);
    assert!(asked.contains("subscription_data[metadata][trial_eligible]=False"), "{asked}");
    assert!(!asked.contains("trial_period_days"), "{asked}");
}

#[tokio::test]
async fn the_same_checkout_is_the_same_bytes() {
    let bodies = async || {
        let (server, stripe) = stripe_with(open_session()).await;
        check_out(&stripe, Some(7)).await.unwrap();
        server.requests()[0].body.clone()
    };
    let first = bodies().await;
    for _ in 0..5 {
        assert_eq!(bodies().await, first);
    }
}

#[tokio::test]
async fn a_session_is_read_with_its_subscription_and_card() {
    let (server, stripe) = stripe_with(json!({
        "id": "cs_test_1", "object": "checkout.session", "status": "complete", "expires_at": 1_760_086_400,
        "customer": "cus_1", "subscription": {
            "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "trialing",
            "created": 1_760_000_000, "metadata": {"user_id": "42"}, "default_payment_method": {
                "id": "pm_1", "object": "payment_method", "type": "card", "customer": "cus_1",
                "card": {"brand": "visa", "last4": "4242"}}}}))
    .await;
    let snapshot = stripe.get_checkout_session(&session_id()).await.unwrap().unwrap();
    assert_eq!(snapshot.seen_until.as_second(), 1_760_000_000);
    assert_eq!(snapshot.seen_from.as_second(), 1_759_999_999);
    let subscription = snapshot.value.subscription.unwrap();
    assert_eq!(subscription.subscription.status, Status::Trialing);
    assert_eq!(subscription.card.unwrap().last4, "4242");
    insta::assert_snapshot!(asked(&server), @r"
    GET /v1/checkout/sessions/cs_test_1
    expand[0]=subscription
    expand[1]=subscription.default_payment_method
    ");
}

#[tokio::test]
async fn a_session_is_expired_by_its_id() {
    let mut expired = open_session();
    expired["status"] = json!("expired");
    let (server, stripe) = stripe_with(expired).await;
    stripe.expire_checkout_session(&session_id()).await.unwrap();
    insta::assert_snapshot!(asked(&server), @"POST /v1/checkout/sessions/cs_test_1/expire");
}

#[tokio::test]
async fn a_session_that_is_not_open_refuses_to_expire() {
    let refusal = json!({"error": {"type": "invalid_request_error", "message": "Only Checkout Sessions with a status in [\"open\"] can be expired."}});
    let (_server, stripe) = stripe_answering(vec![Reaction::reply(400, refusal)]).await;
    let error = stripe.expire_checkout_session(&session_id()).await.unwrap_err();
    assert!(matches!(error, StripeError::Refused { http_status: 400, .. }), "{error:?}");
}

#[tokio::test]
async fn a_portal_session_is_its_url() {
    let portal = json!({"id": "bps_1", "object": "billing_portal.session", "url": "https://billing.stripe.com/p/1"});
    let (server, stripe) = stripe_with(portal).await;
    let url = stripe.create_portal_session(&customer_id(), "https://app.example.com/settings").await.unwrap();
    assert_eq!(url, "https://billing.stripe.com/p/1");
    insta::assert_snapshot!(asked(&server), @r"
    POST /v1/billing_portal/sessions
    customer=cus_1
    return_url=https://app.example.com/settings
    ");
}

#[tokio::test]
async fn a_subscription_is_read_with_its_card() {
    let (server, stripe) = stripe_with(json!({"id": "sub_1", "object": "subscription", "customer": "cus_1",
        "status": "active", "created": 1_760_000_000, "metadata": {"user_id": "42"}}))
    .await;
    let subscription = SubscriptionId::parse("sub_1").unwrap();
    let snapshot = stripe.get_subscription(&subscription).await.unwrap().unwrap();
    assert_eq!(snapshot.value.user, Some(user()));
    assert_eq!(snapshot.seen_until.as_second(), 1_760_000_000);
    insta::assert_snapshot!(asked(&server), @r"
    GET /v1/subscriptions/sub_1
    expand[0]=default_payment_method
    ");
}

#[tokio::test]
async fn a_deleted_customer_is_read_as_such() {
    let (server, stripe) = stripe_with(json!({"id": "cus_1", "object": "customer", "deleted": true})).await;
    assert!(stripe.get_customer(&customer_id()).await.unwrap().unwrap().value.is_deleted);
    insta::assert_snapshot!(asked(&server), @r"
    GET /v1/customers/cus_1
    expand[0]=invoice_settings.default_payment_method
    ");
}

#[tokio::test]
async fn payment_methods_prices_and_products_are_read_by_their_ids() {
    let (server, stripe) = stripe_answering(vec![
        Reaction::ok(
            json!({"id": "pm_1", "type": "card", "customer": "cus_1", "card": {"brand": "visa", "last4": "4242"}}),
        ),
        Reaction::ok(json!({"id": "price_1", "active": true, "product": "prod_1", "currency": "brl"})),
        Reaction::ok(json!({"id": "prod_1", "active": true, "name": "CaixaHub Premium"})),
    ])
    .await;
    let card = stripe.get_payment_method(&PaymentMethodId::parse("pm_1").unwrap()).await.unwrap().unwrap();
    assert_eq!(card.value.brand, "visa");
    let price = stripe.get_price(&PriceId::parse("price_1").unwrap()).await.unwrap().unwrap();
    assert_eq!(price.value.product.as_str(), "prod_1");
    let product = stripe.get_product(&ProductId::parse("prod_1").unwrap()).await.unwrap().unwrap();
    assert_eq!(product.value.name, "CaixaHub Premium");
    insta::assert_snapshot!(asked(&server), @r"
    GET /v1/payment_methods/pm_1
    GET /v1/prices/price_1
    GET /v1/products/prod_1
    ");
}

#[tokio::test]
async fn an_id_a_merchant_chose_stays_one_segment_of_the_path() {
    let (server, stripe) = stripe_without_it().await;
    assert!(stripe.get_price(&PriceId::parse("gold/2?x=#%.").unwrap()).await.unwrap().is_none());
    assert_eq!(server.requests()[0].path, "/v1/prices/gold%2F2%3Fx%3D%23%25%2E");
}

#[tokio::test]
async fn what_stripe_does_not_know_is_nothing() {
    let (_server, stripe) = stripe_without_it().await;
    assert!(stripe.get_subscription(&SubscriptionId::parse("sub_1").unwrap()).await.unwrap().is_none());
    let (_server, stripe) = stripe_without_it().await;
    assert!(stripe.get_checkout_session(&session_id()).await.unwrap().is_none());
    let (_server, stripe) = stripe_without_it().await;
    assert!(stripe.get_customer(&customer_id()).await.unwrap().is_none());
    let (_server, stripe) = stripe_without_it().await;
    let error = stripe.create_portal_session(&customer_id(), "https://app.example.com").await.unwrap_err();
    assert!(matches!(error, StripeError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_says_where() {
    let (_server, stripe) = stripe_with(json!({"id": "sub_1", "object": "subscription", "status": "active"})).await;
    let error = stripe.get_subscription(&SubscriptionId::parse("sub_1").unwrap()).await.unwrap_err();
    let detail = "subscription/customer is missing (request -)".to_owned();
    assert_eq!(error, StripeError::Unreadable { detail });
    let (_server, stripe) = stripe_answering(vec![Reaction::ok("<html>")]).await;
    let error = stripe.get_customer(&customer_id()).await.unwrap_err();
    assert_eq!(error, StripeError::Unreadable { detail: "it is not JSON (request -)".into() });
}

fn customers(has_more: bool, customers: &[(&str, &str)]) -> Reaction {
    let customer = |(id, user): &(&str, &str)| json!({"id": id, "object": "customer", "metadata": {"user_id": user}});
    let data: Vec<Value> = customers.iter().map(customer).collect();
    Reaction::ok(json!({"object": "list", "has_more": has_more, "data": data}))
}

#[tokio::test]
async fn a_lost_customer_is_found_among_those_of_the_email() {
    let (server, stripe) = stripe_answering(vec![
        customers(true, &[("cus_other", "7")]),
        customers(false, &[("cus_another", "8"), ("cus_1", "42")]),
    ])
    .await;
    let found = stripe.find_customer(&user(), Some("ana+test@example.com")).await.unwrap();
    assert_eq!(found, Some(customer_id()));
    insta::assert_snapshot!(asked(&server), @r"
    GET /v1/customers
    email=ana+test@example.com
    limit=100
    GET /v1/customers
    email=ana+test@example.com
    limit=100
    starting_after=cus_other
    ");
}

#[tokio::test]
async fn else_by_a_search_whose_finds_are_checked() {
    let user = UserId::parse(r#"o'neil\"x"#).unwrap();
    let shouted = r#"O'NEIL\"X"#;
    let finds = [("cus_shouted", shouted), ("cus_1", user.as_str())];
    let (server, stripe) = stripe_answering(vec![customers(false, &[]), customers(false, &finds)]).await;
    assert_eq!(stripe.find_customer(&user, Some("a@example.com")).await.unwrap(), Some(customer_id()));
    insta::assert_snapshot!(asked(&server), @r#"
    GET /v1/customers
    email=a@example.com
    limit=100
    GET /v1/customers/search
    limit=100
    query=metadata['user_id']:'o\'neil\\\"x'
    "#);
}

#[tokio::test]
async fn without_an_email_only_the_search_is_asked() {
    for email in [None, Some("")] {
        let (server, stripe) = stripe_answering(vec![customers(false, &[])]).await;
        assert_eq!(stripe.find_customer(&user(), email).await.unwrap(), None);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn listing_ends_when_it_would_go_on_for_ever() {
    let mut answers = vec![customers(true, &[("cus_other", "7")]); 5];
    answers.push(customers(false, &[]));
    let (server, stripe) = stripe_answering(answers).await;
    assert_eq!(stripe.find_customer(&user(), Some("test@example.com")).await.unwrap(), None);
    assert_eq!(server.requests().len(), 6);
}
