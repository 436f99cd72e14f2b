//! Pure values and decisions: no I/O, no clock of its own (`now` is an argument), no SDK types.

pub mod access;
pub mod account;
pub mod catalogue;
pub mod customer;
pub mod endpoint;
pub mod ids;
pub mod invoice;
pub mod mode;
pub mod money;
pub mod subscription;
pub mod trial;

pub use access::{Access, Denial, Policy};
pub use account::Account;
pub use catalogue::{Price, Product};
pub use customer::{Card, CheckoutChoice, CheckoutClaim, Customer, CustomerMirror};
pub use endpoint::WebhookEndpoint;
pub use ids::{
    CheckoutSessionId, CustomerId, EndpointId, EventId, InvalidId, InvoiceId, PaymentMethodId, PriceId, ProductId,
    SubscriptionId, UserId,
};
pub use invoice::{Invoice, InvoiceStatus};
pub use mode::Mode;
pub use money::{Currency, Money};
pub use subscription::{Interval, Status, Subscription};
pub use trial::{TrialAbuseAction, TrialClaim};
