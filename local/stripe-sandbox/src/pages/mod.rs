//! Hosted pages, rendered here and marked as a sandbox: Checkout, the customer portal, an invoice.
//!
//! They need no script; the little there is fills the card field when a test card is clicked.

mod checkout;
mod invoice;
mod portal;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::app::App;
use crate::cards::{Behaviour, TEST_CARDS};
use words::Language;

const STYLE: &str = include_str!("style.css");
const FILL: &str = "document.addEventListener('click',e=>{const t=e.target.closest('[data-card]');if(t){const f=document.getElementById('card');f.value=t.dataset.card;f.focus()}})";

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/c/pay/{session}", get(checkout::show).post(checkout::pay))
        .route("/c/pay/{session}/authenticate", post(checkout::authenticate))
        .route("/p/session/{session}", get(portal::show))
        .route("/p/session/{session}/cancel", post(portal::cancel))
        .route("/p/session/{session}/undo", post(portal::undo))
        .route("/p/session/{session}/card", post(portal::change_card))
        .route("/p/session/{session}/pay", post(portal::pay_invoice))
        .route("/i/{invoice}", get(invoice::show))
}

/// A whole page.
fn page(status: StatusCode, language: Language, title: &str, columns: &str, content: Markup) -> Response {
    let markup = html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · Stripe sandbox" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                div.banner {
                    strong { "TEST MODE" }
                    (language.pick("Sandbox local: nenhum dinheiro se move.", "Local sandbox: no money moves."))
                }
                main class=(columns) { (content) }
                script { (PreEscaped(FILL)) }
            }
        }
    };
    (status, [(header::CACHE_CONTROL, "no-store")], markup.into_html()).into_response()
}

/// Without maud's web framework features, which would tie it to one version of axum.
trait IntoHtml {
    fn into_html(self) -> Response;
}

impl IntoHtml for Markup {
    fn into_html(self) -> Response {
        ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], self.into_string()).into_response()
    }
}

/// A page with one message.
fn message(status: StatusCode, language: Language, title: &str, text: &str, link: Option<(&str, &str)>) -> Response {
    let content = html! {
        section.card {
            h1 { (title) }
            p.soft { (text) }
            @if let Some((url, label)) = link { a.button href=(url) { (label) } }
        }
    };
    page(status, language, title, "one", content)
}

fn not_found(language: Language) -> Response {
    let title = language.pick("Página não encontrada", "Page not found");
    let text = language
        .pick("Este endereço não existe ou não vale mais.", "This address does not exist or is no longer valid.");
    message(StatusCode::NOT_FOUND, language, title, text, None)
}

/// Sends the browser on with a GET.
fn see_other(url: &str) -> Response {
    match url.parse::<axum::http::HeaderValue>() {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The fields of a card (needed or not), and the test cards that fill them.
fn card_fields(language: Language, is_required: bool) -> Markup {
    html! {
        label for="card" { (language.pick("Número do cartão", "Card number")) }
        input id="card" name="card" value="4242 4242 4242 4242" inputmode="numeric" autocomplete="off" required[is_required];
        div.pair {
            div {
                label for="expiry" { (language.pick("Validade", "Expiry")) }
                input id="expiry" name="expiry" value="12 / 34" autocomplete="off";
            }
            div {
                label for="cvc" { "CVC" }
                input id="cvc" name="cvc" value="123" inputmode="numeric" autocomplete="off";
            }
        }
        details open {
            summary { (language.pick("Cartões de teste", "Test cards")) }
            div.tiles {
                @for card in &TEST_CARDS {
                    button.tile type="button" data-card=(grouped(card.number)) {
                        code { (grouped(card.number)) }
                        span.soft { (card.brand) " · " (behaviour(language, card.behaviour)) }
                    }
                }
            }
        }
    }
}

fn grouped(number: &str) -> String {
    let ends: &[usize] = if number.len() == 15 { &[4, 10] } else { &[4, 8, 12] };
    let mut text = String::new();
    for (at, digit) in number.chars().enumerate() {
        if ends.contains(&at) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn behaviour(language: Language, behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::Pays => language.pick("paga", "pays"),
        Behaviour::FailsLater => language.pick("salva, depois falha", "is saved, then fails"),
        Behaviour::Declines => language.pick("recusado", "is declined"),
        Behaviour::NoFunds => language.pick("sem saldo", "has no funds"),
        Behaviour::Authenticates => language.pick("pede autenticação", "asks for authentication"),
    }
}
