//! `/v1/account`.

use crate::api::{Call, Reply};
use crate::objects;

pub(crate) fn retrieve(_: &mut Call) -> Reply {
    Ok(objects::account::account())
}
