//! The pooled HTTPS client for everything that is not AWS: Stripe and the API behind the gate.
