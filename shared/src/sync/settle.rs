//! The write rule.
//!
//! An event's view is written when it is newer than the stored one and ignored when it is older. Stripe's clock has whole
//! seconds, so two views of one second cannot be told apart: then the object is read from Stripe inside a bracket (the
//! stored version must still stand when the answer is written). End states are never taken back and always win.
//! The usual event needs one transaction and nothing else; everything here beyond that is what to do when it is refused.

use super::mirrored::{Mirrored, Reread, mirror_of};
use super::rule::{Verdict, later_of, weigh};
use super::trial::TrialPart;
use super::{SyncError, owner};
use crate::books::Books;
use crate::domain::{Card, CustomerId, PaymentMethodId, UserId};
use crate::store::{AsOf, Change, Commit, EventRecord, Guard, KnownEvent, Outcome, Partition, Refusal, Standing};
use crate::tally::{Count, count};

/// How often a lost race over one object is run again before the caller is told to come back.
const MAX_READS: u32 = 4;
/// How often one task may send its transaction at all: every refusal is answered by a step forward, so this is never
/// reached unless something is wrong.
const MAX_ROUNDS: u32 = 16;
/// How far in the future an event may say it was made before its word is not taken: clocks differ by less.
const MAX_AHEAD_SECONDS: i64 = 600;

/// Where an object is kept.
#[derive(Clone, Debug)]
pub(super) enum Home {
    /// With the owner of a customer; `claimed_by` is whom the object itself names.
    Of { customer: CustomerId, claimed_by: Option<UserId> },
    /// Exactly there: the owner is known and settled.
    At(Partition),
    /// With the products and prices.
    Catalogue,
}

/// One object to be written.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub home: Home,
    pub mirrored: Mirrored,
    pub as_of: AsOf,
    /// The card of a subscription, when it came along.
    pub card: Option<Card>,
    /// The event that brought it, whose record lands together with its effect.
    pub event: Option<EventRecord>,
}

/// How a task ended, and with whom the object is kept.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    pub outcome: Outcome,
    pub partition: Partition,
    /// The subscription had a trial and another one has spent it.
    pub is_second_trial: bool,
}

/// What has to be known beside a subscription so that its card can be shown.
#[derive(Clone, Debug)]
enum Supplement {
    /// We take it that the card is known, and learn by a refusal when it is not.
    CardIsKnown(PaymentMethodId),
    AddCard(Card),
    /// The subscription names no card, so the customer's default is charged.
    MirrorIsKnown(CustomerId),
    AddMirror(Box<Mirrored>, AsOf),
}

/// What each change of a transaction was for, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Object,
    Owner,
    Event,
    Trial,
    Supplement(usize),
}

struct Attempt<'a> {
    books: &'a Books,
    task: Task,
    /// The view as it came: decides whether a stored one is newer, also after a read.
    arrived_as_of: AsOf,
    partition: Partition,
    /// Whom the object names, as long as nothing says otherwise.
    claimed_by: Option<UserId>,
    guard: Guard,
    supplements: Vec<Supplement>,
    trial: TrialPart,
    reads: u32,
}

/// Writes one object by the rule above. Done when the answer comes: everything it says is durable.
pub(super) async fn settle(books: &Books, task: Task) -> Result<Settled, SyncError> {
    let mut attempt = Attempt::begin(books, task).await?;
    for _ in 0..MAX_ROUNDS {
        let (parts, changes) = attempt.changes();
        let outcome = match books.store().commit(changes).await? {
            Commit::Landed => {
                attempt.trial.tell(&attempt.partition);
                Some(attempt.outcome_when_landed())
            }
            Commit::Refused(refusals) => attempt.answer(&parts, &refusals).await?,
        };
        if let Some(outcome) = outcome {
            let is_second_trial = attempt.trial != TrialPart::Claim;
            return Ok(Settled { outcome, partition: attempt.partition, is_second_trial });
        }
    }
    count(Count::ConflictsGivenUp);
    Err(SyncError::Contended { object: attempt.task.mirrored.name() })
}

