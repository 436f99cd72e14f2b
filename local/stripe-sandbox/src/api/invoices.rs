//! `/v1/invoices`: the ones subscriptions make.

use serde_json::{Value, json};

use crate::api::{Call, Reply, lists, payment_methods};
use crate::engine::{collect, invoices};
use crate::errors::ApiError;
use crate::state::Kind;
use crate::values::{items, owned, text};

pub(crate) fn retrieve(call: &mut Call) -> Reply {
    call.tx.at_path(Kind::Invoice, call.id())
}

pub(crate) fn update(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    call.tx.at_path(Kind::Invoice, &id)?;
    let given = call.given.clone();
    Ok(call.tx.change(Kind::Invoice, &id, "invoice.updated", |invoice| {
        given.copy(invoice, &["auto_advance", "description", "footer", "default_payment_method"]);
        given.merge_metadata(invoice);
    }))
}

pub(crate) fn list(call: &mut Call) -> Reply {
    lists::check_customer(call.tx, &call.given)?;
    let subscription = call.given.text("subscription");
    let found = call.tx.world.all(Kind::Invoice).newest_first().filter(|invoice| {
        lists::created(invoice, &call.given)
            && ["customer", "status", "collection_method"].iter().all(|name| lists::equals(invoice, &call.given, name))
            && subscription.is_none_or(|id| invoice["parent"]["subscription_details"]["subscription"] == id)
    });
    lists::page(&found.cloned().collect::<Vec<_>>(), &call.given, &call.path, "invoice")
}

pub(crate) fn lines(call: &mut Call) -> Reply {
    let invoice = call.tx.at_path(Kind::Invoice, call.id())?;
    lists::page(items(&invoice["lines"]["data"]), &call.given, &call.path, "line_item")
}

pub(crate) fn finalize(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let invoice = call.tx.at_path(Kind::Invoice, &id)?;
    if invoice["status"] != "draft" {
        let message = "This invoice is already finalized, you can't re-finalize a non-draft invoice.";
        return Err(ApiError::coded("invoice_not_editable", None, message));
    }
    Ok(invoices::finalize(call.tx, &id))
}

pub(crate) fn pay(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let invoice = call.tx.at_path(Kind::Invoice, &id)?;
    let finalized = match text(&invoice["status"]) {
        "paid" => return Err(ApiError::refused("Invoice is already paid")),
        "void" | "uncollectible" => return Err(ApiError::refused("This invoice can no longer be paid.")),
        "draft" => invoices::finalize(call.tx, &id),
        _ => invoice.clone(),
    };
    if finalized["status"] == "paid" {
        return Ok(finalized);
    }
    if call.given.flag("paid_out_of_band") == Some(true) {
        collect::mark_paid(call.tx, &id);
        return call.tx.at_path(Kind::Invoice, &id);
    }
    let customer = owned(&invoice["customer"]);
    let named = call.given.text("payment_method").map(str::to_owned);
    let with =
        named.map(|named| payment_methods::attached_id(call.tx, &named, &customer, "payment_method")).transpose()?;
    collect::charge(call.tx, &id, with.as_deref())?;
    call.tx.at_path(Kind::Invoice, &id)
}

pub(crate) fn void(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let invoice = call.tx.at_path(Kind::Invoice, &id)?;
    if invoice["status"] != "open" {
        let status = owned(&invoice["status"]);
        let message = format!("You can only pass in open invoices. This invoice isn't open: its status is {status}.");
        return Err(ApiError::refused(message));
    }
    Ok(match invoices::void(call.tx, &id) {
        Value::Null => json!(invoice),
        voided => voided,
    })
}
