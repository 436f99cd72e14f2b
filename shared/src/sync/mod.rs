//! The one road from Stripe to the table.
