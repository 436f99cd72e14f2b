//! The customer portal: plan, card, invoices; cancelling and taking it back.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::app::App;
use crate::cards;
use crate::engine::subscribe::{is_alive, is_ending, period_end};
use crate::engine::{cancel as ending, card_change, collect};
use crate::objects::catalogue::interval;
use crate::pages::words::Language;
use crate::pages::{card_fields, not_found, page, see_other};
use crate::state::{Kind, World};
use crate::tx::{Cause, Tx};
use crate::values::{flag, int, owned, text};

/// What the page shows of a customer.
struct View {
    session: Value,
    features: Value,
    customer: Value,
    subscriptions: Vec<(Value, String)>,
    card: Option<Value>,
    invoices: Vec<Value>,
    language: Language,
}

#[derive(Deserialize, Default)]
pub(super) struct Note {
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    subscription: String,
    #[serde(default)]
    invoice: String,
    #[serde(default)]
    card: String,
}

/// `GET /p/session/{id}`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(note): Query<Note>,
    headers: HeaderMap,
) -> Response {
    match view(&app, &id, &headers) {
        Some(view) => render(&view, &note.note),
        None => not_found(Language::choose(None, &headers)),
    }
}

/// `POST …/cancel`: at the period's end, or at once when the configuration says so.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Form(choice): Form<Choice>,
) -> Response {
    act(&app, &id, |tx, session| {
        let configuration =
            tx.find(Kind::PortalConfiguration, text(&session["configuration"])).cloned().unwrap_or_default();
        let feature = &configuration["features"]["subscription_cancel"];
        let subscription = theirs(tx, session, &choice.subscription).filter(is_alive);
        match (subscription, flag(&feature["enabled"])) {
            (Some(_), true) if feature["mode"] == "immediately" => {
                ending::now(tx, &choice.subscription, "cancellation_requested");
            }
            (Some(_), true) => ending::in_portal(tx, &choice.subscription),
            _ => return "refused",
        }
        "canceled"
    })
}

/// `POST …/undo`: the subscription goes on.
pub(super) async fn undo(State(app): State<Arc<App>>, Path(id): Path<String>, Form(choice): Form<Choice>) -> Response {
    act(&app, &id, |tx, session| match theirs(tx, session, &choice.subscription).filter(is_alive) {
        Some(_) => {
            tx.change(Kind::Subscription, &choice.subscription, "customer.subscription.updated", ending::unmark);
            "renewed"
        }
        None => "refused",
    })
}

/// `POST …/card`: a new default card.
pub(super) async fn change_card(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Form(choice): Form<Choice>,
) -> Response {
    act(&app, &id, |tx, session| {
        let Some(card) = cards::by_number(&choice.card) else {
            return "declined";
        };
        // The person is there, so a card that asks for its holder is confirmed.
        match card
            .first_use(false, true)
            .and_then(|()| card_change::replace(tx, text(&session["customer"]), card, true))
        {
            Ok(_) => "card",
            Err(_) => "declined",
        }
    })
}

/// `POST …/pay`: an open invoice.
pub(super) async fn pay_invoice(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Form(choice): Form<Choice>,
) -> Response {
    act(&app, &id, |tx, session| {
        let invoice = tx.find(Kind::Invoice, &choice.invoice);
        let is_theirs =
            invoice.is_some_and(|invoice| invoice["customer"] == session["customer"] && invoice["status"] == "open");
        match is_theirs.then(|| collect::charge(tx, &choice.invoice, None)) {
            Some(Ok(())) => "paid",
            Some(Err(_)) => "declined",
            None => "refused",
        }
    })
}

/// Runs an action and goes back to the page with a note.
fn act(app: &App, id: &str, action: impl FnOnce(&mut Tx, &Value) -> &'static str) -> Response {
    let livemode = app.lock().test.find(Kind::PortalSession, id).is_none();
    let note = app.change(livemode, Cause::default(), |tx| {
        let session = tx.find(Kind::PortalSession, id).cloned()?;
        Some(action(tx, &session))
    });
    match note {
        Some(note) => see_other(&format!("/p/session/{id}?note={note}")),
        None => not_found(Language::English),
    }
}

