//! Making a user's customer, and finding it again when we lost sight of it.

use std::collections::HashMap;

use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::customer::{CreateCustomer, ListCustomer, SearchCustomer};

use super::{LiveStripe, read_reply};
use crate::domain::{CustomerId, UserId};
use crate::stripe::object::{self, ObjectError};
use crate::stripe::{NewCustomer, StripeCustomer, StripeError};

/// The most that Stripe lists at once.
const PAGE: i64 = 100;

/// So many hundreds of customers with one e-mail are a merchant's test data; the search still finds the user's own.
const PAGES_AT_MOST: usize = 5;

pub(super) fn create(new: &NewCustomer<'_>) -> RequestBuilder {
    let mut request =
        CreateCustomer::new().metadata(HashMap::from([("user_id".to_owned(), new.user.as_str().to_owned())]));
    if let Some(email) = new.email {
        request = request.email(email);
    }
    if let Some(name) = new.name {
        request = request.name(name);
    }
    request.build()
}

/// The newest of the user's customers with that e-mail.
pub(super) async fn find_by_email(
    stripe: &LiveStripe,
    user: &UserId,
    email: &str,
) -> Result<Option<CustomerId>, StripeError> {
    let mut after: Option<CustomerId> = None;
    for _ in 0..PAGES_AT_MOST {
        let mut request = ListCustomer::new().email(email).limit(PAGE);
        if let Some(after) = &after {
            request = request.starting_after(after.as_str());
        }
        let page = page_of(stripe, request.build()).await?;
        if let Some(found) = page.of_user(user) {
            return Ok(Some(found));
        }
        after = page.customers.last().map(|customer| customer.id.clone());
        if !page.has_more || after.is_none() {
            break;
        }
    }
    Ok(None)
}

/// Search ignores case, so what it finds is held against the user once more.
pub(super) async fn search(stripe: &LiveStripe, user: &UserId) -> Result<Option<CustomerId>, StripeError> {
    let query = format!("metadata['user_id']:'{}'", quoted(user.as_str()));
    let page = page_of(stripe, SearchCustomer::new(query).limit(PAGE).build()).await?;
    Ok(page.of_user(user))
}

/// <https://docs.stripe.com/search#query-structure-and-terminology>: a backslash guards quotes, and so itself.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\"")
}

struct Page {
    customers: Vec<StripeCustomer>,
    has_more: bool,
}

impl Page {
    fn of_user(&self, user: &UserId) -> Option<CustomerId> {
        let theirs = |customer: &&StripeCustomer| customer.user.as_ref() == Some(user) && !customer.is_deleted;
        self.customers.iter().find(theirs).map(|customer| customer.id.clone())
    }
}

async fn page_of(stripe: &LiveStripe, request: RequestBuilder) -> Result<Page, StripeError> {
    let reply = stripe.transport.send(&request, None).await?;
    read_reply(&reply, read_page)
}

fn read_page(value: &Value) -> Result<Page, ObjectError> {
    let no_list = ObjectError { kind: "list", path: "/data", problem: "is not an array" };
    let data = value.get("data").and_then(Value::as_array).ok_or(no_list)?;
    let customers = data.iter().map(object::customer).collect::<Result<_, _>>()?;
    Ok(Page { customers, has_more: value.get("has_more") == Some(&Value::Bool(true)) })
}
