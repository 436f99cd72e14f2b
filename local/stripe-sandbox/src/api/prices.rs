//! `/v1/prices`.

use serde_json::{Value, json};

use crate::api::given::{Given, check_bounds, fresh_metadata};
use crate::api::{Call, Reply, lists, search};
use crate::errors::ApiError;
use crate::objects::catalogue::{self, NewPrice};
use crate::state::Kind;
use crate::tx::Tx;
use crate::values::{owned, text};

/// Stripe takes eight digits.
const MAX_AMOUNT: i64 = 99_999_999;

pub(crate) fn create(call: &mut Call) -> Reply {
    let given = call.given.clone();
    let mut price = build(call.tx, &given)?;
    given.copy(&mut price, &["active", "lookup_key", "nickname", "tax_behavior"]);
    given.merge_metadata(&mut price);
    free_lookup_key(call, None)?;
    Ok(call.tx.create(Kind::Price, price, "price.created"))
}

/// Three years, in intervals.
fn longest(interval: &str) -> i64 {
    match interval {
        "day" => 1_095,
        "week" => 156,
        "year" => 3,
        _ => 36,
    }
}

/// The quantity of a line, within Stripe's bounds.
pub(crate) fn check_quantity(quantity: i64, param: &str, least: i64) -> Result<i64, ApiError> {
    check_bounds(param, quantity, least..=999_999).map(|()| quantity)
}

/// A price from `currency`, `product` or `product_data`, `unit_amount` and `recurring`; not stored yet.
pub(crate) fn build(tx: &mut Tx, given: &Given) -> Reply {
    let currency = given.required("currency")?;
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_lowercase()) {
        return Err(ApiError::invalid(
            "currency",
            format!("Invalid currency: {currency}. Currency codes are three lowercase letters."),
        ));
    }
    let decimal = given.text("unit_amount_decimal").and_then(|amount| amount.parse::<i64>().ok());
    let amount = given.int("unit_amount").or(decimal).ok_or_else(|| ApiError::missing_param("unit_amount"))?;
    check_bounds("unit_amount", amount, 0..=MAX_AMOUNT)?;
    let every =
        given.text("recurring.interval").map(|interval| (interval, given.int("recurring.interval_count").unwrap_or(1)));
    if let Some((interval, count)) = every {
        check_bounds("recurring[interval_count]", count, 1..=longest(interval))?;
    }
    let product = product_of(tx, given)?;
    let id = tx.id("price_1");
    let new = NewPrice { id: &id, product: &product, currency: &currency, unit_amount: amount, every };
    Ok(catalogue::price(&new, tx.livemode(), tx.now))
}

fn product_of(tx: &mut Tx, given: &Given) -> Result<String, ApiError> {
    if let Some(id) = given.text("product") {
        return tx.at_param(Kind::Product, id, "product").map(|product| owned(&product["id"]));
    }
    let Some(name) = given.text("product_data.name") else {
        return Err(ApiError::missing_param("product"));
    };
    let mut product = catalogue::product(&tx.id("prod_"), name, tx.livemode(), tx.now);
    product["metadata"] = fresh_metadata(given.get("product_data.metadata"));
    Ok(owned(&tx.create(Kind::Product, product, "product.created")["id"]))
}

pub(crate) fn retrieve(call: &mut Call) -> Reply {
    call.tx.at_path(Kind::Price, call.id())
}

pub(crate) fn update(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    call.tx.at_path(Kind::Price, &id)?;
    free_lookup_key(call, Some(&id))?;
    let given = call.given.clone();
    Ok(call.tx.change(Kind::Price, &id, "price.updated", |price| {
        given.copy(price, &["active", "lookup_key", "nickname", "tax_behavior"]);
        given.merge_metadata(price);
    }))
}

/// A lookup key belongs to one price; `transfer_lookup_key` moves it.
fn free_lookup_key(call: &mut Call, own: Option<&str>) -> Result<(), ApiError> {
    let Some(key) = call.given.text("lookup_key").map(str::to_owned) else {
        return Ok(());
    };
    let prices = call.tx.world.all(Kind::Price).oldest_first();
    let holder = prices.filter(|price| price["lookup_key"] == key.as_str()).map(|price| owned(&price["id"])).next();
    let Some(holder) = holder.filter(|holder| Some(holder.as_str()) != own) else {
        return Ok(());
    };
    if call.given.flag("transfer_lookup_key") != Some(true) {
        let message = format!("A price (`{holder}`) already uses that lookup key.");
        return Err(ApiError::invalid("lookup_key", message));
    }
    call.tx.change(Kind::Price, &holder, "price.updated", |price| price["lookup_key"] = Value::Null);
    Ok(())
}

pub(crate) fn list(call: &mut Call) -> Reply {
    let keys = call.given.texts("lookup_keys");
    let prices = call.tx.world.all(Kind::Price).newest_first();
    let found = prices.filter(|price| {
        lists::created(price, &call.given)
            && lists::one_of(&price["lookup_key"], &keys)
            && ["active", "currency", "product", "type"].iter().all(|name| lists::equals(price, &call.given, name))
            && call
                .given
                .text("recurring.interval")
                .is_none_or(|interval| text(&price["recurring"]["interval"]) == interval)
    });
    lists::page(&found.cloned().collect::<Vec<_>>(), &call.given, &call.path, "price")
}

pub(crate) fn search(call: &mut Call) -> Reply {
    search::run(call.tx, Kind::Price, &call.given, &call.path)
}

/// A price that can be bought now: known, active and recurring.
pub(crate) fn buyable(tx: &Tx, id: &str, param: &str) -> Result<Value, ApiError> {
    let price = tx.at_param(Kind::Price, id, param)?;
    if price["active"] != true {
        let message = "The price specified is inactive. This field only accepts active prices.";
        return Err(ApiError::coded("price_inactive", Some(param), message));
    }
    if price["recurring"].is_null() {
        let message =
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.";
        return Err(ApiError::invalid(param, message));
    }
    let product = tx.find(Kind::Product, text(&price["product"]));
    if product.is_some_and(|product| product["active"] != json!(true)) {
        let message = format!("Price `{id}` is not available to be purchased because its product is not active.");
        return Err(ApiError::invalid(param, message));
    }
    Ok(price)
}
