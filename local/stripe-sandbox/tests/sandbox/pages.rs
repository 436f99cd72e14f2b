//! The hosted pages, used as a browser without scripts would.

use serde_json::json;

use crate::support::{CARD, FAILS_LATER, World, id};

impl World {
    /// A page: status, `Location`, text.
    async fn browse(&self, path: &str, form: Option<&str>, language: &str) -> (u16, String, String) {
        let url = format!("{}{path}", self.base);
        let request = match form {
            Some(form) => {
                self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())
            }
            None => self.http.get(url),
        };
        let reply = request.header("accept-language", language).send().await.unwrap();
        let location =
            reply.headers().get("location").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        (reply.status().as_u16(), location, reply.text().await.unwrap())
    }

    async fn portal(&self, customer: &str) -> String {
        let form = format!("customer={customer}&return_url=http://localhost:9000/settings");
        let session = self.post("/v1/billing_portal/sessions", &form).await.body;
        session["url"].as_str().unwrap().strip_prefix(&self.base).unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_person_pays_on_the_checkout_page() {
    let world = World::start().await;
    let customer = world.customer().await;
    let session = world
        .session(
            &customer,
            "&subscription_data[trial_period_days]=7&locale=pt-BR&cancel_url=http://localhost:9000/back",
        )
        .await;
    let path = session["url"].as_str().unwrap().strip_prefix(&world.base).unwrap().to_owned();
    let (status, _, page) = world.browse(&path, None, "en").await;
    assert_eq!(status, 200);
    for words in [
        "TEST MODE",
        "CaixaHub Premium",
        "7 dias grátis",
        "R$ 49,90",
        "por mês",
        "ana@example.com",
        "4000 0000 0000 0341",
        "http://localhost:9000/back",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let (status, _, page) = world.browse(&path, Some("card=4000000000000002&email=ana@example.com"), "en").await;
    assert!(status == 402 && page.contains("Seu cartão foi recusado."));
    let (status, location, _) =
        world.browse(&path, Some(&format!("card={CARD}&email=ana@example.com&name=Ana")), "en").await;
    assert_eq!((status, location), (303, format!("http://localhost:9000/ok?session_id={}", id(&session))));
    let (status, _, page) = world.browse(&path, None, "en").await;
    assert!(status == 200 && page.contains("Pagamento concluído"));
    world.received("checkout.session.completed", 1).await;
}

#[tokio::test]
async fn the_page_asks_the_card_holder() {
    let world = World::start().await;
    let customer = world.customer().await;
    let session = id(&world.session(&customer, "").await);
    let (status, _, page) = world.browse(&format!("/c/pay/{session}"), Some("card=4000002500003155"), "en").await;
    assert!(status == 402 && page.contains("Complete authentication"));
    let (status, _, _) = world.browse(&format!("/c/pay/{session}/authenticate"), Some(""), "en").await;
    assert_eq!(status, 303);
}

#[tokio::test]
async fn what_is_over_says_so() {
    let world = World::start().await;
    assert_eq!(world.browse("/c/pay/cs_test_nothing", None, "en").await.0, 404);
    assert_eq!(world.browse("/p/session/bps_nothing", None, "en").await.0, 404);
    let customer = world.customer().await;
    let session = id(&world.session(&customer, "").await);
    world.post(&format!("/v1/checkout/sessions/{session}/expire"), "").await;
    let (status, _, page) = world.browse(&format!("/c/pay/{session}"), None, "en").await;
    assert!(status == 410 && page.contains("Session expired"));
}

#[tokio::test]
async fn a_person_cancels_and_comes_back_in_the_portal() {
    let world = World::start().await;
    let (customer, subscription) = world.subscriber("", CARD).await;
    let path = world.portal(&customer).await;
    let (_, _, page) = world.browse(&path, None, "en").await;
    for words in [
        "TEST MODE",
        "CaixaHub Premium",
        "Active",
        "renews on",
        "visa •••• 4242",
        "Invoices",
        "http://localhost:9000/settings",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let form = format!("subscription={subscription}");
    let (status, location, _) = world.browse(&format!("{path}/cancel"), Some(&form), "en").await;
    assert_eq!((status, location), (303, format!("{path}?note=canceled")));
    let ending = world.subscription(&subscription).await;
    assert_eq!((ending["cancel_at_period_end"].as_bool(), ending["cancel_at"].is_i64()), (Some(false), true));
    let (_, _, page) = world.browse(&path, None, "pt-BR").await;
    assert!(page.contains("termina em") && page.contains("Não cancelar"));
    world.browse(&format!("{path}/undo"), Some(&form), "en").await;
    assert!(world.subscription(&subscription).await["cancel_at"].is_null());

    world.control("POST", "/faults", json!({"portal_cancel_style": "cancel_at_period_end"})).await;
    world.browse(&format!("{path}/cancel"), Some(&form), "en").await;
    assert_eq!(world.subscription(&subscription).await["cancel_at_period_end"], true);
    world.advance(32).await;
    assert_eq!(world.subscription(&subscription).await["status"], "canceled");
    assert!(world.browse(&path, None, "en").await.2.contains("ended on"));
}

#[tokio::test]
async fn a_person_changes_the_card_and_pays_what_is_open() {
    let world = World::start().await;
    let (customer, subscription) = world.subscriber("&subscription_data[trial_period_days]=7", FAILS_LATER).await;
    world.advance(8).await;
    let path = world.portal(&customer).await;
    let (_, location, _) = world.browse(&format!("{path}/card"), Some("card=4000000000000002"), "en").await;
    assert!(location.ends_with("note=declined"));
    let (_, location, _) = world.browse(&format!("{path}/card"), Some("card=5555 5555 5555 4444"), "en").await;
    assert!(location.ends_with("note=card"));
    assert!(world.browse(&path, None, "en").await.2.contains("mastercard •••• 4444"));
    let invoice = world.subscription(&subscription).await["latest_invoice"].as_str().unwrap().to_owned();
    assert!(world.browse(&format!("/i/{invoice}"), None, "pt").await.2.contains("R$ 49,90"));
    let (_, location, _) = world.browse(&format!("{path}/pay"), Some(&format!("invoice={invoice}")), "en").await;
    assert!(location.ends_with("note=paid"));
    assert_eq!(world.subscription(&subscription).await["status"], "active");
}
