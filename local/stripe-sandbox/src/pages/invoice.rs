//! An invoice to look at.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::html;

use crate::app::App;
use crate::pages::words::Language;
use crate::pages::{not_found, page};
use crate::state::Kind;
use crate::values::{int, items, text};

/// `GET /i/{invoice}`.
pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let language = Language::choose(None, &headers);
    let invoice = {
        let state = app.lock();
        state.test.find(Kind::Invoice, &id).or_else(|| state.live.find(Kind::Invoice, &id)).cloned()
    };
    let Some(invoice) = invoice.filter(|invoice| invoice["status"] != "draft") else {
        return not_found(language);
    };
    let currency = text(&invoice["currency"]);
    let title = language.pick("Fatura", "Invoice");
    let content = html! {
        section.card {
            h1 { (title) " " (text(&invoice["number"])) " " span.badge { (language.status(text(&invoice["status"]))) } }
            p.soft { (language.date(int(&invoice["created"]))) " · " (text(&invoice["customer_email"])) }
            div.rows {
                @for line in items(&invoice["lines"]["data"]) {
                    div.row { span { (text(&line["description"])) } span { (language.money(int(&line["amount"]), currency)) } }
                }
                div.row { strong { "Total" } strong { (language.money(int(&invoice["total"]), currency)) } }
            }
        }
    };
    page(StatusCode::OK, language, title, "one", content)
}
