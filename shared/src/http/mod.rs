//! The edge: requests in, replies out, and the only table of statuses.
