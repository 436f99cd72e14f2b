//! The HTTP API under `/v1`: one file for each resource; what they share is in `pipeline`, `lists`, `expand` and `search`.

mod account;
mod checkout_sessions;
mod customers;
mod events;
mod expand;
mod given;
mod invoices;
mod lists;
mod payment_methods;
pub(crate) mod pipeline;
pub(crate) mod portal;
mod prices;
mod products;
mod routes;
mod search;
mod subscriptions;
pub(crate) mod webhook_endpoints;

use serde_json::Value;

use crate::errors::ApiError;
use crate::tx::Tx;
use given::Given;

/// One API call: the open change, the ids of the path and the checked parameters.
pub(crate) struct Call<'a, 't> {
    pub tx: &'a mut Tx<'t>,
    pub ids: Vec<String>,
    pub given: Given,
    pub path: String,
}

/// What an operation answers.
pub(crate) type Reply = Result<Value, ApiError>;

impl Call<'_, '_> {
    /// The first id of the path.
    pub fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }
}
