//! One change of one item, with the condition under which it may land. How each is written is in [`super::write`].

use jiff::Timestamp;

use super::event::EventRecord;
use super::keys::{self, Partition};
use super::progress::Progress;
use super::read::Parked;
use super::record::{AsOf, Guard};
use crate::domain::trial::SecondTrial;
use crate::domain::{
    Card, CheckoutClaim, CheckoutSessionId, Customer, CustomerId, CustomerMirror, EventId, Invoice, PaymentMethodId,
    Price, PriceId, Product, ProductId, Subscription, TrialClaim, UserId, WebhookEndpoint,
};

/// Changes sent together land together or not at all: see [`super::Store::commit`].
#[derive(Clone, Debug)]
pub enum Change {
    /// The state of a subscription, where its owner keeps it.
    Subscription {
        partition: Partition,
        subscription: Box<Subscription>,
        as_of: AsOf,
        guard: Guard,
    },
    /// A card, where its customer's owner keeps it.
    Card {
        partition: Partition,
        card: Card,
        as_of: AsOf,
        guard: Guard,
    },
    /// Nothing changes; refused when the card has not been seen yet.
    CardIsKnown {
        partition: Partition,
        payment_method: PaymentMethodId,
    },
    /// What Stripe says of a customer.
    Mirror {
        partition: Partition,
        mirror: CustomerMirror,
        as_of: AsOf,
        guard: Guard,
    },
    /// Nothing changes; refused when the customer's default card has not been asked for yet.
    MirrorIsKnown {
        partition: Partition,
        customer: CustomerId,
    },
    Product {
        product: Product,
        as_of: AsOf,
        guard: Guard,
    },
    Price {
        price: Price,
        as_of: AsOf,
        guard: Guard,
    },
    /// An invoice: newer wins, and within one second the one further along.
    Invoice {
        invoice: Box<Invoice>,
        as_of: AsOf,
    },
    /// Nothing changes; refused unless the customer belongs to the user and nothing of it waits to be joined.
    OwnerIs {
        customer: CustomerId,
        user: UserId,
    },
    /// Marks the customer as one nobody owns; refused when somebody does.
    OwnerIsNobody {
        customer: CustomerId,
    },
    /// Gives the customer to the user; refused when another has it. Unless `joined`, the customer's parked objects are
    /// still to be moved, and every other change of the customer waits for that.
    Own {
        customer: CustomerId,
        user: UserId,
        joined: bool,
    },
    /// Gives a customer that nothing is known of to the user; refused when another has it or anything is parked with it.
    OwnNew {
        customer: CustomerId,
        user: UserId,
    },
    /// Spends the user's trial; refused when it is spent by anything but this very subscription.
    Trial {
        user: UserId,
        claim: TrialClaim,
    },
    /// A trial too many; refused when it is on record.
    SecondTrial {
        user: UserId,
        second: SecondTrial,
    },
    /// Begins the creation of the user's customer; refused when there is one, or another creation is under way.
    BeginCustomer {
        user: UserId,
        customer: Customer,
    },
    /// The user's customer is known; refused when the user has another one.
    LinkCustomer {
        user: UserId,
        customer: CustomerId,
    },
    /// Stripe does not know the customer any more: the user's next checkout makes a new one.
    ForgetCustomer {
        user: UserId,
        customer: CustomerId,
    },
    /// A creation failed at Stripe: the next try must not replay that failure.
    RetryCustomer {
        user: UserId,
        creation_attempt: u64,
        /// The next try begins its wait now.
        failed_at: Timestamp,
        /// Stripe would not have the e-mail or the name: the next try leaves them out.
        drop_contact: bool,
    },
    /// A session could not be opened at Stripe: the next try must not replay that failure.
    CountCheckoutFailure {
        user: UserId,
    },
    /// The user's open session; refused unless the last attempt was `previous_attempt`.
    Checkout {
        user: UserId,
        claim: CheckoutClaim,
        previous_attempt: Option<u64>,
    },
    /// The session is over; refused when the user's open session is another one.
    CloseCheckout {
        user: UserId,
        session: CheckoutSessionId,
        is_paid: bool,
    },
    /// An object that was parked has been moved; refused when it changed meanwhile.
    Unpark {
        customer: CustomerId,
        sk: String,
        version: u64,
    },
    /// A record of what Stripe no longer has goes; refused when it changed meanwhile.
    Remove {
        partition: Partition,
        sk: String,
        version: u64,
    },
    /// Nobody owns a customer that Stripe no longer has.
    RemoveOwner {
        customer: CustomerId,
    },
    /// An event that was dealt with counts as failed, so that an operator can have it received once more.
    Reopen {
        event: EventId,
    },
    /// What became of an event; refused when it was dealt with before.
    Event(EventRecord),
    /// Puts an event on the list of failed ones.
    ListFailed(EventRecord),
    /// Takes an event off that list.
    UnlistFailed {
        event: EventId,
    },
    /// Where a walk stands; refused when another walker was faster.
    Progress {
        walk: &'static str,
        progress: Progress,
    },
    /// What Stripe says of a webhook endpoint of ours. No secret.
    Endpoint {
        uuid: String,
        endpoint: WebhookEndpoint,
    },
}

impl Change {
    /// Removes a mirrored object as it was when it was read.
    pub fn remove(partition: Partition, object: &Parked) -> Change {
        Change::Remove { partition, sk: object.sk(), version: object.version() }
    }

    pub fn remove_product(product: &ProductId, version: u64) -> Change {
        Change::Remove { partition: Partition::Catalogue, sk: keys::product_sk(product), version }
    }

    pub fn remove_price(price: &PriceId, version: u64) -> Change {
        Change::Remove { partition: Partition::Catalogue, sk: keys::price_sk(price), version }
    }

    /// The event whose record this is.
    pub(super) fn event(&self) -> Option<&EventId> {
        match self {
            Change::Event(record) => Some(&record.event),
            _ => None,
        }
    }
}
