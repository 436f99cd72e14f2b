//! Requests as Stripe and a signed-in user would send them, to what is deployed: a signed probe proves the stored secret,
//! a minted token proves config, status, portal and gate. The event's type is none that is handled and the user is one
//! nobody has, so that nothing changes but the record of an ignored event.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use jsonwebtoken::{EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use shared::boot::Core;
use shared::domain::Mode;
use shared::https_client::read_body;
use shared::secrets::{ModeSecrets, WebhookSigningSecret};
use shared::stripe::signature;
use url::Url;
use uuid::Uuid;

use super::Patient;
use super::check::{Findings, Question};

const PATIENCE: Duration = Duration::from_secs(20);
const REPLY_MAX_BYTES: usize = 256 * 1024;
const NOBODY: &str = "manage-doctor-probe";

pub async fn look(patient: &Patient<'_>, findings: &mut Findings) {
    let secrets = match patient.core().secrets.get(patient.mode).await {
        Ok(secrets) => secrets,
        Err(error) => {
            let (why, mend) = ("without it nothing can be signed", patient.command("doctor --only secrets"));
            return findings.failed(Question { name: "The secret can be used", why, mend: &mend }, error);
        }
    };
    webhook(patient, &secrets, findings).await;
    let Some(api) = &patient.target.api_url else {
        return findings.skip("The API", "its URL is not known: name the stack, or set API_URL");
    };
    if !patient.serves_mode() {
        return findings.skip("The API", format!("the functions serve {} mode", patient.served));
    }
    let probe = Probe { core: patient.core(), api };
    let mend = "look at the function's log; the message names what is wrong".to_owned();
    for question in api_questions() {
        let asked = Question { name: question.name, why: question.why, mend: &mend };
        match probe.ask(&question, &secrets).await {
            Ok(answer) => findings.judge(asked, (question.is_right)(&answer, patient.mode, &secrets), answer.summary()),
            Err(error) => findings.failed(asked, error),
        }
    }
}

async fn webhook(patient: &Patient<'_>, secrets: &ModeSecrets, findings: &mut Findings) {
    let Some(base) = &patient.target.webhook_url else {
        return findings.skip("The webhook accepts what Stripe signs", "its URL is not known: set WEBHOOK_URL");
    };
    let mend = patient.command("rotate webhook");
    let why = "what Stripe sends is refused, and the records stand still";
    for ours in &secrets.webhook_signing_secrets {
        let name = format!("The webhook accepts what {} signs", ours.endpoint_id);
        let question = Question { name: &name, why, mend: &mend };
        match signed_probe(patient.core(), base, patient.mode, ours).await {
            Ok((status, outcome)) => {
                let is_good = status == StatusCode::OK && outcome == "ignored";
                findings.judge(question, is_good, format!("{status} {outcome}"));
            }
            Err(error) => findings.failed(question, error),
        }
    }
    let forged = WebhookSigningSecret {
        uuid: secrets.webhook_signing_secrets.first().map(|known| known.uuid.clone()).unwrap_or_default(),
        endpoint_id: String::new(),
        secret: format!("whsec_{}", Uuid::new_v4().simple()).into(),
    };
    let question = Question {
        name: "The webhook refuses what Stripe did not sign",
        why: "anybody could give themselves a subscription",
        mend: "deploy the webhook of this version",
    };
    match signed_probe(patient.core(), base, patient.mode, &forged).await {
        Ok((status, _)) => findings.judge(question, status == StatusCode::UNAUTHORIZED, status),
        Err(error) => findings.failed(question, error),
    }
}

/// Posts an event of a type nobody handles, signed now. The status and the outcome it was answered with.
pub async fn signed_probe(
    core: &Core,
    base: &Url,
    mode: Mode,
    signing: &WebhookSigningSecret,
) -> Result<(StatusCode, String)> {
    let now = core.clock.wall_now().as_second();
    let body = json!({
        "id": format!("evt_doctor{}", Uuid::new_v4().simple()),
        "object": "event",
        "api_version": shared::stripe::API_VERSION,
        "created": core.clock.business_now().as_second(),
        "livemode": mode.is_live(),
        "type": "doctor.probe",
        "pending_webhooks": 0,
        "request": { "id": null, "idempotency_key": null },
        "data": { "object": { "id": "doctor", "object": "doctor" } },
    })
    .to_string();
    let url = base.join(&format!("stripe/webhook/{}/", signing.uuid)).context("make the webhook's URL")?;
    let request = Request::post(url.as_str())
        .header("content-type", "application/json; charset=utf-8")
        .header("stripe-signature", signature::sign(&signing.secret, now, body.as_bytes()))
        .body(Full::from(body))?;
    let (status, reply) = send(core, request).await?;
    Ok((status, reply["outcome"].as_str().unwrap_or_default().to_owned()))
}

