//! The hosted Checkout page.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::app::App;
use crate::cards;
use crate::engine::checkout::{self, Typed};
use crate::errors::ApiError;
use crate::objects::catalogue::interval;
use crate::pages::words::Language;
use crate::pages::{card_fields, message, not_found, page, see_other};
use crate::state::Kind;
use crate::tx::Cause;
use crate::values::{int, items, owned, text};

/// What the page shows of a session.
struct View {
    session: Value,
    order: Value,
    product: String,
    email: Option<String>,
    language: Language,
    now: i64,
    livemode: bool,
}

#[derive(Deserialize)]
pub(super) struct Filled {
    #[serde(default)]
    email: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    card: String,
}

/// `GET /c/pay/{session}`.
pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match view(&app, &id, &headers) {
        Some(view) => render(&view, None),
        None => not_found(Language::choose(None, &headers)),
    }
}

/// `POST /c/pay/{session}`.
pub(super) async fn pay(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(filled): Form<Filled>,
) -> Response {
    let Some(view) = view(&app, &id, &headers) else {
        return not_found(Language::choose(None, &headers));
    };
    let paid = typed(&filled)
        .and_then(|typed| app.change(view.livemode, Cause::default(), |tx| checkout::pay(tx, &id, &typed)));
    finish(&app, &id, &headers, &view, paid)
}

/// `POST /c/pay/{session}/authenticate`.
pub(super) async fn authenticate(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(view) = view(&app, &id, &headers) else {
        return not_found(Language::choose(None, &headers));
    };
    let paid = app.change(view.livemode, Cause::default(), |tx| checkout::authenticate(tx, &id));
    finish(&app, &id, &headers, &view, paid)
}

fn finish(app: &App, id: &str, headers: &HeaderMap, before: &View, paid: Result<Value, ApiError>) -> Response {
    match paid {
        Ok(session) => see_other(&checkout::redirect_url(&session)),
        Err(error) => match view(app, id, headers) {
            Some(now) => render(&now, Some(&error)),
            None => not_found(before.language),
        },
    }
}

fn typed(filled: &Filled) -> Result<Typed, ApiError> {
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let card = match some(&filled.card) {
        Some(number) => {
            let unknown = || ApiError::declined("incorrect_number", None, "Your card number is incorrect.");
            Some(cards::by_number(&number).ok_or_else(unknown)?)
        }
        None => None,
    };
    Ok(Typed { card, email: some(&filled.email), name: some(&filled.name) })
}

fn view(app: &App, id: &str, headers: &HeaderMap) -> Option<View> {
    let state = app.lock();
    let world = if state.test.find(Kind::Session, id).is_some() { &state.test } else { &state.live };
    let session = world.find(Kind::Session, id)?.clone();
    let order = world.orders.get(id).cloned().unwrap_or_default();
    let product = world.find(Kind::Product, text(&order["lines"][0]["price"]["product"]));
    let customer = session["customer"].as_str().and_then(|id| world.find(Kind::Customer, id));
    let email = customer.map(|customer| &customer["email"]).unwrap_or(&session["customer_email"]);
    Some(View {
        product: product.map_or(String::new(), |product| owned(&product["name"])),
        email: email.as_str().map(str::to_owned),
        language: Language::choose(session["locale"].as_str(), headers),
        now: app.clock.now(),
        livemode: world.livemode,
        session,
        order,
    })
}

