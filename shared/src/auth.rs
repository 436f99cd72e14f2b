//! Who is calling: the access token of the merchant's own login.

use crate::domain::{PriceId, UserId};

/// A verified caller.
#[derive(Clone)]
pub struct Caller {
    pub user: UserId,
    pub email: Option<String>,
    pub name: Option<String>,
    pub is_superuser: bool,
    /// The price chosen at sign-up.
    pub price: Option<PriceId>,
    pub acquisition_angle: Option<String>,
}