fn theirs(tx: &Tx, session: &Value, subscription: &str) -> Option<Value> {
    let found = tx.find(Kind::Subscription, subscription)?;
    (found["customer"] == session["customer"]).then(|| found.clone())
}

fn view(app: &App, id: &str, headers: &HeaderMap) -> Option<View> {
    let state = app.lock();
    let world = if state.test.find(Kind::PortalSession, id).is_some() { &state.test } else { &state.live };
    let session = world.find(Kind::PortalSession, id)?.clone();
    let customer_id = text(&session["customer"]);
    let customer = world.find(Kind::Customer, customer_id)?.clone();
    let configuration = world.find(Kind::PortalConfiguration, text(&session["configuration"]));
    let subscriptions: Vec<(Value, String)> = world
        .subscriptions_of(customer_id)
        .into_iter()
        .rev()
        .map(|subscription| {
            let name = product_name(world, &subscription);
            (subscription, name)
        })
        .collect();
    let invoices = world.all(Kind::Invoice).newest_first().filter(|invoice| invoice["customer"] == customer_id);
    Some(View {
        features: configuration.map(|configuration| configuration["features"].clone()).unwrap_or_default(),
        card: card(world, &customer, &subscriptions),
        invoices: invoices.filter(|invoice| invoice["status"] != "draft").take(24).cloned().collect(),
        language: Language::choose(session["locale"].as_str(), headers),
        session,
        customer,
        subscriptions,
    })
}

fn product_name(world: &World, subscription: &Value) -> String {
    let product = text(&subscription["items"]["data"][0]["price"]["product"]);
    world.find(Kind::Product, product).map_or(String::new(), |product| owned(&product["name"]))
}

/// The card that pays: the newest living subscription's, else the customer's.
fn card(world: &World, customer: &Value, subscriptions: &[(Value, String)]) -> Option<Value> {
    let of_subscription =
        subscriptions.iter().find(|(sub, _)| is_alive(sub)).and_then(|(sub, _)| sub["default_payment_method"].as_str());
    let id = of_subscription.or(customer["invoice_settings"]["default_payment_method"].as_str())?;
    Some(world.find(Kind::PaymentMethod, id)?["card"].clone())
}

fn render(view: &View, note: &str) -> Response {
    let language = view.language;
    let title = language.pick("Sua assinatura", "Your subscription");
    let content = html! {
        section {
            @if let Some(url) = view.session["return_url"].as_str() {
                p.small { a href=(url) { "← " (language.pick("Voltar", "Back")) } }
            }
            h1 { (title) }
            p.soft { (text(&view.customer["email"])) }
            (told(language, note))
        }
        (plans(view))
        @if flag(&view.features["payment_method_update"]["enabled"]) { (card_section(view)) }
        @if flag(&view.features["invoice_history"]["enabled"]) { (history(view)) }
    };
    page(StatusCode::OK, language, title, "one", content)
}

fn told(language: Language, note: &str) -> Markup {
    let (text, is_bad) = match note {
        "canceled" => (language.pick("Cancelamento registrado.", "Cancellation recorded."), false),
        "renewed" => (language.pick("Sua assinatura continua.", "Your subscription goes on."), false),
        "card" => (language.pick("Cartão atualizado.", "Card updated."), false),
        "paid" => (language.pick("Fatura paga.", "Invoice paid."), false),
        "declined" => (language.pick("Seu cartão foi recusado.", "Your card was declined."), true),
        "refused" => (language.pick("Isso não é possível agora.", "That is not possible now."), true),
        _ => return html! {},
    };
    html! { div role="status" class=(if is_bad { "alert" } else { "card done" }) { (text) } }
}

