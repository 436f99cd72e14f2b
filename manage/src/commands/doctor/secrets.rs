//! The mode's secret: what the functions would refuse of it, and what its Stripe key may do.

use shared::books::Auditor;
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
        Err(error) => return findings.failed(question("The secret can be read"), error),
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

async fn permissions(patient: &Patient<'_>, findings: &mut Findings) {
    let Ok(auditor) = patient.auditor().await else {
        return findings.skip("Permissions of the Stripe key", "the secret holds no usable key");
    };
    let mend = format!(
        "give the key these permissions at https://dashboard.stripe.com/{}apikeys, or store another: {}",
        if patient.mode.is_live() { "" } else { "test/" },
        patient.command("secrets set stripe_secret_key")
    );
    let why = "what the key may not do fails when the first customer needs it";
    let question = Question { name: "The Stripe key has every permission that is needed", why, mend: &mend };
    let mut refused = Vec::new();
    let answers = ask_with(patient, &auditor).await;
    let count = answers.len();
    for (permission, error) in answers {
        match error {
            Some(StripeError::Unauthorized { .. }) => refused.push(permission),
            Some(error) if error.is_transient() => return findings.failed(question, error),
            Some(_) | None => {}
        }
    }
    let detail = match refused.as_slice() {
        [] => format!("{count} asked"),
        refused => format!("not allowed: {}", refused.join(", ")),
    };
    findings.judge(question, refused.is_empty(), detail);
}

/// A request that needs each permission, and what Stripe objected to it. A key without a permission is refused before the
/// object is looked for, so asking to change what does not exist tells, and changes nothing.
async fn ask_with(patient: &Patient<'_>, auditor: &Auditor) -> Vec<(&'static str, Option<StripeError>)> {
    let (account, setup, stripe) = (auditor.account(), auditor.setup(), auditor.books().stripe());
    let now = patient.core().clock.business_now();
    let nobody = CustomerId::parse("cus_doctorprobe").expect("letters are a customer id");
    let session = CheckoutSessionId::parse(format!("cs_{}_doctorprobe", patient.mode)).expect("it has the id's form");
    let subscription = SubscriptionId::parse("sub_doctorprobe").expect("it has the id's form");
    let reads = tokio::join!(
        account.list_customers(None),
        account.list_subscriptions(None, None),
        account.list_products(None),
        account.list_prices(None),
        account.list_events(now, &HANDLED_EVENT_TYPES, None),
        account.list_webhook_endpoints(None),
        setup.list_portal_configurations(),
    );
    let writes = tokio::join!(
        setup.change_nobody(),
        stripe.expire_checkout_session(&session),
        stripe.create_portal_session(&nobody, "https://example.com"),
        stripe.end_trial(&subscription),
    );
    vec![
        ("customers: read", reads.0.err()),
        ("subscriptions: read", reads.1.err()),
        ("products: read", reads.2.err()),
        ("prices: read", reads.3.err()),
        ("events: read", reads.4.err()),
        ("webhook endpoints: read", reads.5.err()),
        ("portal configuration: read", reads.6.err()),
        ("customers: write", writes.0.err()),
        ("checkout sessions: write", writes.1.err()),
        ("customer portal: write", writes.2.err()),
        ("subscriptions: write", writes.3.err()),
    ]
}
