//! The true history of one user's subscriptions at Stripe, and the events it sends about them.

use proptest::prelude::*;
use serde_json::{Value, json};
use tests::EventBuilder;

/// When every life begins: simulated, so that a failing one can be lived again.
pub const BEGINNING: i64 = 1_790_000_000;
const DAY: i64 = 86_400;
pub const UNIT_AMOUNT: i64 = 4990;

/// Choices from which a life follows; any of them make a valid one.
#[derive(Clone, Debug)]
pub struct Plan {
    pub births: Vec<Birth>,
    pub happenings: Vec<Happening>,
    /// In which order what is left is delivered at the end.
    pub leftovers: Vec<u16>,
}

/// How a subscription begins.
#[derive(Clone, Copy, Debug)]
pub struct Birth {
    pub status: &'static str,
    /// Its metadata says whose it is; otherwise that is learnt from the checkout alone.
    pub names_its_user: bool,
    pub is_of_second_customer: bool,
    pub names_its_card: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Happening {
    /// A subscription takes one of the steps its status allows, or is born.
    Change {
        who: u8,
        step: u8,
        seconds_later: i64,
    },
    /// One of the deliveries under way arrives. What Stripe is asked meanwhile may carry the `Date` of the next second.
    Deliver {
        which: u16,
        is_answered_late: bool,
    },
    Wait {
        seconds: i64,
    },
}

pub fn plans() -> impl Strategy<Value = Plan> {
    let status = prop_oneof![Just("trialing"), Just("active"), Just("incomplete")];
    let birth = (status, prop::bool::weighted(0.35), prop::bool::weighted(0.2), any::<bool>()).prop_map(
        |(status, names_its_user, is_of_second_customer, names_its_card)| Birth {
            status,
            names_its_user,
            is_of_second_customer,
            names_its_card,
        },
    );
    let seconds_later = prop_oneof![9 => Just(0_i64), 5 => Just(1), 3 => 2_i64..4, 2 => DAY..40 * DAY];
    let happening = prop_oneof![
        5 => (any::<u8>(), any::<u8>(), seconds_later)
            .prop_map(|(who, step, seconds_later)| Happening::Change { who, step, seconds_later }),
        5 => (any::<u16>(), any::<bool>())
            .prop_map(|(which, is_answered_late)| Happening::Deliver { which, is_answered_late }),
        1 => (1_i64..3).prop_map(|seconds| Happening::Wait { seconds }),
    ];
    let births = prop_oneof![
        4 => prop::collection::vec(birth.clone(), 1),
        3 => prop::collection::vec(birth.clone(), 2),
        2 => prop::collection::vec(birth, 3..=4),
    ];
    (births, prop::collection::vec(happening, 4..32), prop::collection::vec(any::<u16>(), 40))
        .prop_map(|(births, happenings, leftovers)| Plan { births, happenings, leftovers })
}

/// Whose life it is: fresh names for every life, since all share one table.
#[derive(Clone, Debug)]
pub struct Names {
    pub user: String,
    number: u64,
}

impl Names {
    pub fn of(number: u64) -> Names {
        Names { user: format!("{number}"), number }
    }

    fn subscription(&self, who: usize) -> String {
        format!("sub_{}x{who}", self.number)
    }

    fn customer(&self, birth: Birth) -> String {
        format!("cus_{}x{}", self.number, u8::from(birth.is_of_second_customer))
    }

    pub fn card(&self, what: &str) -> String {
        format!("pm_{}x{what}", self.number)
    }
}

/// Stripe's side: what is true now, and what it has sent.
pub struct Life {
    pub names: Names,
    pub second: i64,
    births: Vec<Birth>,
    subscriptions: Vec<Option<Value>>,
    /// What each subscription was before its end, until an event has told of it.
    stragglers: Vec<Option<Value>>,
    pub events: Vec<Value>,
}

impl Life {
    pub fn new(names: Names, births: &[Birth]) -> Life {
        let nothing = || vec![None; births.len()];
        let (subscriptions, stragglers) = (nothing(), nothing());
        Life { names, second: BEGINNING, births: births.to_vec(), subscriptions, stragglers, events: Vec::new() }
    }

    /// Every subscription that was born, as it is now.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Value> {
        self.subscriptions.iter().flatten()
    }

    /// The customers and cards, which never change.
    pub fn fixtures(&self) -> Vec<Value> {
        let card = |id: &str, customer: &str, last4: &str| {
            let details = json!({ "brand": "visa", "last4": last4, "exp_month": 4, "exp_year": 2030 });
            json!({ "id": id, "object": "payment_method", "type": "card", "customer": customer, "card": details })
        };
        let of_birth = |(who, birth): (usize, &Birth)| {
            let customer = self.names.customer(*birth);
            let default = self.names.card(&customer);
            let settings = json!({ "default_payment_method": card(&default, &customer, "1111") });
            let mirror = json!({
                "id": customer, "object": "customer", "email": null, "metadata": {}, "invoice_settings": settings,
            });
            let own = card(&self.names.card(&format!("own{who}")), &customer, "4242");
            let other = card(&self.names.card(&format!("other{who}")), &customer, "0341");
            [mirror, card(&default, &customer, "1111"), own, other]
        };
        self.births.iter().enumerate().flat_map(of_birth).collect()
    }

