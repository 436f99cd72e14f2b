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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Currency;

    const STATUSES: [(&str, InvoiceStatus); 5] = [
        ("draft", InvoiceStatus::Draft),
        ("open", InvoiceStatus::Open),
        ("uncollectible", InvoiceStatus::Uncollectible),
        ("paid", InvoiceStatus::Paid),
        ("void", InvoiceStatus::Void),
    ];

    fn invoice(status: InvoiceStatus, attempt_count: u64) -> Invoice {
        let nothing = Money { amount_minor: 0, currency: Currency::BRL };
        Invoice {
            id: InvoiceId::parse("in_1").unwrap(),
            customer: CustomerId::parse("cus_1").unwrap(),
            subscription: None,
            number: None,
            status,
            amount_due: nothing,
            amount_paid: nothing,
            attempt_count,
            period_start_at: None,
            period_end_at: None,
            hosted_invoice_url: None,
        }
    }

    #[test]
    fn each_status_has_its_word_and_any_other_is_unknown() {
        for (word, status) in STATUSES {
            assert_eq!((InvoiceStatus::parse(word), status.as_str()), (status, word));
        }
        assert_eq!(InvoiceStatus::parse("galactic"), InvoiceStatus::Unknown);
        assert_eq!(InvoiceStatus::Unknown.as_str(), "unknown");
    }

    #[test]
    fn progress_grows_with_the_stage_and_then_with_the_attempts() {
        use InvoiceStatus::{Draft, Open, Paid, Uncollectible, Unknown, Void};
        let steps = [
            invoice(Unknown, 9),
            invoice(Draft, 0),
            invoice(Open, 0),
            invoice(Open, 1),
            invoice(Open, 8),
            invoice(Uncollectible, 3),
            invoice(Paid, 1),
        ];
        assert!(steps.windows(2).all(|two| two[0].progress() < two[1].progress()));
        assert_eq!(invoice(Paid, 1).progress(), invoice(Void, 1).progress());
        assert!(invoice(Open, u64::MAX).progress() < invoice(Uncollectible, 0).progress());
    }
}
