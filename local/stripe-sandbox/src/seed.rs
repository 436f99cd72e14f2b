//! What is there from the start: the catalogue, the portal's default configuration, webhook endpoints.

use serde_json::json;

use crate::api::portal;
use crate::app::is_live;
use crate::objects::catalogue::{self, NewPrice};
use crate::objects::endpoint;
use crate::state::{Kind, State};
use crate::tx::{Cause, Tx};
use crate::{DEFAULT_PRICE_ID, DEFAULT_PRODUCT_ID, Options};

/// Puts there what is missing; seeds make no events.
pub(crate) fn plant(state: &mut State, options: &Options, now: i64) {
    let main = is_live(&options.secret_key);
    for livemode in [false, true] {
        let mut tx = Tx::open(state, livemode, now, &options.public_url, Cause::default());
        portal::seed(&mut tx);
        if options.seed_catalogue && livemode == main {
            plant_catalogue(&mut tx);
        }
        plant_endpoints(&mut tx, options);
    }
}

fn plant_catalogue(tx: &mut Tx) {
    if tx.find(Kind::Product, DEFAULT_PRODUCT_ID).is_none() {
        let mut product = catalogue::product(DEFAULT_PRODUCT_ID, "CaixaHub Premium", tx.livemode(), tx.now);
        product["default_price"] = json!(DEFAULT_PRICE_ID);
        product["description"] = json!("CaixaHub Premium, monthly");
        tx.create(Kind::Product, product, "");
    }
    if tx.find(Kind::Price, DEFAULT_PRICE_ID).is_none() {
        let new = NewPrice {
            id: DEFAULT_PRICE_ID,
            product: DEFAULT_PRODUCT_ID,
            currency: "brl",
            unit_amount: 4990,
            every: Some(("month", 1)),
        };
        let mut price = catalogue::price(&new, tx.livemode(), tx.now);
        price["lookup_key"] = json!("caixahub_premium_monthly");
        tx.create(Kind::Price, price, "");
    }
}

fn plant_endpoints(tx: &mut Tx, options: &Options) {
    let livemode = tx.livemode();
    for seed in options.endpoints.iter().filter(|seed| seed.livemode == livemode) {
        let known = tx.find(Kind::Endpoint, &seed.id).cloned();
        let mut object = known.unwrap_or_else(|| endpoint::endpoint(&seed.id, &seed.url, tx.livemode(), tx.now));
        object["url"] = json!(seed.url);
        object["api_version"] = json!(seed.api_version);
        object["enabled_events"] = json!(seed.enabled_events);
        object["status"] = json!("enabled");
        tx.world.secrets.insert(seed.id.clone(), seed.secret.clone());
        tx.create(Kind::Endpoint, object, "");
    }
}
