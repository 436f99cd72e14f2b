//! `/v1/products`.

use serde_json::{Value, json};

use crate::api::given::Given;
use crate::api::{Call, Reply, lists, search};
use crate::errors::ApiError;
use crate::objects::{catalogue, customer::deleted};
use crate::state::Kind;
use crate::values::owned;

pub(crate) fn create(call: &mut Call) -> Reply {
    let id = call.given.text("id").map_or_else(|| call.tx.id("prod_"), str::to_owned);
    if call.tx.find(Kind::Product, &id).is_some() {
        return Err(ApiError::coded("resource_already_exists", Some("id"), "Product already exists."));
    }
    let mut product = catalogue::product(&id, &call.given.required("name")?, call.tx.livemode(), call.tx.now);
    write(&call.given, &mut product);
    Ok(call.tx.create(Kind::Product, product, "product.created"))
}

pub(crate) fn retrieve(call: &mut Call) -> Reply {
    call.tx.at_path(Kind::Product, call.id())
}

pub(crate) fn update(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    call.tx.at_path(Kind::Product, &id)?;
    if let Some(price) = call.given.text("default_price") {
        call.tx.at_param(Kind::Price, price, "default_price")?;
    }
    let (given, now) = (call.given.clone(), call.tx.now);
    Ok(call.tx.change(Kind::Product, &id, "product.updated", |product| {
        write(&given, product);
        product["updated"] = json!(now);
    }))
}

pub(crate) fn delete(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let product = call.tx.at_path(Kind::Product, &id)?;
    if call.tx.world.all(Kind::Price).oldest_first().any(|price| price["product"] == id.as_str()) {
        let message = "This product cannot be deleted because it has one or more user-created prices.";
        return Err(ApiError::refused(message));
    }
    call.tx.remove(Kind::Product, &id);
    call.tx.emit("product.deleted", &product, None);
    Ok(deleted("product", &id))
}

pub(crate) fn list(call: &mut Call) -> Reply {
    let ids = call.given.texts("ids");
    let products = call.tx.world.all(Kind::Product).newest_first();
    let found = products.filter(|product| {
        lists::created(product, &call.given)
            && lists::one_of(&product["id"], &ids)
            && ["active", "shippable", "url"].iter().all(|name| lists::equals(product, &call.given, name))
    });
    lists::page(&found.cloned().collect::<Vec<_>>(), &call.given, &call.path, "product")
}

pub(crate) fn search(call: &mut Call) -> Reply {
    search::run(call.tx, Kind::Product, &call.given, &call.path)
}

fn write(given: &Given, product: &mut Value) {
    let fields = [
        "active",
        "name",
        "description",
        "default_price",
        "shippable",
        "statement_descriptor",
        "unit_label",
        "url",
        "tax_code",
    ];
    given.copy(product, &fields);
    given.merge_metadata(product);
    if given.get("images").is_some() {
        product["images"] = json!(given.texts("images"));
    }
    if product["name"].is_null() {
        product["name"] = json!(owned(&product["id"]));
    }
}
