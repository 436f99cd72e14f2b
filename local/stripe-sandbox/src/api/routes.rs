//! The table of operations.

use crate::api::{
    Call, Reply, account, checkout_sessions, customers, events, invoices, payment_methods, portal, prices, products,
    subscriptions, webhook_endpoints,
};

/// One operation: method, path template (as in the parameter table) and what it does.
pub(crate) struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub run: fn(&mut Call) -> Reply,
}

const fn route(method: &'static str, path: &'static str, run: fn(&mut Call) -> Reply) -> Route {
    Route { method, path, run }
}

/// Fixed segments stand before captures.
const ROUTES: &[Route] = &[
    route("GET", "/v1/account", account::retrieve),
    route("POST", "/v1/customers", customers::create),
    route("GET", "/v1/customers", customers::list),
    route("GET", "/v1/customers/search", customers::search),
    route("GET", "/v1/customers/{customer}", customers::retrieve),
    route("POST", "/v1/customers/{customer}", customers::update),
    route("DELETE", "/v1/customers/{customer}", customers::delete),
    route("GET", "/v1/customers/{customer}/payment_methods", payment_methods::list_of_customer),
    route("GET", "/v1/customers/{customer}/payment_methods/{payment_method}", payment_methods::retrieve_of_customer),
    route("POST", "/v1/products", products::create),
    route("GET", "/v1/products", products::list),
    route("GET", "/v1/products/search", products::search),
    route("GET", "/v1/products/{id}", products::retrieve),
    route("POST", "/v1/products/{id}", products::update),
    route("DELETE", "/v1/products/{id}", products::delete),
    route("POST", "/v1/prices", prices::create),
    route("GET", "/v1/prices", prices::list),
    route("GET", "/v1/prices/search", prices::search),
    route("GET", "/v1/prices/{price}", prices::retrieve),
    route("POST", "/v1/prices/{price}", prices::update),
    route("POST", "/v1/checkout/sessions", checkout_sessions::create),
    route("GET", "/v1/checkout/sessions", checkout_sessions::list),
    route("GET", "/v1/checkout/sessions/{session}", checkout_sessions::retrieve),
    route("POST", "/v1/checkout/sessions/{session}/expire", checkout_sessions::expire),
    route("GET", "/v1/checkout/sessions/{session}/line_items", checkout_sessions::line_items),
    route("POST", "/v1/billing_portal/sessions", portal::create_session),
    route("POST", "/v1/billing_portal/configurations", portal::create_configuration),
    route("GET", "/v1/billing_portal/configurations", portal::list_configurations),
    route("GET", "/v1/billing_portal/configurations/{configuration}", portal::retrieve_configuration),
    route("POST", "/v1/billing_portal/configurations/{configuration}", portal::update_configuration),
    route("POST", "/v1/subscriptions", subscriptions::create),
    route("GET", "/v1/subscriptions", subscriptions::list),
    route("GET", "/v1/subscriptions/search", subscriptions::search),
    route("GET", "/v1/subscriptions/{subscription_exposed_id}", subscriptions::retrieve),
    route("POST", "/v1/subscriptions/{subscription_exposed_id}", subscriptions::update),
    route("DELETE", "/v1/subscriptions/{subscription_exposed_id}", subscriptions::delete),
    route("POST", "/v1/subscriptions/{subscription}/resume", subscriptions::resume),
    route("GET", "/v1/invoices", invoices::list),
    route("GET", "/v1/invoices/{invoice}", invoices::retrieve),
    route("POST", "/v1/invoices/{invoice}", invoices::update),
    route("GET", "/v1/invoices/{invoice}/lines", invoices::lines),
    route("POST", "/v1/invoices/{invoice}/finalize", invoices::finalize),
    route("POST", "/v1/invoices/{invoice}/pay", invoices::pay),
    route("POST", "/v1/invoices/{invoice}/void", invoices::void),
    route("POST", "/v1/payment_methods", payment_methods::create),
    route("GET", "/v1/payment_methods", payment_methods::list),
    route("GET", "/v1/payment_methods/{payment_method}", payment_methods::retrieve),
    route("POST", "/v1/payment_methods/{payment_method}", payment_methods::update),
    route("POST", "/v1/payment_methods/{payment_method}/attach", payment_methods::attach),
    route("POST", "/v1/payment_methods/{payment_method}/detach", payment_methods::detach),
    route("POST", "/v1/webhook_endpoints", webhook_endpoints::create),
    route("GET", "/v1/webhook_endpoints", webhook_endpoints::list),
    route("GET", "/v1/webhook_endpoints/{webhook_endpoint}", webhook_endpoints::retrieve),
    route("POST", "/v1/webhook_endpoints/{webhook_endpoint}", webhook_endpoints::update),
    route("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}", webhook_endpoints::delete),
    route("GET", "/v1/events", events::list),
    route("GET", "/v1/events/{id}", events::retrieve),
];

/// The operation of a method and path, and the ids the path holds.
pub(crate) fn find(method: &str, path: &str) -> Option<(&'static Route, Vec<String>)> {
    let path = path.strip_suffix('/').unwrap_or(path);
    ROUTES.iter().filter(|route| route.method == method).find_map(|route| Some((route, captures(route.path, path)?)))
}

fn captures(template: &str, path: &str) -> Option<Vec<String>> {
    let mut ids = Vec::new();
    let mut segments = path.split('/');
    for wanted in template.split('/') {
        let segment = segments.next()?;
        match wanted.starts_with('{') {
            true if segment.is_empty() => return None,
            true => ids.push(crate::form::decode(&segment.replace('+', "%2B"))),
            false if wanted != segment => return None,
            false => {}
        }
    }
    segments.next().is_none().then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[test]
    fn every_operation_has_its_parameters() {
        let schema = Schema::load();
        for route in ROUTES {
            assert!(schema.knows(&format!("{} {}", route.method, route.path)), "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn fixed_segments_win() {
        let (route, ids) = find("GET", "/v1/customers/search").unwrap();
        assert_eq!((route.path, ids.len()), ("/v1/customers/search", 0));
        assert_eq!(find("GET", "/v1/customers/cus_1").unwrap().1, ["cus_1"]);
        assert!(find("GET", "/v1/customers/cus_1/x").is_none());
    }
}
