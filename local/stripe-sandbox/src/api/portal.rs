//! `/v1/billing_portal`: sessions and configurations.

use serde_json::{Value, json};

use crate::api::given::{Given, check_url};
use crate::api::{Call, Reply, lists};
use crate::errors::ApiError;
use crate::objects::portal as object;
use crate::state::Kind;
use crate::tx::Tx;
use crate::values::{flag, owned};

pub(crate) fn create_session(call: &mut Call) -> Reply {
    let customer = call.given.required("customer")?;
    call.tx.at_param(Kind::Customer, &customer, "customer")?;
    let configuration = configuration_for(call)?;
    let return_url = call.given.text("return_url").map(str::to_owned);
    if let Some(url) = &return_url {
        check_url("return_url", url)?;
    }
    let tx = &mut *call.tx;
    let id = tx.id("bps_1");
    let mut session =
        object::session(&id, &owned(&configuration["id"]), &customer, tx.public_url, tx.livemode(), tx.now);
    session["return_url"] = return_url.map_or_else(|| configuration["default_return_url"].clone(), Value::from);
    call.given.copy(&mut session, &["locale", "on_behalf_of"]);
    let reply = tx.create(Kind::PortalSession, session.clone(), "");
    tx.emit("billing_portal.session.created", &session, None);
    Ok(reply)
}

fn configuration_for(call: &Call) -> Reply {
    if let Some(id) = call.given.text("configuration") {
        let configuration = call.tx.at_param(Kind::PortalConfiguration, id, "configuration")?;
        if !flag(&configuration["active"]) {
            return Err(ApiError::invalid("configuration", format!("The configuration `{id}` is inactive.")));
        }
        return Ok(configuration);
    }
    let mut configurations = call.tx.world.all(Kind::PortalConfiguration).oldest_first();
    let default = configurations.find(|configuration| flag(&configuration["is_default"]));
    default.cloned().ok_or_else(|| no_default(call.tx.livemode()))
}

fn no_default(livemode: bool) -> ApiError {
    let (mode, path) = if livemode { ("live", "") } else { ("test", "test/") };
    let message = format!(
        "No configuration provided and your {mode} mode default configuration has not been created. Provide a configuration or create your default by saving your customer portal settings in {mode} mode at https://dashboard.stripe.com/{path}settings/billing/portal."
    );
    ApiError::refused(message)
}

pub(crate) fn create_configuration(call: &mut Call) -> Reply {
    let id = call.tx.id("bpc_1");
    let mut configuration = object::configuration(&id, false, call.tx.livemode(), call.tx.now);
    write(&call.given, &mut configuration);
    Ok(call.tx.create(Kind::PortalConfiguration, configuration, "billing_portal.configuration.created"))
}

pub(crate) fn retrieve_configuration(call: &mut Call) -> Reply {
    call.tx.at_path(Kind::PortalConfiguration, call.id())
}

pub(crate) fn update_configuration(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let before = call.tx.at_path(Kind::PortalConfiguration, &id)?;
    if call.given.flag("active") == Some(false) && flag(&before["is_default"]) {
        return Err(ApiError::invalid("active", "You cannot deactivate the default configuration."));
    }
    let (given, now) = (call.given.clone(), call.tx.now);
    Ok(call.tx.change(Kind::PortalConfiguration, &id, "billing_portal.configuration.updated", |configuration| {
        write(&given, configuration);
        configuration["updated"] = json!(now);
    }))
}

pub(crate) fn list_configurations(call: &mut Call) -> Reply {
    let configurations = call.tx.world.all(Kind::PortalConfiguration).newest_first();
    let found = configurations.filter(|configuration| {
        ["active", "is_default"].iter().all(|name| lists::equals(configuration, &call.given, name))
    });
    lists::page(&found.cloned().collect::<Vec<_>>(), &call.given, &call.path, "configuration")
}

fn write(given: &Given, configuration: &mut Value) {
    given.copy(configuration, &["active", "name", "default_return_url"]);
    given.merge(configuration, "business_profile");
    given.merge(configuration, "features");
    given.merge_metadata(configuration);
    let enabled = given.flag("login_page.enabled");
    if let Some(enabled) = enabled {
        configuration["login_page"]["enabled"] = json!(enabled);
        let url = enabled.then(|| format!("https://billing.stripe.com/p/login/{}", owned(&configuration["id"])));
        configuration["login_page"]["url"] = json!(url);
    }
    mend_open_parts(configuration);
}

/// `customer_update` is taken unchecked; its texts become what the object shows.
fn mend_open_parts(configuration: &mut Value) {
    let update = &mut configuration["features"]["customer_update"];
    if let Some(text) = update["enabled"].as_str() {
        update["enabled"] = json!(text == "true");
    }
    if !update["allowed_updates"].is_array() {
        update["allowed_updates"] = json!([]);
    }
    for path in [
        "/features/subscription_update/default_allowed_updates",
        "/features/subscription_cancel/cancellation_reason/options",
    ] {
        if let Some(list) = configuration.pointer_mut(path).filter(|list| list.is_null()) {
            *list = json!([]);
        }
    }
}

/// Puts the default configuration there, as if the settings had been saved in the Dashboard.
pub(crate) fn seed(tx: &mut Tx) {
    if tx.world.all(Kind::PortalConfiguration).len() == 0 {
        let id = tx.id("bpc_1");
        let configuration = object::configuration(&id, true, tx.livemode(), tx.now);
        tx.create(Kind::PortalConfiguration, configuration, "");
    }
}
