//! API Gateway and function URLs in small: a real HTTP request becomes the JSON event AWS would send, the function is
//! called with it as its Lambda runtime would, and its JSON reply becomes HTTP again.

pub(crate) mod event;
pub mod fronts;
pub(crate) mod invoke;
pub(crate) mod reply;
pub(crate) mod routes;
pub(crate) mod serve;
