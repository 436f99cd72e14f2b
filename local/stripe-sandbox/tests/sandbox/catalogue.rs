//! Products, prices, the account.

use serde_json::json;

use crate::support::{World, id};

#[tokio::test]
async fn the_catalogue_is_there_from_the_start() {
    let world = World::start().await;
    let price = world.get("/v1/prices/price_caixahub_premium_monthly?expand[]=product").await.body;
    assert_eq!((price["unit_amount"].as_i64(), price["currency"].as_str()), (Some(4990), Some("brl")));
    assert_eq!(price["product"]["name"], "CaixaHub Premium");
    assert_eq!(world.get("/v1/account").await.body["charges_enabled"], true);
}

#[tokio::test]
async fn products_and_prices_live_and_die() {
    let world = World::start().await;
    let product = id(&world.post("/v1/products", "name=Basic&description=x&metadata[tier]=1&active=true").await.body);
    let form = format!(
        "product={product}&currency=brl&unit_amount=1990&recurring[interval]=year&lookup_key=basic_yearly&nickname=Y"
    );
    let price = world.post("/v1/prices", &form).await.body;
    assert_eq!(price["recurring"]["interval"], "year");
    assert_eq!(world.post("/v1/prices", &form).await.status, 400);
    let moved = world.post("/v1/prices", &format!("{form}&transfer_lookup_key=true")).await.body;
    let by_key = world.get("/v1/prices?lookup_keys[]=basic_yearly&active=true&expand[]=data.product").await.body;
    assert_eq!((id(&by_key["data"][0]), by_key["data"][0]["product"]["name"].as_str()), (id(&moved), Some("Basic")));
    assert_eq!(world.delete(&format!("/v1/products/{product}")).await.status, 400);
    assert_eq!(
        world.post(&format!("/v1/products/{product}"), "metadata[tier]=&description=&name=Basic 2").await.body["metadata"],
        json!({})
    );
    assert_eq!(world.post(&format!("/v1/prices/{}", id(&moved)), "active=false").await.body["active"], false);
    let found = world.get("/v1/prices/search?query=active%3A%22false%22").await.body;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(world.get("/v1/products/search?query=name~%22Basic%22").await.body["data"].as_array().unwrap().len(), 1);
    let empty = id(&world.post("/v1/products", "name=Empty").await.body);
    assert_eq!(world.delete(&format!("/v1/products/{empty}")).await.body["deleted"], true);
    world.received("product.updated", 1).await;
}
