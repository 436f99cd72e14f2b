//! Hosted pages: Checkout and the customer portal, server-rendered.

use std::sync::Arc;

use axum::Router;

use crate::app::App;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
}