impl<'a> Attempt<'a> {
    async fn begin(books: &'a Books, task: Task) -> Result<Attempt<'a>, SyncError> {
        let (partition, claimed_by) = match &task.home {
            Home::At(partition) => (partition.clone(), None),
            Home::Catalogue => (Partition::Catalogue, None),
            Home::Of { claimed_by: Some(user), .. } => (Partition::User(user.clone()), Some(user.clone())),
            Home::Of { customer, claimed_by: None } => (owner::home_of(books, customer).await?, None),
        };
        let supplements = supplements_of(&task);
        let arrived_as_of = task.as_of.clone();
        let mut attempt = Attempt {
            books,
            task,
            arrived_as_of,
            partition,
            claimed_by,
            guard: Guard::Newer,
            supplements,
            trial: TrialPart::Claim,
            reads: 0,
        };
        attempt.distrust_the_future().await?;
        Ok(attempt)
    }

    /// A view stamped with a time to come would shut out every true one until then: its stamp is not taken.
    async fn distrust_the_future(&mut self) -> Result<(), SyncError> {
        let now_second = self.books.clock().business_now().as_second();
        if self.task.as_of.until.as_second() <= now_second + MAX_AHEAD_SECONDS {
            return Ok(());
        }
        let Some(read) = self.task.mirrored.read_again(self.books).await? else {
            let problem = "its event lies in the future and Stripe does not know it".to_owned();
            return Err(SyncError::Object { object: self.task.mirrored.name(), problem });
        };
        self.arrived_as_of = read.as_of.clone();
        self.task.as_of = read.as_of.clone();
        self.adopt(read);
        Ok(())
    }

    /// What was read takes the place of what came, and may be paid with another card.
    fn adopt(&mut self, read: Reread) {
        self.task.mirrored = read.mirrored;
        self.task.card = read.card.or_else(|| self.task.card.take());
        self.supplements = supplements_of(&self.task);
    }

    fn changes(&self) -> (Vec<Part>, Vec<Change>) {
        let mut parts = vec![Part::Object];
        let mut changes = vec![self.task.mirrored.change(&self.partition, &self.task.as_of, self.guard.clone())];
        let mut add = |part, change| {
            parts.push(part);
            changes.push(change);
        };
        if let Home::Of { customer, .. } = &self.task.home {
            let customer = customer.clone();
            add(
                Part::Owner,
                match &self.partition {
                    Partition::User(user) => Change::OwnerIs { customer, user: user.clone() },
                    Partition::Customer(_) | Partition::Catalogue => Change::OwnerIsNobody { customer },
                },
            );
        }
        if let Some(change) = self.trial.change(&self.partition, self.task.mirrored.subscription()) {
            add(Part::Trial, change);
        }
        for (index, supplement) in self.supplements.iter().enumerate() {
            add(Part::Supplement(index), supplement.change(&self.partition, &self.task.as_of));
        }
        if let Some(event) = &self.task.event {
            add(Part::Event, Change::Event(EventRecord { outcome: self.outcome_when_landed(), ..event.clone() }));
        }
        (parts, changes)
    }

    fn outcome_when_landed(&self) -> Outcome {
        match self.partition {
            Partition::Customer(_) => Outcome::Parked,
            Partition::User(_) | Partition::Catalogue => Outcome::Applied,
        }
    }

    /// Takes a step for the refusal that matters most; an outcome ends the task.
    async fn answer(&mut self, parts: &[Part], refusals: &[Refusal]) -> Result<Option<Outcome>, SyncError> {
        let of = |part: Part| refusals.iter().find(|refusal| parts.get(refusal.index) == Some(&part));
        if let Some(refusal) = of(Part::Event) {
            return Ok(Some(self.known_event(refusal.event()?)));
        }
        if let Some(refusal) = of(Part::Owner) {
            self.find_owner(refusal).await?;
            return Ok(None);
        }
        if let Some(refusal) = of(Part::Object) {
            let outcome = self.weigh(refusal.standing()?).await?;
            // Nothing more is sent, so it is only said that another subscription has spent the trial.
            if outcome.is_some() && of(Part::Trial).is_some() {
                self.trial = TrialPart::Known;
            }
            return Ok(outcome);
        }
        if let Some(refusal) = of(Part::Trial) {
            self.trial = match self.trial {
                TrialPart::Claim => {
                    let subscription = self.task.mirrored.subscription();
                    TrialPart::after_refusal(self.books, refusal.trial()?, subscription).await?
                }
                // On record already.
                TrialPart::Second(_) | TrialPart::Known => TrialPart::Known,
            };
            return Ok(None);
        }
        for (index, part) in parts.iter().enumerate() {
            if let Part::Supplement(supplement) = part
                && refusals.iter().any(|refusal| refusal.index == index)
            {
                self.supply(*supplement).await;
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn known_event(&self, known: Option<KnownEvent>) -> Outcome {
        KnownEvent::outcome_of(known, self.task.event.as_ref().map(|event| event.delivery.as_str()))
    }

    async fn find_owner(&mut self, refusal: &Refusal) -> Result<(), SyncError> {
        let Home::Of { customer, .. } = &self.task.home else { return Ok(()) };
        let customer = customer.clone();
        self.partition = match owner::resolve(self.books, &customer, refusal.owner()?, self.claimed_by.as_ref()).await?
        {
            Some(user) => {
                if self.claimed_by.as_ref().is_some_and(|claimed| *claimed != user) {
                    tracing::warn!(%customer, %user, "The customer belongs to another user than its metadata names");
                    self.claimed_by = None;
                }
                Partition::User(user)
            }
            None => Partition::Customer(customer),
        };
        // Another partition holds other records: what was learnt of the old ones does not count.
        self.guard = Guard::Newer;
        self.trial = TrialPart::Claim;
        Ok(())
    }

    /// Which of the two views is the later?
    async fn weigh(&mut self, stored: Option<Standing>) -> Result<Option<Outcome>, SyncError> {
        let Some(stored) = stored else {
            // It was there a moment ago and has been moved or removed: try again as if it had never been.
            self.guard = Guard::Newer;
            return Ok(None);
        };
        match weigh(&self.arrived_as_of, self.task.mirrored.is_final(), &stored) {
            Verdict::Stale => self.stale().await.map(Some),
            Verdict::Overwrite => {
                self.guard = Guard::Unchanged(Some(stored.version));
                self.task.as_of = later_of(&self.task.as_of, &stored.as_of);
                Ok(None)
            }
            Verdict::Ask => self.ask(&stored).await.map(|()| None),
        }
    }

    /// Reads the object from Stripe, to be written if the stored version still stands.
    async fn ask(&mut self, stored: &Standing) -> Result<(), SyncError> {
        self.reads += 1;
        if self.reads > MAX_READS {
            count(Count::ConflictsGivenUp);
            return Err(SyncError::Contended { object: self.task.mirrored.name() });
        }
        if self.reads > 1
            && let Some(event) = &self.task.event
        {
            tracing::warn!(event = %event.event, "Write conflict while processing webhook event {}. Retrying.", event.event);
        }
        let read = self.task.mirrored.read_again(self.books).await?;
        let bounds = later_of(&self.arrived_as_of, &stored.as_of);
        self.guard = Guard::Unchanged(Some(stored.version));
        match read {
            Some(read) => {
                self.task.as_of = later_of(&bounds, &read.as_of);
                self.adopt(read);
            }
            // Nothing to ask: the event's word is the best there is.
            None => {
                tracing::warn!(object = %self.task.mirrored.name(), "Stripe does not know an object it sent an event about");
                self.task.as_of = bounds;
            }
        }
        Ok(())
    }

    async fn stale(&self) -> Result<Outcome, SyncError> {
        let Some(event) = &self.task.event else { return Ok(Outcome::Stale) };
        let record = Change::Event(EventRecord { outcome: Outcome::Stale, ..event.clone() });
        match self.books.store().commit(vec![record]).await? {
            Commit::Landed => Ok(Outcome::Stale),
            Commit::Refused(refusals) => {
                let known = refusals.first().map(Refusal::event).transpose()?.flatten();
                Ok(self.known_event(known))
            }
        }
    }

    /// Adds what a check found missing, or stops adding what turned out to be there. A card is for show: when Stripe
    /// cannot be asked, the subscription is written without it and the next event tries again.
    async fn supply(&mut self, index: usize) {
        let missing = match self.supplements.remove(index) {
            Supplement::AddCard(card) => {
                self.supplements.push(Supplement::CardIsKnown(card.id));
                return;
            }
            Supplement::AddMirror(mirrored, _) => {
                if let Mirrored::Customer(mirror) = *mirrored {
                    self.supplements.push(Supplement::MirrorIsKnown(mirror.id));
                }
                return;
            }
            missing => missing,
        };
        let found = match &missing {
            Supplement::CardIsKnown(payment_method) => self.find_card(payment_method).await,
            Supplement::MirrorIsKnown(customer) => self.find_mirror(customer).await,
            Supplement::AddCard(_) | Supplement::AddMirror(..) => Ok(Vec::new()),
        };
        match found {
            Ok(found) => self.supplements.extend(found),
            Err(error) => tracing::warn!(%error, "The card of a subscription could not be read; it shows without one"),
        }
    }

    async fn find_card(&self, payment_method: &PaymentMethodId) -> Result<Vec<Supplement>, SyncError> {
        if let Some(card) = self.task.card.as_ref().filter(|card| card.id == *payment_method) {
            return Ok(vec![Supplement::AddCard(card.clone())]);
        }
        let doing = || format!("read {payment_method}");
        let read = self.books.stripe().get_payment_method(payment_method).await;
        let card = read.map_err(|source| SyncError::Stripe { doing: doing(), source })?;
        Ok(card.map(|seen| Supplement::AddCard(seen.value)).into_iter().collect())
    }

    async fn find_mirror(&self, customer: &CustomerId) -> Result<Vec<Supplement>, SyncError> {
        let read = self.books.stripe().get_customer(customer).await;
        let seen = read.map_err(|source| SyncError::Stripe { doing: format!("read {customer}"), source })?;
        let Some(seen) = seen else { return Ok(Vec::new()) };
        let as_of = AsOf::read(seen.seen_from, seen.seen_until);
        let mirror = Mirrored::Customer(mirror_of(&seen.value));
        let card = seen.value.default_card.map(Supplement::AddCard);
        Ok(card.into_iter().chain([Supplement::AddMirror(Box::new(mirror), as_of)]).collect())
    }
}

impl Supplement {
    fn change(&self, partition: &Partition, as_of: &AsOf) -> Change {
        let partition = partition.clone();
        match self {
            Supplement::CardIsKnown(payment_method) => {
                Change::CardIsKnown { partition, payment_method: payment_method.clone() }
            }
            Supplement::AddCard(card) => {
                Change::Card { partition, card: card.clone(), as_of: as_of.clone(), guard: Guard::Unchanged(None) }
            }
            Supplement::MirrorIsKnown(customer) => Change::MirrorIsKnown { partition, customer: customer.clone() },
            Supplement::AddMirror(mirrored, read_as_of) => {
                mirrored.change(&partition, read_as_of, Guard::Unchanged(None))
            }
        }
    }
}

/// Only a subscription that serves shows a card.
fn supplements_of(task: &Task) -> Vec<Supplement> {
    let Some(subscription) = task.mirrored.subscription().filter(|subscription| subscription.status.is_live()) else {
        return Vec::new();
    };
    vec![match &subscription.default_payment_method {
        Some(payment_method) => Supplement::CardIsKnown(payment_method.clone()),
        None => Supplement::MirrorIsKnown(subscription.customer.clone()),
    }]
}
