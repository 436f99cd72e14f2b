//! An invoice as Stripe last showed it to us.

use jiff::Timestamp;

use super::{CustomerId, InvoiceId, Money, SubscriptionId};

/// <https://docs.stripe.com/invoicing/overview#invoice-statuses>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvoiceStatus {
    Draft,
    Open,
    Paid,
    Void,
    Uncollectible,
    Unknown,
}

impl InvoiceStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            InvoiceStatus::Draft => "draft",
            InvoiceStatus::Open => "open",
            InvoiceStatus::Paid => "paid",
            InvoiceStatus::Void => "void",
            InvoiceStatus::Uncollectible => "uncollectible",
            InvoiceStatus::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> InvoiceStatus {
        match text {
            "draft" => InvoiceStatus::Draft,
            "open" => InvoiceStatus::Open,
            "paid" => InvoiceStatus::Paid,
            "void" => InvoiceStatus::Void,
            "uncollectible" => InvoiceStatus::Uncollectible,
            _ => InvoiceStatus::Unknown,
        }
    }
}

/// Amounts in the minor unit of the invoice's currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    pub id: InvoiceId,
    pub customer: CustomerId,
    pub subscription: Option<SubscriptionId>,
    pub number: Option<String>,
    pub status: InvoiceStatus,
    pub amount_due: Money,
    pub amount_paid: Money,
    /// How often Stripe has tried to charge it.
    pub attempt_count: u64,
    pub period_start_at: Option<Timestamp>,
    pub period_end_at: Option<Timestamp>,
    pub hosted_invoice_url: Option<String>,
}

impl Invoice {
    /// Orders two views of one invoice from the same second: an invoice only moves forward,
    /// from draft to open to an end, and its attempts only grow.
    pub fn progress(&self) -> u64 {
        let stage = match self.status {
            InvoiceStatus::Unknown => 0,
            InvoiceStatus::Draft => 1,
            InvoiceStatus::Open => 2,
            // An uncollectible invoice can still be paid or voided.
            InvoiceStatus::Uncollectible => 3,
            InvoiceStatus::Paid | InvoiceStatus::Void => 4,
        };
        stage * 1_000_000 + self.attempt_count.min(999_999)
    }
}
