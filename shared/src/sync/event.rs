//! What each type of event changes.

use serde_json::Value;

use super::mirrored::{Mirrored, mirror_of};
use super::settle::{Home, Settled, Task, settle};
use super::{Linked, SyncError, link, owner, story};
use crate::books::Books;
use crate::domain::{CustomerId, EventId, Invoice, UserId};
use crate::store::{AsOf, Change, Commit, EventRecord, KnownEvent, Outcome, Partition, Refusal};
use crate::stripe::envelope::Envelope;
use crate::stripe::object::{self, ObjectError};
use crate::stripe::{CheckoutSession, CheckoutStatus, OwnedSubscription};

/// The types an endpoint is registered for. The first six alone keep every promise of the product.
pub const HANDLED_EVENT_TYPES: [&str; 24] = [
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.trial_will_end",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "invoice.paid",
    "invoice.payment_action_required",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.updated",
    "customer.deleted",
    "payment_method.attached",
    "payment_method.updated",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "product.created",
    "product.updated",
    "product.deleted",
    "price.created",
    "price.updated",
    "price.deleted",
];

/// Brings an event to the table. When it answers, everything the event causes is durable and its record says so.
///
/// `delivery` is unique to this delivery of the event. An event whose object cannot be read is recorded as failed and
/// logged: sending it again unchanged would not help. Every other error means: not durable, send it again.
pub async fn receive(books: &Books, envelope: &Envelope, delivery: &str) -> Result<Outcome, SyncError> {
    let news = News { books, envelope, delivery };
    match news.apply().await {
        Err(SyncError::Object { object, problem }) => {
            let error = format!("{object}: {problem}");
            tracing::error!(event = %envelope.id, "Error processing webhook event {}: {error}", envelope.id);
            news.fail(error, true).await
        }
        other => other,
    }
}

/// Makes an event that was dealt with one that failed, so that [`receive`] takes it once more: for an operator who has
/// reason to, as after an upgrade that handles what was ignored before. Whether it was on record.
///
/// It is also on the list of failed events until it has been received.
pub async fn reopen(books: &Books, envelope: &Envelope) -> Result<bool, SyncError> {
    let listed = EventRecord { error: Some("reopened by an operator".to_owned()), ..record(books, envelope, "") };
    let changes = vec![Change::Reopen { event: envelope.id.clone() }, Change::ListFailed(listed)];
    Ok(matches!(books.store().commit(changes).await?, Commit::Landed))
}

/// Takes an event off the list of failed ones.
pub async fn unlist_failed(books: &Books, event: &EventId) -> Result<(), SyncError> {
    let _: Commit = books.store().commit(vec![Change::UnlistFailed { event: event.clone() }]).await?;
    Ok(())
}

/// Notes that an event could not be brought to the table: on its record and on the list of failed events.
pub async fn note_failure(
    books: &Books,
    envelope: &Envelope,
    delivery: &str,
    error: &SyncError,
) -> Result<(), SyncError> {
    News { books, envelope, delivery }.fail(error.to_string(), false).await.map(|_outcome| ())
}

fn record(books: &Books, envelope: &Envelope, delivery: &str) -> EventRecord {
    EventRecord {
        event: envelope.id.clone(),
        event_type: envelope.event_type.clone(),
        created_at: envelope.created_at,
        outcome: Outcome::Failed,
        received_at: books.clock().wall_now(),
        delivery: delivery.to_owned(),
        object: envelope.object.get("id").and_then(Value::as_str).map(str::to_owned),
        error: None,
        is_hopeless: false,
    }
}

/// One delivery of one event.
struct News<'a> {
    books: &'a Books,
    envelope: &'a Envelope,
    delivery: &'a str,
}

