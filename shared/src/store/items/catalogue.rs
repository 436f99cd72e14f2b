//! Products, prices and webhook endpoints.

use serde::{Deserialize, Serialize};

use super::interval;
use crate::domain::{Currency, Price, PriceId, Product, ProductId, WebhookEndpoint};

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct ProductItem {
    product_id: ProductId,
    name: String,
    is_active: bool,
    is_deleted: bool,
}

impl From<&Product> for ProductItem {
    fn from(product: &Product) -> Self {
        ProductItem {
            product_id: product.id.clone(),
            name: product.name.clone(),
            is_active: product.active,
            is_deleted: product.deleted,
        }
    }
}

impl From<ProductItem> for Product {
    fn from(item: ProductItem) -> Self {
        Product { id: item.product_id, name: item.name, active: item.is_active, deleted: item.is_deleted }
    }
}

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct PriceItem {
    price_id: PriceId,
    product_id: ProductId,
    is_active: bool,
    unit_amount_minor: Option<i64>,
    currency: Currency,
    interval: Option<String>,
    interval_count: Option<u64>,
    lookup_key: Option<String>,
    is_deleted: bool,
}

impl From<&Price> for PriceItem {
    fn from(price: &Price) -> Self {
        PriceItem {
            price_id: price.id.clone(),
            product_id: price.product.clone(),
            is_active: price.active,
            unit_amount_minor: price.unit_amount_minor,
            currency: price.currency,
            interval: price.interval.as_ref().map(|interval| interval.unit.clone()),
            interval_count: price.interval.as_ref().map(|interval| interval.count),
            lookup_key: price.lookup_key.clone(),
            is_deleted: price.deleted,
        }
    }
}

impl From<PriceItem> for Price {
    fn from(item: PriceItem) -> Self {
        Price {
            id: item.price_id,
            product: item.product_id,
            active: item.is_active,
            unit_amount_minor: item.unit_amount_minor,
            currency: item.currency,
            interval: interval(item.interval, item.interval_count),
            lookup_key: item.lookup_key,
            deleted: item.is_deleted,
        }
    }
}

#[derive(Serialize)]
pub(in crate::store) struct EndpointItem {
    endpoint_id: String,
    url: String,
    is_enabled: bool,
    api_version: Option<String>,
}

impl From<&WebhookEndpoint> for EndpointItem {
    fn from(endpoint: &WebhookEndpoint) -> Self {
        EndpointItem {
            endpoint_id: endpoint.id.clone(),
            url: endpoint.url.clone(),
            is_enabled: endpoint.is_enabled,
            api_version: endpoint.api_version.clone(),
        }
    }
}
