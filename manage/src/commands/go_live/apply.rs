//! Taking the steps of the plan, each safe to take again.

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use shared::domain::{Mode, Price, Product};
use shared::stripe::setup::NewPrice;
use shared::sync::event::HANDLED_EVENT_TYPES;

use super::super::doctor::{self, Arguments, Check, Patient, Section, Verdict};
use super::super::{flip, readable, register_webhook, stripe_failed, sync_stripe};
use super::plan::{Endpoint, Offer, Plan, Portal};
use super::{Worlds, left_to_a_person};
use crate::done::Done;
use crate::printer::Printer;
use crate::target::Target;

pub(super) async fn apply(
    target: &Target,
    worlds: &Worlds,
    plan: &Plan,
    accepted: &[String],
    printer: &Printer,
) -> Result<Done> {
    let price = match &plan.live_price {
        Some(price) => price.clone(),
        None => create_price(worlds, &plan.offer).await?,
    };
    tell(printer, "price", &format!("{} is what live mode sells", price.id));
    portal(target, worlds, &plan.portal, printer).await?;
    tell(printer, "portal", "the live portal serves");
    endpoint(target, worlds, &plan.endpoint, printer).await?;
    tell(printer, "endpoint", "the live webhook endpoint is registered");
    if sync_stripe::whole_account(&worlds.live, printer).await? == Done::SomethingLeft {
        bail!("Not everything of live mode could be brought to the table; the functions were not changed");
    }
    tell(printer, "sync", "live mode is on record");

    let before = Patient { target, mode: Mode::Live, served: plan.served, default_price: Some(price.id.clone()) };
    examine(&before, accepted, printer).await.context("The functions were not changed")?;
    tell(printer, "doctor", "live mode is well");
    flip::serve(target, printer, Mode::Live, Some(&price.id)).await?;
    tell(printer, "flip", "the functions serve live mode");
    let after = Patient { served: Mode::Live, ..before };
    let undo = format!("To go back: manage{} rollback", target.place.options());
    examine(&after, accepted, printer).await.context(undo)?;
    tell(printer, "probe", "live mode answers");
    Ok(Done::Everything)
}

fn tell(printer: &Printer, step: &str, what: &str) {
    printer.answer(&json!({ "step": step, "is_done": true, "what": what }), [format!("✅ {what}")]);
}

/// A product of that name is taken: the one a stopped run made, or one made by hand.
async fn create_price(worlds: &Worlds, offer: &Offer) -> Result<Price> {
    let listed = worlds.live.account().list_products(None).await.map_err(stripe_failed("list the live products"))?;
    let is_it = |product: &Product| product.name == offer.product.name && product.active && !product.deleted;
    let known = readable(listed.value).filter_map(Result::ok).find(is_it);
    let setup = worlds.live.setup();
    let product = match known {
        Some(product) => product,
        None => {
            let key = format!("go-live-product-{}", offer.product.id);
            let created = setup.create_product(&offer.product.name, &key).await;
            created.map_err(stripe_failed("create the live product"))?
        }
    };
    let (Some(unit_amount_minor), Some(interval)) = (offer.price.unit_amount_minor, &offer.price.interval) else {
        bail!("The test price {} has no fixed amount or interval.", offer.price.id);
    };
    let new = NewPrice {
        product: &product.id,
        currency: offer.price.currency,
        unit_amount_minor,
        interval,
        lookup_key: Some(&offer.lookup_key),
    };
    // With the product in the key: another product's price would be other parameters under the same key.
    let key = format!("go-live-price-{}-{}", offer.price.id, product.id);
    Ok(setup.create_price(new, &key).await.map_err(stripe_failed("create the live price"))?)
}

async fn portal(target: &Target, worlds: &Worlds, portal: &Portal, printer: &Printer) -> Result<()> {
    match portal {
        Portal::Serves => Ok(()),
        Portal::Update(configuration) => {
            let return_url = target.core.config.frontend_page("/settings")?;
            let saved = worlds.live.setup().save_portal_configuration(Some(&configuration.id), &return_url).await;
            let saved = saved.map_err(stripe_failed("complete the portal's configuration"))?;
            match saved.serves() {
                true => Ok(()),
                false => bail!("Stripe kept the portal's configuration {} as it was.", saved.id),
            }
        }
        Portal::Missing => Err(left_to_a_person(
            printer,
            "Stripe makes the portal's default configuration only when its settings are saved once: open \
             https://dashboard.stripe.com/settings/billing/portal and press Save.",
        )),
    }
}

async fn endpoint(target: &Target, worlds: &Worlds, endpoint: &Endpoint, printer: &Printer) -> Result<()> {
    match endpoint {
        Endpoint::Registered(_) => Ok(()),
        Endpoint::Mend(endpoint) => {
            let mended = worlds.live.setup().mend_webhook_endpoint(&endpoint.id, &HANDLED_EVENT_TYPES).await;
            mended.map_err(stripe_failed("enable the webhook endpoint"))?;
            Ok(())
        }
        Endpoint::Create => {
            let base = target.webhook_url.as_ref().context("The webhook's URL is not known.")?;
            // Its answer is told as a step of ours.
            register_webhook::create(&worlds.live, printer, base.as_str(), false).await.map(|_created| ())
        }
    }
}

/// Every section; what is wrong is shown, and stops here unless it was accepted by its name.
async fn examine(patient: &Patient<'_>, accepted: &[String], printer: &Printer) -> Result<()> {
    let arguments = Arguments { only: Section::ALL.to_vec(), ..Arguments::default() };
    let checks = doctor::examine(patient, &arguments, printer).await;
    if doctor::has_bad(&checks) {
        doctor::print(printer, &checks);
    }
    let (known, stopping): (Vec<Check>, Vec<Check>) = checks
        .into_iter()
        .filter(|check| check.verdict == Verdict::Bad)
        .partition(|check| accepted.contains(&check.name));
    for check in known {
        printer.say(&format!("Accepted: {}", check.name));
    }
    if !stopping.is_empty() {
        bail!(
            "Doctor found something wrong with live mode. What is known and may stay so: --accept \"NAME OF THE CHECK\""
        );
    }
    Ok(())
}
