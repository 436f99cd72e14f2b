//! The Stripe account of the mode: what is sold, the portal, the endpoint and what Stripe could not deliver.

use std::collections::HashSet;

use shared::books::Auditor;
use shared::domain::{Money, Price, WebhookEndpoint};
use shared::secrets::ModeSecrets;
use shared::stripe::envelope::Envelope;
use shared::stripe::setup::AccountProfile;
use shared::stripe::{API_VERSION, StripeError};
use shared::sync::event::HANDLED_EVENT_TYPES;

use super::check::{Findings, Question};
use super::{Arguments, Patient};

/// Stripe tries for a while; what is open longer is failing.
const DELIVERY_PATIENCE_SECONDS: i64 = 600;

pub async fn look(patient: &Patient<'_>, arguments: &Arguments, findings: &mut Findings) {
    let mend = patient.command("secrets set stripe_secret_key");
    let question = Question { name: "The account can be reached", why: "without it nobody can subscribe", mend: &mend };
    let auditor = match patient.auditor().await {
        Ok(auditor) => auditor,
        Err(error) => return findings.failed(question, error),
    };
    match auditor.setup().get_account().await {
        Ok(account) => {
            findings.judge(question, true, &account.id);
            judge_account(patient, &account, findings);
        }
        // A restricted key may lack this one permission and be good for everything else.
        Err(StripeError::Unauthorized { http_status: 403, .. }) => {
            findings.skip("The account can be reached", "the restricted key may not read the account itself");
        }
        Err(error) => return findings.failed(question, error),
    }
    price(patient, &auditor, arguments, findings).await;
    portal(patient, &auditor, findings).await;
    endpoints(patient, &auditor, findings).await;
    deliveries(patient, &auditor, findings).await;
}

fn dashboard(patient: &Patient<'_>, page: &str) -> String {
    format!("https://dashboard.stripe.com/{}{page}", if patient.mode.is_live() { "" } else { "test/" })
}

fn judge_account(patient: &Patient<'_>, account: &AccountProfile, findings: &mut Findings) {
    let (onboarding, profile) = (dashboard(patient, "account/onboarding"), dashboard(patient, "settings/public"));
    if patient.mode.is_live() {
        let why = "until Stripe has activated the account no real card can be charged";
        let question = Question { name: "The account is activated for live payments", why, mend: &onboarding };
        findings.judge(question, account.can_charge && account.has_submitted_details, "");
    }
    let known = [
        ("name", &account.business_name),
        ("website", &account.business_url),
        ("support e-mail", &account.support_email),
        ("statement descriptor", &account.statement_descriptor),
    ];
    let missing: Vec<&str> = known.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
    let why = "customers see it on receipts and card statements; without it they dispute the charge";
    let question = Question { name: "Business information is filled in", why, mend: &profile };
    let detail = if missing.is_empty() { String::new() } else { format!("missing: {}", missing.join(", ")) };
    findings.judge(question, missing.is_empty(), detail);
}

async fn price(patient: &Patient<'_>, auditor: &Auditor, arguments: &Arguments, findings: &mut Findings) {
    let parameter = if patient.mode.is_live() { "DefaultPriceIdLive" } else { "DefaultPriceIdTest" };
    let mend = format!("set {parameter} of the stack to a price of this mode");
    let why = "a checkout that names no price is refused without it";
    let question = |name| Question { name, why, mend: &mend };
    let Some(id) = patient.default_price.as_ref() else {
        return match patient.serves_mode() {
            true => findings.judge(question("There is a default price"), false, "STRIPE_DEFAULT_PRICE_ID is not set"),
            false => findings.skip("The default price", format!("the functions serve {} mode", patient.served)),
        };
    };
    let stripe = auditor.books().stripe();
    let price = match stripe.get_price(id).await {
        Ok(Some(seen)) => seen.value,
        Ok(None) => return findings.judge(question("The default price exists"), false, format!("{id} is not known")),
        Err(error) => return findings.failed(question("The default price exists"), error),
    };
    judge_price(&price, arguments, question("The default price"), findings);
    let prices = dashboard(patient, "products");
    let why = "Stripe opens no checkout for a product that is not active";
    let question = Question { name: "The product is active", why, mend: &prices };
    match stripe.get_product(&price.product).await {
        Ok(Some(seen)) => {
            let detail = format!("{} ({})", seen.value.name, seen.value.id);
            findings.judge(question, seen.value.active && !seen.value.deleted, detail);
        }
        Ok(None) => findings.judge(question, false, format!("{} is not known", price.product)),
        Err(error) => findings.failed(question, error),
    }
}

fn judge_price(price: &Price, arguments: &Arguments, question: Question<'_>, findings: &mut Findings) {
    let named = |name| Question { name, ..question };
    findings.judge(named("The default price is active"), price.active && !price.deleted, &price.id);
    let is_monthly = price.interval.as_ref().is_some_and(|every| every.unit == "month" && every.count == 1);
    let every =
        price.interval.as_ref().map_or("one-off".to_owned(), |every| format!("every {} {}", every.count, every.unit));
    findings.judge(named("The default price recurs monthly"), is_monthly, every);
    let amount = price.unit_amount_minor;
    let shown = amount.map_or("tiers or a custom amount".to_owned(), |amount_minor| {
        Money { amount_minor, currency: price.currency }.to_string()
    });
    let has_currency = arguments.expect_currency.is_none_or(|wanted| wanted == price.currency);
    let has_amount = match arguments.expect_amount_minor {
        Some(wanted) => amount == Some(wanted),
        None => amount.is_some_and(|amount| amount > 0),
    };
    let name = match (arguments.expect_currency, arguments.expect_amount_minor) {
        (None, None) => "The default price has an amount",
        _ => "The default price has the expected currency and amount",
    };
    findings.judge(named(name), has_currency && has_amount, shown);
}

