use crate::support::*;
use serde_json::json;
#[tokio::test]
async fn dump() {
    let world = World::start().await;
    let (customer, sub) = world.subscriber("&subscription_data[trial_period_days]=7", CARD).await;
    world.advance(8).await;
    world.control("POST", &format!("/customers/{customer}/card"), json!({"card": FAILS_LATER})).await;
    world.advance(48).await;
    world.subscriber("", CARD).await;
    let c = world.customer().await;
    let s = world.session(&c, "").await;
    world.pay(s["id"].as_str().unwrap(), "4000002500003155").await;
    world.delete(&format!("/v1/customers/{customer}")).await;
    let events: Vec<_> = world.receiver.all().into_iter().map(|g| g.event).collect();
    let mut objects = vec![];
    for p in ["/v1/account", "/v1/webhook_endpoints", "/v1/billing_portal/configurations", "/v1/payment_methods?customer="] { let p = if p.ends_with('=') { format!("{p}{c}") } else { p.to_string() }; objects.push(world.get(&p).await.body); }
    objects.push(world.get(&format!("/v1/subscriptions/{sub}?expand[]=latest_invoice&expand[]=default_payment_method")).await.body);
    std::fs::write("/tmp/gen/events.json", serde_json::to_string(&json!({"events": events, "objects": objects})).unwrap()).unwrap();
}