    /// One step of one subscription; the events it sends are the last ones of `events`.
    pub fn change(&mut self, who: u8, step: u8, seconds_later: i64) {
        self.second += seconds_later;
        let who = usize::from(who) % self.births.len();
        let Some(before) = self.subscriptions[who].clone() else { return self.be_born(who) };
        let mut subscription = before.clone();
        let other_card = self.names.card(&format!("other{who}"));
        match step_of(&mut subscription, step, &other_card, self.second) {
            Some(event_type) => {
                self.send(event_type, subscription.clone());
                self.stragglers[who] = is_over(&subscription).then_some(before);
                self.subscriptions[who] = Some(subscription);
            }
            // After the end nothing happens, but one more event may tell of what was before.
            None => {
                if let Some(before) = self.stragglers[who].take() {
                    self.second += 1;
                    self.send("customer.subscription.updated", before);
                }
            }
        }
    }

    fn be_born(&mut self, who: usize) {
        let (birth, now) = (self.births[who], self.second);
        let customer = self.names.customer(birth);
        let is_first_of_customer = !self.subscriptions().any(|other| other["customer"] == *customer);
        let has_trial = birth.status == "trialing";
        let period_end = now + if has_trial { 7 } else { 30 } * DAY;
        let price = json!({
            "id": "price_life", "object": "price", "currency": "brl", "product": "prod_life", "unit_amount": UNIT_AMOUNT,
            "recurring": { "interval": "month", "interval_count": 1 },
        });
        let item = json!({
            "id": "si_1", "object": "subscription_item", "quantity": 1, "price": price,
            "current_period_start": now, "current_period_end": period_end,
        });
        let user = birth.names_its_user.then(|| json!({ "user_id": self.names.user }));
        let subscription = json!({
            "id": self.names.subscription(who), "object": "subscription", "customer": customer,
            "status": birth.status, "created": now, "currency": "brl", "cancel_at": null,
            "cancel_at_period_end": false, "canceled_at": null, "ended_at": null,
            "default_payment_method": birth.names_its_card.then(|| self.names.card(&format!("own{who}"))),
            "trial_start": has_trial.then_some(now), "trial_end": has_trial.then_some(period_end),
            "metadata": user.unwrap_or(json!({})), "items": { "object": "list", "has_more": false, "data": [item] },
        });
        self.subscriptions[who] = Some(subscription.clone());
        self.send("customer.subscription.created", subscription);
        if is_first_of_customer {
            let session = json!({
                "id": format!("cs_test_{}x{who}", self.names.number), "object": "checkout.session", "status": "complete",
                "customer": customer, "client_reference_id": self.names.user, "url": null, "metadata": {},
                "subscription": self.names.subscription(who), "expires_at": now + DAY,
            });
            self.send("checkout.session.completed", session);
        }
    }

    fn send(&mut self, event_type: &str, object: Value) {
        let id = format!("evt_{}x{}", self.names.number, self.events.len());
        self.events.push(EventBuilder::of(&id, event_type, self.second, object).value().clone());
    }
}

fn is_over(subscription: &Value) -> bool {
    subscription["status"] == "canceled" || subscription["status"] == "incomplete_expired"
}

/// Takes a step that Stripe knows: <https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>.
/// The type of its event; nothing after an end.
///
/// The quantity counts the changes, so that no two states of a subscription look the same.
fn step_of(subscription: &mut Value, step: u8, other_card: &str, now: i64) -> Option<&'static str> {
    if is_over(subscription) {
        return None;
    }
    // Ends are rare, so that a life is long.
    let steps: &[&str] = match subscription["status"].as_str().unwrap_or_default() {
        "incomplete" => &["active", "active", "incomplete_expired"],
        "trialing" => {
            &["active", "past_due", "paused", "will cancel", "another card", "trial will end", "active", "canceled"]
        }
        "active" => {
            &["past_due", "renewed", "will cancel", "another card", "renewed", "past_due", "renewed", "canceled"]
        }
        "past_due" => &["active", "unpaid", "another card", "active", "canceled"],
        _ => &["active", "another card", "active", "canceled"],
    };
    let step = steps[usize::from(step) % steps.len()];
    if step == "trial will end" {
        return Some("customer.subscription.trial_will_end");
    }
    let item = &mut subscription["items"]["data"][0];
    item["quantity"] = json!(item["quantity"].as_i64().unwrap_or_default() + 1);
    match step {
        "renewed" => {
            item["current_period_start"] = json!(now);
            item["current_period_end"] = json!(now + 30 * DAY);
        }
        "will cancel" => subscription["cancel_at_period_end"] = json!(subscription["cancel_at_period_end"] != true),
        "another card" => subscription["default_payment_method"] = json!(other_card),
        status => subscription["status"] = json!(status),
    }
    if step == "canceled" {
        (subscription["canceled_at"], subscription["ended_at"]) = (json!(now), json!(now));
    }
    Some(match step {
        "canceled" => "customer.subscription.deleted",
        "paused" => "customer.subscription.paused",
        _ => "customer.subscription.updated",
    })
}