async fn portal(patient: &Patient<'_>, auditor: &Auditor, findings: &mut Findings) {
    let mend = format!("save the settings at {}", dashboard(patient, "settings/billing/portal"));
    let why = "customers change their card, see invoices and cancel there; without it the portal does not open";
    let name = "The portal lets customers change the card, see invoices and cancel at the period's end";
    let question = Question { name, why, mend: &mend };
    match auditor.setup().list_portal_configurations().await {
        Ok(configurations) => match configurations.iter().find(|configuration| configuration.is_default) {
            Some(default) => findings.judge(question, default.serves(), &default.id),
            None => findings.judge(question, false, "there is no default configuration"),
        },
        Err(error) => findings.failed(question, error),
    }
}

async fn endpoints(patient: &Patient<'_>, auditor: &Auditor, findings: &mut Findings) {
    let mend = patient.command("register-webhook --create-in-stripe");
    let why = "what Stripe does not send is only found by reconcile, up to a quarter of an hour later";
    let question = |name| Question { name, why, mend: &mend };
    let listed = auditor.account().list_webhook_endpoints(None).await;
    let endpoints: Vec<WebhookEndpoint> = match listed {
        Ok(page) => page.items.into_iter().filter_map(|listed| listed.value.ok()).collect(),
        Err(error) => return findings.failed(question("The endpoints can be listed"), error),
    };
    let Ok(secrets) = auditor.secrets().get(patient.mode).await else { return };
    let ours: Vec<&WebhookEndpoint> = endpoints.iter().filter(|endpoint| is_ours(endpoint, &secrets)).collect();
    let Some(base) = &patient.target.webhook_url else {
        return findings
            .skip("The endpoint is registered once at this URL", "the webhook's URL is not known: set WEBHOOK_URL");
    };
    let here = endpoints.iter().filter(|endpoint| endpoint.url.starts_with(base.as_str())).collect::<Vec<_>>();
    let detail = match here.len() {
        0 => format!("none of {} is at {base}", endpoints.len()),
        count => format!("{count} at {base}"),
    };
    let delete = format!("delete all but one of them at {}", dashboard(patient, "webhooks"));
    let once = question("The endpoint is registered once at this URL");
    let once = match here.len() {
        0 | 1 => once,
        // One more would be one too many.
        _ => {
            Question { why: "each event comes more than once, and rotate webhook asks for one", mend: &delete, ..once }
        }
    };
    findings.judge(once, here.len() == 1, detail);
    let unknown = here.iter().filter(|endpoint| !ours.contains(endpoint)).count();
    findings.judge(
        question("Its signing secret is stored"),
        unknown == 0 && !ours.is_empty(),
        format!("{unknown} without"),
    );
    let (enable, rotate) = (dashboard(patient, "webhooks"), patient.command("rotate webhook"));
    for endpoint in ours {
        let enable = Question { name: "", why, mend: &enable };
        judge_endpoint(endpoint, enable, Question { mend: &rotate, ..enable }, findings);
    }
}

fn is_ours(endpoint: &WebhookEndpoint, secrets: &ModeSecrets) -> bool {
    secrets.webhook_signing_secrets.iter().any(|known| known.endpoint_id == endpoint.id)
}

/// What is wrong is mended in the Dashboard (`enable`) or by a new endpoint (`rotate`).
fn judge_endpoint(endpoint: &WebhookEndpoint, enable: Question<'_>, rotate: Question<'_>, findings: &mut Findings) {
    findings.judge(Question { name: "It is enabled", ..enable }, endpoint.is_enabled, &endpoint.id);
    let sent: HashSet<&str> = endpoint.enabled_events.iter().map(String::as_str).collect();
    let missing: Vec<&str> =
        HANDLED_EVENT_TYPES.into_iter().filter(|wanted| !sent.contains(wanted) && !sent.contains("*")).collect();
    let detail = if missing.is_empty() { String::new() } else { format!("not sent: {}", missing.join(", ")) };
    findings.judge(Question { name: "It is sent every event that is handled", ..rotate }, missing.is_empty(), detail);
    let version = endpoint.api_version.as_deref().unwrap_or("the account's");
    findings.judge(Question { name: "Its API version is ours", ..rotate }, version == API_VERSION, version);
}

async fn deliveries(patient: &Patient<'_>, auditor: &Auditor, findings: &mut Findings) {
    let mend = patient.command("events --failed");
    let why = "Stripe disables an endpoint that keeps failing";
    let question = Question { name: "No delivery is failing", why, mend: &mend };
    let now = patient.core().clock.business_now().as_second();
    // The newest hundred tell whether deliveries fail; how many have, is no matter.
    match auditor.setup().list_undelivered_events(None).await {
        Ok(open) => {
            let is_failing = |event: &Envelope| {
                now - event.created_at.as_second() > DELIVERY_PATIENCE_SECONDS
                    && HANDLED_EVENT_TYPES.contains(&event.event_type.as_str())
            };
            let failing = open.items.iter().filter(|listed| listed.value.as_ref().is_ok_and(is_failing)).count();
            findings.judge(question, failing == 0, format!("{failing} open for over ten minutes"));
        }
        Err(error) => findings.failed(question, error),
    }
}
