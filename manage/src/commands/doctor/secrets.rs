//! The mode's secret: what the functions would refuse of it, and what its Stripe key may do.

use shared::domain::{CheckoutSessionId, CustomerId, SubscriptionId};
use shared::secrets::versions::flaws;
use shared::secrets::write::Fields;
use shared::stripe::StripeError;
use shared::sync::event::HANDLED_EVENT_TYPES;

use super::Patient;
use super::check::{Findings, Question};

const WHY: &str = "with a wrong or missing field every function of this mode answers 503 MISCONFIGURED";

pub async fn look(patient: &Patient<'_>, findings: &mut Findings) {
    let mend = patient.command("secrets set");
    let question = |name| Question { name, why: WHY, mend: &mend };
    let fields = match patient.core().secrets.read_fields(patient.mode).await {
        Ok(fields) => fields,
        Err(error) => return findings.failed(question("The secret can be read"), &error),
    };
    judge_fields(patient, &fields, findings);
    permissions(patient, findings).await;
}

fn judge_fields(patient: &Patient<'_>, fields: &Fields, findings: &mut Findings) {
    const FIELDS: [(&str, &str); 4] = [
        ("stripe_secret_key", "Stripe's secret key is there and of this mode"),
        ("stripe_publishable_key", "Stripe's publishable key is there and of this mode"),
        ("webhook_signing_secrets", "Signing secrets are usable"),
        ("jwt_signing_keys", "JWT keys are long enough and unlike every other secret"),
    ];
    let mend = patient.command("secrets set");
    let flaws = flaws(patient.mode, fields);
    for (field, name) in FIELDS {
        let flaw = flaws.iter().find(|flaw| flaw.field.starts_with(field));
        let detail = flaw.map(|flaw| format!("{} {}", flaw.field, flaw.problem)).unwrap_or_default();
        findings.judge(Question { name, why: WHY, mend: &mend }, flaw.is_none(), detail);
    }
    let count = fields.get("webhook_signing_secrets").and_then(|list| list.as_array()).map_or(0, Vec::len);
    let mend = patient.command("register-webhook --create-in-stripe");
    let why = "without one every webhook is refused with 401 and no record is kept up to date";
    let question = Question { name: "There is a signing secret", why, mend: &mend };
    findings.judge(question, count > 0, format!("{count} endpoints"));
}

/// A key without a permission is refused before the object is looked for, so asking for what does not exist tells.
async fn permissions(patient: &Patient<'_>, findings: &mut Findings) {
    let Ok(auditor) = patient.target.auditor_of(patient.mode).await else {
        return findings.skip("Permissions of the Stripe key", "the secret holds no usable key");
    };
    let (account, stripe) = (auditor.account(), auditor.books().stripe());
    let (customers, subscriptions) = (account.list_customers(None), account.list_subscriptions(None, None));
    let (customers, subscriptions) = tokio::join!(customers, subscriptions);
    let nobody = CustomerId::parse("cus_doctorprobe").ok();
    let session = CheckoutSessionId::parse(format!("cs_{}_doctorprobe", patient.mode)).ok();
    let no_subscription = SubscriptionId::parse("sub_doctorprobe").ok();
    let mut answers: Vec<(&str, Option<StripeError>)> = vec![
        ("customers: read", customers.err()),
        ("subscriptions: read", subscriptions.err()),
        ("products: read", account.list_products(None).await.err()),
        ("prices: read", account.list_prices(None).await.err()),
        (
            "events: read",
            account.list_events(patient.core().clock.business_now(), &HANDLED_EVENT_TYPES, None).await.err(),
        ),
        ("webhook endpoints: read", account.list_webhook_endpoints(None).await.err()),
        ("portal configuration: read", auditor.setup().list_portal_configurations().await.err()),
    ];
    if let (Some(nobody), Some(session), Some(subscription)) = (nobody, session, no_subscription) {
        answers.push(("checkout sessions: write", stripe.expire_checkout_session(&session).await.err()));
        answers
            .push(("customer portal: write", stripe.create_portal_session(&nobody, "https://example.com").await.err()));
        answers.push(("subscriptions: write", stripe.end_trial(&subscription).await.err()));
    }
    let refused: Vec<&str> =
        answers.iter().filter(|(_, error)| is_refused(error.as_ref())).map(|(name, _)| *name).collect();
    let failed = answers.iter().filter_map(|(_, error)| error.as_ref()).find(|error| error.is_transient());
    let mend = format!(
        "give the key these permissions at https://dashboard.stripe.com/{}apikeys, or store another: {}",
        if patient.mode.is_live() { "" } else { "test/" },
        patient.command("secrets set stripe_secret_key")
    );
    let why = "what the key may not do fails when the first customer needs it";
    let question = Question { name: "The Stripe key has every permission that can be asked about", why, mend: &mend };
    match failed {
        Some(error) => findings.failed(question, error),
        None if refused.is_empty() => findings.judge(question, true, format!("{} asked", answers.len())),
        None => findings.judge(question, false, format!("not allowed: {}", refused.join(", "))),
    }
    findings.skip("Permission to create customers", "it can only be found out by creating one");
}

fn is_refused(error: Option<&StripeError>) -> bool {
    matches!(error, Some(StripeError::Unauthorized { .. }))
}
