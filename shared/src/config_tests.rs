//! What an operator may write, and what each mistake is called.

use super::*;

fn config(values: &[(&str, &str)]) -> Result<Config, Misconfigured> {
    Config::from_values(|name| values.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()))
}

/// The complaint about one variable; it must name that variable and nothing of a value.
fn problem(name: &str, text: &str) -> String {
    let misconfigured = config(&[(name, text)]).unwrap_err();
    assert_eq!(misconfigured.variable, name, "{text}");
    misconfigured.problem
}

#[test]
fn nothing_set_is_test_mode_with_the_defaults() {
    let config = config(&[]).unwrap();
    assert_eq!(config.mode, Mode::Test);
    assert_eq!(config.trial_days, 7);
    assert_eq!(config.policy.past_due_grace_days, None);
    assert_eq!(config.checkout_locale, "pt-BR");
    assert_eq!(config.gate_exempt_prefixes, ["/api/auth/"]);
    assert_eq!(config.stripe_api_url.as_str(), "https://api.stripe.com/");
    assert!(config.allowed_origins.is_empty() && config.allowed_prices.is_empty());
    assert!(config.default_price.is_none() && config.jwt_audience.is_none());
}

#[test]
fn everything_set_is_read() {
    let config = config(&[
        ("STRIPE_LIVE_MODE", "true"),
        ("STRIPE_DEFAULT_PRICE_ID", "price_1"),
        ("FRONTEND_URL", "https://app.example.com/"),
        ("ALLOWED_ORIGINS", "https://www.example.com, http://localhost:3000 ,https://app.example.com"),
        ("ALLOWED_PRICE_IDS", "price_2,,price_3"),
        ("TRIAL_DAYS", "0"),
        ("PAST_DUE_GRACE_DAYS", "3"),
        ("CHECKOUT_LOCALE", "en"),
        ("UPSTREAM_URL", "http://10.0.0.7:8000/base"),
        ("GATE_EXEMPT_PREFIXES", "/api/auth/,/api/public"),
        ("JWT_AUDIENCE", "caixahub"),
        ("AWS_REGION", "sa-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "canary"),
    ])
    .unwrap();
    assert_eq!(config.mode, Mode::Live);
    assert_eq!(config.default_price, PriceId::parse("price_1").ok());
    let origins = ["https://app.example.com", "https://www.example.com", "http://localhost:3000"];
    assert_eq!(config.allowed_origins, origins, "the front end's first, none twice");
    assert_eq!(config.allowed_prices.len(), 2);
    assert_eq!((config.trial_days, config.policy.past_due_grace_days), (0, Some(3)));
    assert_eq!(config.checkout_locale, "en");
    assert_eq!(config.gate_exempt_prefixes, ["/api/auth/", "/api/public"]);
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
fn an_empty_text_is_an_absent_value() {
    let config = config(&[
        ("STRIPE_LIVE_MODE", ""),
        ("PAST_DUE_GRACE_DAYS", " "),
        ("TABLE_NAME", ""),
        ("FRONTEND_URL", ""),
        ("GATE_EXEMPT_PREFIXES", ","),
    ])
    .unwrap();
    assert_eq!(config.gate_exempt_prefixes, ["/api/auth/"]);
    let missing = config.require_table_name().unwrap_err();
    assert_eq!(missing.to_string(), "TABLE_NAME is not set");
}

#[test]
fn each_mistake_names_its_variable() {
    for (name, texts) in [
        ("STRIPE_LIVE_MODE", &["yes", "1", "TRUE", "live"][..]),
        ("TRIAL_DAYS", &["-1", "7.5", "seven", "731"]),
        ("PAST_DUE_GRACE_DAYS", &["-3", "1d"]),
        ("STRIPE_DEFAULT_PRICE_ID", &["price 1"]),
        ("ALLOWED_PRICE_IDS", &["price_1,price 2"]),
        ("FRONTEND_URL", &["app.example.com", "http://app.example.com", "ftp://app.example.com", "https://u:p@a.com"]),
        ("ALLOWED_ORIGINS", &["*", "null", "https://a.com/path", "http://a.com", "https://a.com,nonsense"]),
        ("UPSTREAM_URL", &["10.0.0.7", "file:///etc/passwd", "https://a.com?x=1"]),
        ("GATE_EXEMPT_PREFIXES", &["api/auth/", "/", "//", "/api/auth,x"]),
        ("STRIPE_API_URL", &["http://api.stripe.com", "nonsense"]),
        ("AWS_ENDPOINT_URL_DYNAMODB", &["nonsense"]),
    ] {
        for text in texts {
            assert!(!problem(name, text).is_empty());
        }
    }
    let half = config(&[("AWS_ACCESS_KEY_ID", "AKIA")]).unwrap_err();
    assert_eq!(half.variable, "AWS_SECRET_ACCESS_KEY");
}

#[test]
fn pages_of_the_front_end_are_joined_as_text() {
    for base in ["https://app.example.com", "https://app.example.com/"] {
        let config = config(&[("FRONTEND_URL", base)]).unwrap();
        let page = config.frontend_page("/checkout/success?session_id={CHECKOUT_SESSION_ID}").unwrap();
        assert_eq!(page, "https://app.example.com/checkout/success?session_id={CHECKOUT_SESSION_ID}");
    }
    let below = config(&[("FRONTEND_URL", "https://example.com/app/")]).unwrap();
    assert_eq!(below.frontend_page("/settings").unwrap(), "https://example.com/app/settings");
    assert_eq!(below.allowed_origins, ["https://example.com"]);
}