async fn send(core: &Core, request: Request<Full<Bytes>>) -> Result<(StatusCode, Value)> {
    let reply =
        core.https.send(request, PATIENCE).await.map_err(|error| anyhow!("{}", shared::causes::causes(&error)))?;
    let status = reply.status();
    let body = read_body(reply.into_body(), REPLY_MAX_BYTES, PATIENCE).await?;
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

/// The mode in which the functions serve callers, as they say themselves.
pub async fn served_mode(core: &Core, api: &Url) -> Result<Option<Mode>> {
    let request = Probe { core, api }.request(&Method::GET, "health/", None)?;
    let (_, body) = send(core, request).await?;
    Ok(Mode::BOTH.into_iter().find(|mode| body["mode"] == mode.as_str()))
}

/// A token as the merchant's login mints it, good for five minutes, for a user nobody has.
pub fn mint(core: &Core, key: &SecretString) -> Result<SecretString> {
    let now = core.clock.wall_now().as_second();
    let mut claims = json!({ "token_type": "access", "iat": now, "exp": now + 300, "user_id": NOBODY });
    if let Some(audience) = &core.config.jwt_audience {
        claims["aud"] = json!(audience);
    }
    shared::auth::use_hs256_only();
    let key = EncodingKey::from_secret(key.expose_secret().as_bytes());
    Ok(jsonwebtoken::encode(&Header::default(), &claims, &key).context("sign the probe's token")?.into())
}

/// Whether the functions accept a token of the key: status answers it.
pub async fn accepts_token_of(core: &Core, api: &Url, key: &SecretString) -> Result<bool> {
    let request = Probe { core, api }.request(&Method::GET, "api/subscriptions/status/", Some(&mint(core, key)?))?;
    Ok(send(core, request).await?.0 == StatusCode::OK)
}

struct Probe<'a> {
    core: &'a Core,
    api: &'a Url,
}

struct ApiQuestion {
    name: &'static str,
    why: &'static str,
    method: Method,
    path: &'static str,
    has_token: bool,
    is_right: fn(&Answer, Mode, &ModeSecrets) -> bool,
}

struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    fn summary(&self) -> String {
        let code = self.body["code"].as_str().or_else(|| self.body["status"].as_str()).unwrap_or_default();
        format!("{} {code}", self.status.as_u16()).trim().to_owned()
    }

    fn is(&self, status: StatusCode, code: &str) -> bool {
        self.status == status && self.body["code"] == code
    }
}

fn api_questions() -> Vec<ApiQuestion> {
    let get = |name, why, path, has_token, is_right| ApiQuestion {
        name,
        why,
        method: Method::GET,
        path,
        has_token,
        is_right,
    };
    vec![
        get("Health answers, in this mode", "the records cannot be read", "health/", false, |answer, mode, _| {
            answer.status == StatusCode::OK && answer.body["mode"] == mode.as_str()
        }),
        get(
            "Config gives the publishable key of this mode",
            "the front end would talk to another account",
            "api/subscriptions/config/",
            false,
            |answer, _, secrets| answer.body["publishable_key"] == secrets.stripe_publishable_key.as_str(),
        ),
        get(
            "Status refuses a request without a token",
            "anybody could read anybody's subscription",
            "api/subscriptions/status/",
            false,
            |answer, _, _| answer.is(StatusCode::UNAUTHORIZED, "not_authenticated"),
        ),
        get(
            "Status answers a signed token",
            "no user of the product gets an answer",
            "api/subscriptions/status/",
            true,
            |answer, _, _| answer.status == StatusCode::OK && answer.body["status"] == "none",
        ),
        ApiQuestion {
            name: "Portal knows its users",
            why: "subscribers cannot manage their subscription",
            method: Method::POST,
            path: "api/subscriptions/portal/",
            has_token: true,
            is_right: |answer, _, _| answer.is(StatusCode::BAD_REQUEST, "NO_CUSTOMER"),
        },
        get(
            "The gate sends a newcomer to checkout",
            "the product is open to everybody, or closed to all",
            "api/manage-doctor-probe/",
            true,
            |answer, _, _| answer.is(StatusCode::PAYMENT_REQUIRED, "CHECKOUT_REQUIRED"),
        ),
        get(
            "The gate refuses a request without a token",
            "the product is open to everybody",
            "api/manage-doctor-probe/",
            false,
            |answer, _, _| answer.is(StatusCode::UNAUTHORIZED, "not_authenticated"),
        ),
    ]
}

impl Probe<'_> {
    async fn ask(&self, question: &ApiQuestion, secrets: &ModeSecrets) -> Result<Answer> {
        let token = match (question.has_token, secrets.jwt_signing_keys.first()) {
            (true, Some(key)) => Some(mint(self.core, key)?),
            _ => None,
        };
        let request = self.request(&question.method, question.path, token.as_ref())?;
        let (status, body) = send(self.core, request).await?;
        Ok(Answer { status, body })
    }

    fn request(&self, method: &Method, path: &str, token: Option<&SecretString>) -> Result<Request<Full<Bytes>>> {
        // The API's base may have a path and lack the slash that joining needs.
        let url = format!("{}/{path}", self.api.as_str().trim_end_matches('/'));
        let mut request = Request::builder().method(method).uri(url);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {}", token.expose_secret()));
        }
        let body = if *method == Method::POST { "{}" } else { "" };
        Ok(request.header("content-type", "application/json").body(Full::from(body))?)
    }
}