fn plans(view: &View) -> Markup {
    let language = view.language;
    html! {
        section.card {
            h2 { (language.pick("Plano", "Plan")) }
            @if view.subscriptions.is_empty() { p.soft { (language.pick("Nenhuma assinatura.", "No subscription.")) } }
            div.rows {
                @for (subscription, name) in &view.subscriptions { (plan(view, subscription, name)) }
            }
        }
    }
}

fn plan(view: &View, subscription: &Value, name: &str) -> Markup {
    let language = view.language;
    let item = &subscription["items"]["data"][0];
    let cost =
        language.money(int(&item["price"]["unit_amount"]) * int(&item["quantity"]), text(&subscription["currency"]));
    let status = text(&subscription["status"]);
    let tone = match status {
        "active" | "trialing" => "badge good",
        _ => "badge bad",
    };
    let can_cancel = flag(&view.features["subscription_cancel"]["enabled"]);
    html! {
        div.row {
            div {
                strong { (name) } " " span class=(tone) { (language.status(status)) }
                p.soft.small { (cost) " " (language.every(&interval(&item["price"]).0)) " · " (next_date(language, subscription)) }
            }
            @if is_alive(subscription) && is_ending(subscription) {
                (button(view, "undo", "subscription", subscription, language.pick("Não cancelar", "Don't cancel")))
            } @else if is_alive(subscription) && can_cancel {
                (button(view, "cancel", "subscription", subscription, language.pick("Cancelar assinatura", "Cancel subscription")))
            }
        }
    }
}

fn next_date(language: Language, subscription: &Value) -> String {
    let (label, at) = match (subscription["ended_at"].as_i64(), subscription["cancel_at"].as_i64()) {
        (Some(at), _) => (language.pick("terminou em", "ended on"), at),
        (None, Some(at)) => (language.pick("termina em", "ends on"), at),
        (None, None) => (language.pick("renova em", "renews on"), period_end(subscription)),
    };
    format!("{label} {}", language.date(at))
}

fn button(view: &View, action: &str, name: &str, object: &Value, label: &str) -> Markup {
    html! {
        form method="post" action={ "/p/session/" (text(&view.session["id"])) "/" (action) } {
            input type="hidden" name=(name) value=(text(&object["id"]));
            button.quiet { (label) }
        }
    }
}

fn card_section(view: &View) -> Markup {
    let language = view.language;
    html! {
        section.card {
            h2 { (language.pick("Forma de pagamento", "Payment method")) }
            @match &view.card {
                Some(card) => p { (text(&card["brand"])) " •••• " (text(&card["last4"])) span.soft { " · " (int(&card["exp_month"])) "/" (int(&card["exp_year"])) } },
                None => p.soft { (language.pick("Nenhum cartão.", "No card.")) },
            }
            details {
                summary { (language.pick("Trocar cartão", "Change card")) }
                form method="post" action={ "/p/session/" (text(&view.session["id"])) "/card" } {
                    (card_fields(language, true))
                    button.wide { (language.pick("Salvar cartão", "Save card")) }
                }
            }
        }
    }
}

fn history(view: &View) -> Markup {
    let language = view.language;
    html! {
        section.card {
            h2 { (language.pick("Faturas", "Invoices")) }
            @if view.invoices.is_empty() { p.soft { (language.pick("Nenhuma fatura.", "No invoices.")) } }
            div.rows {
                @for invoice in &view.invoices {
                    div.row {
                        a href={ "/i/" (text(&invoice["id"])) } { (language.date(int(&invoice["created"]))) }
                        span { (language.money(int(&invoice["amount_due"]), text(&invoice["currency"]))) }
                        span.badge { (language.status(text(&invoice["status"]))) }
                        @if invoice["status"] == "open" {
                            (button(view, "pay", "invoice", invoice, language.pick("Pagar", "Pay")))
                        }
                    }
                }
            }
        }
    }
}