fn render(view: &View, error: Option<&ApiError>) -> Response {
    let language = view.language;
    match text(&view.session["status"]) {
        "complete" => {
            let title = language.pick("Pagamento concluído", "Payment complete");
            let done = language.pick("Esta sessão já foi paga.", "This session has been paid.");
            let url = checkout::redirect_url(&view.session);
            message(StatusCode::OK, language, title, done, Some((&url, language.pick("Continuar", "Continue"))))
        }
        "open" if int(&view.session["expires_at"]) > view.now => {
            let status = if error.is_some() { StatusCode::PAYMENT_REQUIRED } else { StatusCode::OK };
            let content = html! { (summary(view)) (form(view, error)) };
            page(status, language, &view.product, "two", content)
        }
        _ => {
            let title = language.pick("Sessão expirada", "Session expired");
            let text = language.pick("Volte à loja e comece de novo.", "Go back to the shop and start again.");
            let back = view.session["cancel_url"].as_str().map(|url| (url, language.pick("Voltar", "Go back")));
            message(StatusCode::GONE, language, title, text, back)
        }
    }
}

fn summary(view: &View) -> Markup {
    let language = view.language;
    let price = &view.order["lines"][0]["price"];
    let total: i64 = items(&view.order["lines"])
        .iter()
        .map(|line| int(&line["price"]["unit_amount"]) * int(&line["quantity"]))
        .sum();
    let cost = language.money(total, text(&price["currency"]));
    let every = language.every(&interval(price).0);
    let trial_days = trial_days(view);
    html! {
        section {
            @if let Some(url) = view.session["cancel_url"].as_str() {
                p.small { a href=(url) { "← " (language.pick("Voltar", "Back")) } }
            }
            h1.soft { (language.pick("Assinar ", "Subscribe to ")) (view.product) }
            @match trial_days {
                Some(days) => {
                    p.price { (days) " " (language.pick(if days == 1 { "dia grátis" } else { "dias grátis" }, if days == 1 { "day free" } else { "days free" })) }
                    p.soft { (language.pick("Depois ", "Then ")) (cost) " " (every) }
                }
                None => p.price { (cost) " " span { (every) } },
            }
            div.card.rows {
                div.row { span { (view.product) } span { (cost) } }
                div.row { strong { (language.pick("Total hoje", "Total due today")) } strong { (language.money(int(&view.session["amount_total"]), text(&price["currency"]))) } }
            }
        }
    }
}

/// Whole days of trial the session offers.
fn trial_days(view: &View) -> Option<i64> {
    let by_date = view.order["trial_end"].as_i64().map(|end| (end - view.now + 86_399) / 86_400);
    view.order["trial_days"].as_i64().or(by_date)
}

fn form(view: &View, error: Option<&ApiError>) -> Markup {
    let language = view.language;
    let action = format!("/c/pay/{}", text(&view.session["id"]));
    let asks_holder = error.is_some_and(|error| error.code() == Some("authentication_required"));
    html! {
        section.card {
            @if asks_holder {
                div.alert role="alert" { (language.pick("O banco pede que você confirme este pagamento.", "Your bank asks you to confirm this payment.")) }
                form method="post" action={ (action) "/authenticate" } {
                    button.wide { (language.pick("Confirmar autenticação", "Complete authentication")) }
                }
                p {}
            } @else if let Some(error) = error {
                div.alert role="alert" { (explain(language, error)) }
            }
            h2 { (language.pick("Pagar com cartão", "Pay with card")) }
            form method="post" action=(action) {
                label for="email" { "E-mail" }
                @match &view.email {
                    Some(email) => input id="email" name="email" type="email" value=(email) readonly;,
                    None => input id="email" name="email" type="email" required autocomplete="off";,
                }
                (card_fields(language, view.session["payment_method_collection"] != "if_required"))
                label for="name" { (language.pick("Nome no cartão", "Name on card")) }
                input id="name" name="name" autocomplete="off";
                button.wide { @if trial_days(view).is_some() { (language.pick("Iniciar teste", "Start trial")) } @else { (language.pick("Assinar", "Subscribe")) } }
            }
        }
    }
}

fn explain(language: Language, error: &ApiError) -> String {
    let detail = error.detail();
    let code = detail["decline_code"].as_str().or(detail["code"].as_str()).unwrap_or_default().to_owned();
    if code.is_empty() { error.message().to_owned() } else { language.decline(&code).to_owned() }
}