impl News<'_> {
    async fn apply(&self) -> Result<Outcome, SyncError> {
        match self.envelope.event_type.as_str() {
            "customer.subscription.created"
            | "customer.subscription.updated"
            | "customer.subscription.deleted"
            | "customer.subscription.trial_will_end"
            | "customer.subscription.paused"
            | "customer.subscription.resumed" => self.subscription().await,
            "invoice.paid"
            | "invoice.payment_succeeded"
            | "invoice.payment_failed"
            | "invoice.payment_action_required" => self.invoice().await,
            "checkout.session.completed" => self.checkout_completed().await,
            "checkout.session.expired" => self.checkout_expired().await,
            "customer.updated" => self.customer().await,
            "customer.deleted" => self.customer_deleted().await,
            "payment_method.attached"
            | "payment_method.updated"
            | "payment_method.automatically_updated"
            | "payment_method.detached" => self.payment_method().await,
            "product.created" | "product.updated" | "product.deleted" => self.product().await,
            "price.created" | "price.updated" | "price.deleted" => self.price().await,
            _ => self.close(Outcome::Ignored).await,
        }
    }

    fn is_deletion(&self) -> bool {
        self.envelope.event_type.ends_with(".deleted")
    }

    fn as_of(&self) -> AsOf {
        AsOf::event(self.envelope.created_at, self.envelope.id.as_str())
    }

    fn record(&self, outcome: Outcome) -> EventRecord {
        EventRecord { outcome, ..record(self.books, self.envelope, self.delivery) }
    }

    /// Writes the event's record alone.
    async fn close(&self, outcome: Outcome) -> Result<Outcome, SyncError> {
        match self.books.store().commit(vec![Change::Event(self.record(outcome))]).await? {
            Commit::Landed => Ok(outcome),
            Commit::Refused(refusals) => {
                let known = refusals.first().map(Refusal::event).transpose()?.flatten();
                Ok(KnownEvent::outcome_of(known, Some(self.delivery)))
            }
        }
    }

    async fn fail(&self, error: String, is_hopeless: bool) -> Result<Outcome, SyncError> {
        let record = EventRecord { error: Some(error), is_hopeless, ..self.record(Outcome::Failed) };
        let changes = vec![Change::Event(record.clone()), Change::ListFailed(record)];
        match self.books.store().commit(changes).await? {
            Commit::Landed => Ok(Outcome::Failed),
            // Another delivery has dealt with it in the meantime.
            Commit::Refused(_) => Ok(Outcome::Duplicate),
        }
    }

    fn unreadable(&self, error: ObjectError) -> SyncError {
        SyncError::Object { object: self.envelope.event_type.clone(), problem: error.to_string() }
    }

    async fn settle(&self, home: Home, mirrored: Mirrored) -> Result<Settled, SyncError> {
        let event = Some(self.record(Outcome::Applied));
        settle(self.books, Task { home, mirrored, as_of: self.as_of(), card: None, event }).await
    }

    async fn subscription(&self) -> Result<Outcome, SyncError> {
        let OwnedSubscription { subscription, user, card } =
            object::subscription(&self.envelope.object).map_err(|error| self.unreadable(error))?;
        let home = Home::Of { customer: subscription.customer.clone(), claimed_by: user };
        let mirrored = Mirrored::Subscription(Box::new(subscription.clone()));
        let event = Some(self.record(Outcome::Applied));
        let task = Task { home, mirrored, as_of: self.as_of(), card, event };
        let settled = settle(self.books, task).await.inspect_err(|error| {
            if subscription.had_trial() {
                tracing::error!(subscription = %subscription.id, "Error tracking trial in webhook: {error}");
            }
        })?;
        story::tell_subscription(self.envelope, &subscription, &settled);
        Ok(settled.outcome)
    }

    async fn invoice(&self) -> Result<Outcome, SyncError> {
        let invoice: Invoice = object::invoice(&self.envelope.object).map_err(|error| self.unreadable(error))?.invoice;
        let record = self.record(Outcome::Applied);
        let as_of = self.as_of();
        let changes = vec![Change::Invoice { invoice: Box::new(invoice.clone()), as_of }, Change::Event(record)];
        let refusals = match self.books.store().commit(changes).await? {
            Commit::Landed => {
                story::tell_invoice(self.envelope, &invoice);
                return Ok(Outcome::Applied);
            }
            Commit::Refused(refusals) => refusals,
        };
        match refusals.iter().find(|refusal| refusal.index == 1) {
            Some(refusal) => Ok(KnownEvent::outcome_of(refusal.event()?, Some(self.delivery))),
            // A later word on the invoice is on record; that it was paid, or not, happened all the same.
            None => {
                let outcome = self.close(Outcome::Stale).await?;
                if outcome == Outcome::Stale {
                    story::tell_invoice(self.envelope, &invoice);
                }
                Ok(outcome)
            }
        }
    }

    /// The customer that paid belongs to the user for whom the session was made; the session is over.
    async fn checkout_completed(&self) -> Result<Outcome, SyncError> {
        let session = object::checkout_session(&self.envelope.object).map_err(|error| self.unreadable(error))?;
        let (true, Some(user), Some(customer)) =
            (session.is_for_subscription, session.user.clone(), session.customer.clone())
        else {
            return self.close(Outcome::Ignored).await;
        };
        if let Linked::OwnedBy(owner) = self.own(&customer, &user).await? {
            tracing::warn!(%customer, user = %owner, session = %session.id, "The customer of a checkout belongs to another user");
        }
        self.close_checkout(&user, &session).await
    }

    async fn own(&self, customer: &CustomerId, user: &UserId) -> Result<Linked, SyncError> {
        let owner_is = Change::OwnerIs { customer: customer.clone(), user: user.clone() };
        match self.books.store().commit(vec![owner_is]).await? {
            Commit::Landed => Ok(Linked::Done),
            Commit::Refused(_) => link(self.books, customer, user).await,
        }
    }

    async fn checkout_expired(&self) -> Result<Outcome, SyncError> {
        let session = object::checkout_session(&self.envelope.object).map_err(|error| self.unreadable(error))?;
        match session.user.clone() {
            Some(user) => self.close_checkout(&user, &session).await,
            None => self.close(Outcome::Ignored).await,
        }
    }

    async fn close_checkout(&self, user: &UserId, session: &CheckoutSession) -> Result<Outcome, SyncError> {
        let is_paid = session.status == CheckoutStatus::Complete;
        let close = Change::CloseCheckout { user: user.clone(), session: session.id.clone(), is_paid };
        let changes = vec![close, Change::Event(self.record(Outcome::Applied))];
        let refusals = match self.books.store().commit(changes).await? {
            Commit::Landed => return Ok(Outcome::Applied),
            Commit::Refused(refusals) => refusals,
        };
        match refusals.iter().find(|refusal| refusal.index == 1) {
            Some(refusal) => Ok(KnownEvent::outcome_of(refusal.event()?, Some(self.delivery))),
            // The user's open session is another one by now: there is nothing left to close.
            None => self.close(Outcome::Applied).await,
        }
    }

    async fn customer(&self) -> Result<Outcome, SyncError> {
        let customer = object::customer(&self.envelope.object).map_err(|error| self.unreadable(error))?;
        let home = Home::Of { customer: customer.id.clone(), claimed_by: customer.user.clone() };
        Ok(self.settle(home, Mirrored::Customer(mirror_of(&customer))).await?.outcome)
    }

    /// The user's next checkout makes a new customer. The forgetting comes first, so that the event's record, which says
    /// that it is done, comes last.
    async fn customer_deleted(&self) -> Result<Outcome, SyncError> {
        let mut customer = object::customer(&self.envelope.object).map_err(|error| self.unreadable(error))?;
        customer.is_deleted = true;
        if let Partition::User(user) = owner::home_of(self.books, &customer.id).await? {
            let forget = Change::ForgetCustomer { user, customer: customer.id.clone() };
            // Refused when the user's customer is another one.
            let _: Commit = self.books.store().commit(vec![forget]).await?;
        }
        let home = Home::Of { customer: customer.id.clone(), claimed_by: None };
        Ok(self.settle(home, Mirrored::Customer(mirror_of(&customer))).await?.outcome)
    }

    async fn payment_method(&self) -> Result<Outcome, SyncError> {
        let (mut card, customer) =
            object::payment_method(&self.envelope.object).map_err(|error| self.unreadable(error))?;
        card.is_detached = self.envelope.event_type == "payment_method.detached";
        // A detached card has no customer any more; the event says whose it was.
        let was_of = || {
            let previous = self.envelope.previous_attributes.as_ref()?.get("customer")?.as_str()?;
            CustomerId::parse(previous).ok()
        };
        match customer.or_else(was_of) {
            Some(customer) => {
                let home = Home::Of { customer, claimed_by: None };
                Ok(self.settle(home, Mirrored::Card(card)).await?.outcome)
            }
            None => self.close(Outcome::Ignored).await,
        }
    }

    async fn product(&self) -> Result<Outcome, SyncError> {
        let mut product = object::product(&self.envelope.object).map_err(|error| self.unreadable(error))?;
        product.deleted |= self.is_deletion();
        Ok(self.settle(Home::Catalogue, Mirrored::Product(product)).await?.outcome)
    }

    async fn price(&self) -> Result<Outcome, SyncError> {
        let mut price = object::price(&self.envelope.object).map_err(|error| self.unreadable(error))?;
        price.deleted |= self.is_deletion();
        Ok(self.settle(Home::Catalogue, Mirrored::Price(price)).await?.outcome)
    }
}
