//! Requests of an operator who sets an account up. The account and the portal's configuration are asked for with their
//! parameters written out: the typed requests for them would bring two more of async-stripe's crates into every build.

use async_trait::async_trait;
use serde_json::{Value, json};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use stripe_core::event::ListEvent;
use stripe_misc::webhook_endpoint::{UpdateWebhookEndpoint, UpdateWebhookEndpointEnabledEvents};
use stripe_product::price::{CreatePrice, CreatePriceRecurring, CreatePriceRecurringInterval, ListPrice};
use stripe_product::product::CreateProduct;
use stripe_types::Currency as StripeCurrency;

use super::account::{PAGE, after, described, endpoint};
use super::{LiveStripe, in_path};
use crate::domain::{Price, Product, WebhookEndpoint};
use crate::stripe::account::Page;
use crate::stripe::envelope::{self, Envelope};
use crate::stripe::setup::{AccountProfile, NewPrice, PortalConfiguration, StripeSetup};
use crate::stripe::{StripeError, object};

const CONFIGURATIONS: &str = "/billing_portal/configurations";

#[async_trait]
impl StripeSetup for LiveStripe {
    async fn get_account(&self) -> Result<AccountProfile, StripeError> {
        self.ask(&RequestBuilder::new(StripeMethod::Get, "/account"), None, account).await
    }

    async fn change_nobody(&self) -> Result<(), StripeError> {
        self.ask(&RequestBuilder::new(StripeMethod::Post, "/customers/cus_doctorprobe"), None, |_| Ok(())).await
    }

    async fn list_portal_configurations(&self) -> Result<Vec<PortalConfiguration>, StripeError> {
        let request = RequestBuilder::new(StripeMethod::Get, CONFIGURATIONS).query(&json!({ "limit": 100 }));
        let page = self.list(request, portal_configuration).await?;
        Ok(page.value.items.into_iter().filter_map(|listed| listed.value.ok()).collect())
    }

    async fn save_portal_configuration(
        &self,
        configuration: Option<&str>,
        return_url: &str,
    ) -> Result<PortalConfiguration, StripeError> {
        let mut form = json!({
            "default_return_url": return_url,
            "features": {
                "invoice_history": { "enabled": true },
                "payment_method_update": { "enabled": true },
                "subscription_cancel": { "enabled": true, "mode": "at_period_end" },
            },
        });
        let path = match configuration {
            Some(id) => {
                form["active"] = json!(true);
                format!("{CONFIGURATIONS}/{}", in_path(id))
            }
            None => CONFIGURATIONS.to_owned(),
        };
        self.ask(&RequestBuilder::new(StripeMethod::Post, path).form(&form), None, portal_configuration).await
    }

    async fn create_product(&self, name: &str, idempotency_key: &str) -> Result<Product, StripeError> {
        self.post(CreateProduct::new(name).build(), Some(idempotency_key), object::product).await
    }

    async fn create_price(&self, new: NewPrice<'_>, idempotency_key: &str) -> Result<Price, StripeError> {
        let unreadable = |detail: &str| StripeError::Unreadable { detail: detail.to_owned() };
        let currency: StripeCurrency =
            new.currency.as_str().to_ascii_lowercase().parse().map_err(|_| unreadable("a currency Stripe has not"))?;
        let interval: CreatePriceRecurringInterval =
            new.interval.unit.parse().map_err(|_| unreadable("an interval Stripe has not"))?;
        let mut recurring = CreatePriceRecurring::new(interval);
        recurring.interval_count = Some(new.interval.count);
        let request = CreatePrice::new(currency).product(new.product.as_str()).recurring(recurring);
        let request = request.unit_amount(new.unit_amount_minor);
        let request = match new.lookup_key {
            Some(key) => request.lookup_key(key),
            None => request,
        };
        self.post(request.build(), Some(idempotency_key), object::price).await
    }

    async fn find_price(&self, lookup_key: &str) -> Result<Option<Price>, StripeError> {
        let request = ListPrice::new().lookup_keys(vec![lookup_key.to_owned()]).limit(1).build();
        let page = self.list(request, described(object::price)).await?;
        let Some(listed) = page.value.items.into_iter().next() else { return Ok(None) };
        listed.value.map(Some).map_err(|detail| StripeError::Unreadable { detail })
    }

    async fn mend_webhook_endpoint(&self, id: &str, event_types: &[&str]) -> Result<WebhookEndpoint, StripeError> {
        let events: Vec<UpdateWebhookEndpointEnabledEvents> =
            event_types.iter().filter_map(|event_type| event_type.parse().ok()).collect();
        let request = UpdateWebhookEndpoint::new(id).disabled(false).enabled_events(events);
        self.ask(&request.build(), None, endpoint).await
    }

    async fn list_undelivered_events(&self, after: Option<&str>) -> Result<Page<Envelope>, StripeError> {
        let request = ListEvent::new().delivery_success(false).limit(PAGE);
        let read = described(|event: &Value| envelope::from_value(event.clone()));
        self.list(after!(request, after).build(), read).await.map(|seen| seen.value)
    }
}

impl LiveStripe {
    async fn ask<T>(
        &self,
        request: &RequestBuilder,
        idempotency_key: Option<&str>,
        read: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<T, StripeError> {
        let reply = self.transport.send(request, idempotency_key).await?;
        let unreadable = |detail: String| StripeError::Unreadable { detail };
        let value: Value = serde_json::from_slice(&reply.body).map_err(|_| unreadable("it is not JSON".to_owned()))?;
        read(&value).map_err(unreadable)
    }
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn is_set(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer) == Some(&Value::Bool(true))
}

fn account(value: &Value) -> Result<AccountProfile, String> {
    Ok(AccountProfile {
        id: text(value, "/id").ok_or("account/id is missing")?,
        can_charge: is_set(value, "/charges_enabled"),
        has_submitted_details: is_set(value, "/details_submitted"),
        business_name: text(value, "/business_profile/name"),
        business_url: text(value, "/business_profile/url"),
        support_email: text(value, "/business_profile/support_email"),
        statement_descriptor: text(value, "/settings/payments/statement_descriptor"),
    })
}

fn portal_configuration(value: &Value) -> Result<PortalConfiguration, String> {
    let can_cancel = is_set(value, "/features/subscription_cancel/enabled");
    Ok(PortalConfiguration {
        id: text(value, "/id").ok_or("billing_portal.configuration/id is missing")?,
        is_active: is_set(value, "/active"),
        is_default: is_set(value, "/is_default"),
        can_update_payment_method: is_set(value, "/features/payment_method_update/enabled"),
        shows_invoices: is_set(value, "/features/invoice_history/enabled"),
        cancel_mode: text(value, "/features/subscription_cancel/mode").filter(|_| can_cancel),
    })
}
