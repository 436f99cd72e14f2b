//! Short tales of one user, each ending with the event at which the handler is killed.

use serde_json::{Value, json};
use tests::EventBuilder;

/// When every tale plays, in simulated seconds since 1970.
pub const NOW: i64 = 1_790_000_000;
const DAY: i64 = 86_400;

/// What has happened, what is true at Stripe, and what arrives now.
pub struct Tale {
    pub true_at_stripe: Vec<Value>,
    pub before: Vec<EventBuilder>,
    pub arrives: EventBuilder,
}

/// The names of one telling: every telling has its own, since all share one table.
#[derive(Clone, Debug)]
pub struct Names {
    mark: String,
}

impl Names {
    pub fn of(telling: u64) -> Names {
        Names { mark: format!("K{telling}K") }
    }

    pub fn user(&self) -> String {
        format!("user{}", self.mark)
    }

    pub fn customer(&self) -> String {
        format!("cus_{}", self.mark)
    }

    pub fn event(&self, name: &str) -> String {
        format!("evt_{name}{}", self.mark)
    }

    fn subscription(&self, name: &str) -> String {
        format!("sub_{name}{}", self.mark)
    }

    fn card_id(&self, name: &str) -> String {
        format!("pm_{name}{}", self.mark)
    }

    /// The same in every telling.
    pub fn unmarked(&self, text: &str) -> String {
        text.replace(&self.mark, "")
    }

    fn card(&self, name: &str) -> Value {
        let details = json!({ "brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2030 });
        json!({
            "id": self.card_id(name), "object": "payment_method", "type": "card", "customer": self.customer(),
            "card": details,
        })
    }

    /// As Stripe tells of it when it is asked.
    fn customer_object(&self) -> Value {
        let settings = json!({ "default_payment_method": self.card("default") });
        json!({
            "id": self.customer(), "object": "customer", "email": null, "metadata": {}, "invoice_settings": settings,
        })
    }

    /// An event about a subscription nobody is named for, paid with the customer's default card.
    fn orphan(&self, event: &str, subscription: &str, after: i64) -> EventBuilder {
        EventBuilder::subscription(&self.event(event), &self.subscription(subscription), &self.customer(), NOW + after)
    }

    /// An event about the user's subscription, paid with a card of its own.
    fn owned(&self, event: &str, after: i64) -> EventBuilder {
        let event = self.orphan(event, "a", after).owned_by(&self.user());
        event.with("/data/object/default_payment_method", self.card_id("a"))
    }

    fn checkout_completed(&self, event: &str, after: i64) -> EventBuilder {
        let session = json!({
            "id": format!("cs_test_{}", self.mark), "object": "checkout.session", "status": "complete",
            "customer": self.customer(), "client_reference_id": self.user(), "subscription": self.subscription("a"),
            "expires_at": NOW + DAY, "url": null, "metadata": {},
        });
        EventBuilder::of(&self.event(event), "checkout.session.completed", NOW + after, session)
    }

    /// A subscriber with a trial, whose card and customer are known.
    fn subscriber(&self) -> Vec<EventBuilder> {
        vec![with_trial(self.owned("created", 0))]
    }

    fn true_of(&self, subscriptions: &[&EventBuilder]) -> Vec<Value> {
        let objects = subscriptions.iter().map(|event| event.value()["data"]["object"].clone());
        objects.chain([self.customer_object(), self.card("a"), self.card("new")]).collect()
    }
}

fn with_trial(event: EventBuilder) -> EventBuilder {
    let event = event.status("trialing").with("/data/object/trial_start", NOW);
    event.with("/data/object/trial_end", NOW + 7 * DAY)
}

type Teller = fn(&Names) -> Tale;

pub const TALES: [(&str, Teller); 13] = [
    ("the usual event", |names| Tale {
        true_at_stripe: names.true_of(&[]),
        before: names.subscriber(),
        arrives: names.owned("active", 10),
    }),
    ("the first event of a user", |names| Tale {
        true_at_stripe: names.true_of(&[]),
        before: vec![],
        arrives: with_trial(names.owned("created", 0)),
    }),
    ("an event with a new card", |names| Tale {
        true_at_stripe: names.true_of(&[]),
        before: names.subscriber(),
        arrives: names.owned("card", 10).with("/data/object/default_payment_method", names.card_id("new")),
    }),
    ("an older event", |names| Tale {
        true_at_stripe: names.true_of(&[]),
        before: names.subscriber(),
        arrives: names.owned("old", -10),
    }),
    ("a tie", |names| Tale {
        true_at_stripe: names.true_of(&[&names.owned("truth", 0).status("past_due")]),
        before: names.subscriber(),
        arrives: names.owned("active", 0),
    }),
    ("an end that comes after what was later", |names| Tale {
        true_at_stripe: names.true_of(&[]),
        before: names.subscriber(),
        arrives: names.owned("end", -10).status("canceled").with("/type", "customer.subscription.deleted"),
    }),
    ("an orphan", |names| Tale {
        true_at_stripe: names.true_of(&[]),
        before: vec![],
        arrives: with_trial(names.orphan("orphan", "a", 0)),
    }),
    ("an orphan whose user becomes known by metadata", |names| Tale {
        true_at_stripe: names.true_of(&[&names.owned("truth", 10)]),
        before: vec![with_trial(names.orphan("orphan", "a", 0))],
        arrives: names.owned("named", 10),
    }),
    ("two orphans whose user becomes known by a checkout", |names| {
        let (first, second) = (with_trial(names.orphan("first", "a", 0)), names.orphan("second", "b", 5));
        Tale {
            true_at_stripe: names.true_of(&[&first, &second]),
            before: vec![first, second],
            arrives: names.checkout_completed("completed", 6),
        }
    }),
    ("a checkout of a known customer", |names| Tale {
        true_at_stripe: names.true_of(&[]),
        before: names.subscriber(),
        arrives: names.checkout_completed("completed", 1),
    }),
    ("a customer that is deleted", |names| Tale {
        true_at_stripe: names.true_of(&[]),
        before: names.subscriber(),
        arrives: EventBuilder::of(&names.event("deleted"), "customer.deleted", NOW + 10, names.customer_object()),
    }),
    ("a failed payment", |names| {
        let invoice = json!({
            "id": format!("in_{}", names.mark), "object": "invoice", "customer": names.customer(), "status": "open",
            "currency": "brl", "amount_due": 4990, "amount_paid": 0, "attempt_count": 1,
            "subscription": names.subscription("a"),
        });
        Tale {
            true_at_stripe: names.true_of(&[]),
            before: names.subscriber(),
            arrives: EventBuilder::of(&names.event("failed"), "invoice.payment_failed", NOW + 10, invoice),
        }
    }),
    ("a card that is detached", |names| {
        let mut card = names.card("a");
        card["customer"] = Value::Null;
        let detached = EventBuilder::of(&names.event("detached"), "payment_method.detached", NOW + 10, card);
        Tale {
            true_at_stripe: names.true_of(&[]),
            before: names.subscriber(),
            arrives: detached.with("/data/previous_attributes", json!({ "customer": names.customer() })),
        }
    }),
];
