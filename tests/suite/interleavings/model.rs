//! Two handlers, the table and Stripe, one atomic step at a time.
//!
//! What a handler decides it decides with the functions the product decides with: `shared::sync::rule`. What is modelled
//! is what they are used in, `shared::sync::settle`: a transaction, and after a refusal a read within a version bracket.
//! A version is only ever compared with itself, so the model keeps no numbers but whether a bracket still stands.

use jiff::Timestamp;
use shared::store::{AsOf, Standing};
use shared::sync::rule::{self, Verdict};
use stateright::{Model, Property};

use super::history::{Event, History, Now};

pub const EVENTS: usize = 4;
const DELIVERIES: u8 = 2;
const HANDLERS: usize = 2;

/// The rule in force: the product's, or one with a known fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Product,
    /// Whatever comes is written.
    LastArrivalWins,
    /// What is not newer by its second is ignored.
    StrictlyNewerOnly,
    /// Every event makes the object be read, and what was read is written.
    RefetchBlindly,
    /// A tie is read, and written whatever was written meanwhile.
    NoBracket,
    /// A read is stamped with the `Date` of its answer alone.
    UpperBoundOnly,
    /// A read is stamped with the time of its request alone.
    LowerBoundOnly,
    /// An end is a state like any other.
    EndsAreNothingSpecial,
    /// An end is kept, but wins only by its stamp.
    EndsWinByStampOnly,
    /// The event's record is written after its effect.
    RecordApart,
}

pub struct TwoHandlers {
    pub rule: Rule,
    pub histories: Vec<History>,
    pub most_reads: u8,
}

/// Between which seconds a view was true, and which change it shows.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
struct View {
    shows: u8,
    from: u8,
    until: u8,
}

/// What is left to do with one event: its deliveries under way, and whether the table has its record.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq)]
struct Mail {
    waiting: u8,
    is_recorded: bool,
    effects: u8,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Send,
    /// The view's stamp is what the read's will have to cover.
    Read,
    RecordStale,
    /// Of [`Rule::RecordApart`] alone.
    RecordApplied,
}

/// The condition of the write, as `shared::store::Guard`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum Guard {
    Newer,
    /// The version must still stand: nobody has written the record since it was learnt.
    Standing,
    /// Somebody has.
    Broken,
}

/// A handler that was refused and has not finished.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
struct Work {
    event: u8,
    next: Next,
    view: View,
    guard: Guard,
    reads: u8,
}

/// What must never happen in a step.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Wrong {
    StepBack,
    EndLeft,
    SecondEffect,
}

/// What happened on the way, for the proof that the model reaches it.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq)]
struct Last {
    asked: bool,
    bracket_lost: bool,
    gave_up: bool,
    end_overwrote: bool,
    wrong: Option<Wrong>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct State {
    history: usize,
    /// How many steps of the history have happened.
    taken: usize,
    record: Option<View>,
    mail: [Mail; EVENTS],
    /// In order, since it does not matter which handler is which.
    handlers: [Option<Work>; HANDLERS],
    last: Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    StripeGoesOn,
    /// A free handler takes a delivery and sends its transaction.
    Deliver(usize),
    /// A handler takes its next step; a read is stamped from so many seconds before to so many after.
    Go {
        handler: usize,
        before: u8,
        after: u8,
    },
    /// A handler dies, and Stripe sends the event again.
    Die(usize),
}

impl Model for TwoHandlers {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mail = |events: &[Event]| {
            std::array::from_fn(|event| match events.get(event) {
                Some(_) => Mail { waiting: DELIVERIES, ..Mail::default() },
                None => Mail { is_recorded: true, ..Mail::default() },
            })
        };
        let state = |history: usize| State {
            history,
            taken: 0,
            record: None,
            mail: mail(&self.histories[history].events),
            handlers: [None; HANDLERS],
            last: Last::default(),
        };
        (0..self.histories.len()).map(state).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let history = &self.histories[state.history];
        if state.last.wrong.is_some() {
            return;
        }
        if state.taken < history.length() {
            actions.push(Action::StripeGoesOn);
        }
        if state.handlers.contains(&None) {
            let sent = history.after(state.taken).sent;
            actions.extend((0..sent).filter(|event| state.mail[*event].waiting > 0).map(Action::Deliver));
        }
        for (handler, work) in state.handlers.iter().enumerate() {
            let Some(work) = work else { continue };
            actions.push(Action::Die(handler));
            if work.next == Next::Read {
                actions.push(Action::Go { handler, before: 1, after: 0 });
                actions.push(Action::Go { handler, before: 0, after: 1 });
            } else {
                actions.push(Action::Go { handler, before: 0, after: 0 });
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = State { last: Last::default(), ..state.clone() };
        match action {
            Action::StripeGoesOn => next.taken += 1,
            Action::Deliver(event) => {
                next.mail[event].waiting -= 1;
                let free = next.handlers.iter().position(Option::is_none)?;
                let Event { created, shows } = self.histories[state.history].events[event];
                let view = View { shows, from: created, until: created };
                let event = u8::try_from(event).ok()?;
                let work = Work { event, next: Next::Send, view, guard: Guard::Newer, reads: 0 };
                next.handlers[free] = Some(work);
                self.send(&mut next, free, work);
            }
            Action::Die(handler) => {
                let work = next.handlers[handler].take()?;
                next.mail[usize::from(work.event)].waiting += 1;
            }
            Action::Go { handler, before, after } => {
                let work = next.handlers[handler]?;
                match work.next {
                    Next::Send => self.send(&mut next, handler, work),
                    Next::Read => self.read(&mut next, handler, work, before, after),
                    Next::RecordStale | Next::RecordApplied => {
                        next.mail[usize::from(work.event)].is_recorded = true;
                        next.handlers[handler] = None;
                    }
                }
            }
        }
        next.handlers.sort_unstable();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<TwoHandlers>> {
        vec![
            Property::always(RIGHT_END, |model: &TwoHandlers, state: &State| {
                let history = &model.histories[state.history];
                let shown = state.record.map(|record| record.shows);
                !state.is_over(history) || shown == Some(history.last_truth())
            }),
            Property::always(EVERY_EVENT_RECORDED, |model: &TwoHandlers, state: &State| {
                !state.is_over(&model.histories[state.history]) || state.mail.iter().all(|mail| mail.is_recorded)
            }),
            Property::always(NO_STEP_BACK, |_, state: &State| state.last.wrong != Some(Wrong::StepBack)),
            Property::always(NO_END_LEFT, |_, state: &State| state.last.wrong != Some(Wrong::EndLeft)),
            Property::always(ONE_EFFECT, |_, state: &State| state.last.wrong != Some(Wrong::SecondEffect)),
            Property::sometimes(TIE, |_, state: &State| state.last.asked),
            Property::sometimes(LOST_BRACKET, |_, state: &State| state.last.bracket_lost),
            Property::sometimes(END_OVERWRITES, |_, state: &State| state.last.end_overwrote),
            Property::sometimes(GIVES_UP, |_, state: &State| state.last.gave_up),
        ]
    }
}

pub const RIGHT_END: &str = "when Stripe is done and every event is delivered, the record is the truth";
pub const EVERY_EVENT_RECORDED: &str = "an acknowledged event has its record";
pub const NO_STEP_BACK: &str = "the record never steps back";
pub const NO_END_LEFT: &str = "an end is never taken back";
pub const ONE_EFFECT: &str = "an event has one effect";
pub const TIE: &str = "reached: a tie, and Stripe is asked";
pub const LOST_BRACKET: &str = "reached: the record changes while Stripe is asked";
pub const END_OVERWRITES: &str = "reached: an end overwrites a later stamp";
pub const GIVES_UP: &str = "reached: a handler gives up after its last read";

impl State {
    fn is_over(&self, history: &History) -> bool {
        let is_delivered = self.mail.iter().all(|mail| mail.waiting == 0);
        self.taken == history.length() && is_delivered && self.handlers.iter().all(Option::is_none)
    }
}

impl TwoHandlers {
    fn is_end(&self, state: &State, view: View) -> bool {
        self.rule != Rule::EndsAreNothingSpecial && self.histories[state.history].is_end(view.shows)
    }

    /// Sends the transaction: the record's condition and the event's record land together or not at all.
    fn send(&self, state: &mut State, handler: usize, work: Work) {
        let mail = &mut state.mail[usize::from(work.event)];
        if mail.is_recorded {
            state.handlers[handler] = None;
            return;
        }
        if self.rule == Rule::RefetchBlindly && work.reads == 0 {
            state.handlers[handler] = Some(Work { next: Next::Read, reads: 1, ..work });
            return;
        }
        let is_end = self.is_end(state, work.view);
        let Some(stored) = state.record else { return self.land(state, handler, work) };
        let standing = Standing { as_of: as_of(stored), version: 1, is_final: self.is_end(state, stored) };
        let lands = match self.rule {
            Rule::LastArrivalWins | Rule::RefetchBlindly => true,
            _ if work.guard == Guard::Newer => rule::lands(&as_of(work.view), is_end, &standing),
            _ => work.guard == Guard::Standing,
        };
        if lands { self.land(state, handler, work) } else { self.weigh(state, handler, work, &standing) }
    }

    fn land(&self, state: &mut State, handler: usize, work: Work) {
        if let Some(stored) = state.record {
            let is_end = |view: View| self.histories[state.history].is_end(view.shows);
            if is_end(stored) && !is_end(work.view) {
                state.last.wrong = Some(Wrong::EndLeft);
            } else if work.view.shows < stored.shows {
                state.last.wrong = Some(Wrong::StepBack);
            }
        }
        state.record = Some(work.view);
        if self.rule != Rule::NoBracket {
            let in_brackets = state.handlers.iter_mut().flatten().filter(|other| other.guard == Guard::Standing);
            in_brackets.for_each(|other| other.guard = Guard::Broken);
        }
        let mail = &mut state.mail[usize::from(work.event)];
        mail.effects += 1;
        if mail.effects > 1 {
            state.last.wrong = Some(Wrong::SecondEffect);
        }
        if self.rule == Rule::RecordApart {
            state.handlers[handler] = Some(Work { next: Next::RecordApplied, ..work });
        } else {
            mail.is_recorded = true;
            state.handlers[handler] = None;
        }
    }

    /// After a refusal, which brought the stored view along.
    fn weigh(&self, state: &mut State, handler: usize, work: Work, stored: &Standing) {
        let Event { created, .. } = self.histories[state.history].events[usize::from(work.event)];
        let arrived = as_of(View { shows: 0, from: created, until: created });
        let is_end = self.is_end(state, work.view) && self.rule != Rule::EndsWinByStampOnly;
        let verdict = match rule::weigh(&arrived, is_end, stored) {
            Verdict::Ask if self.rule == Rule::StrictlyNewerOnly => Verdict::Stale,
            verdict => verdict,
        };
        state.last.bracket_lost = work.reads > 0;
        let with_stamp =
            |stamp: &AsOf| View { shows: work.view.shows, from: second(stamp.from), until: second(stamp.until) };
        let work = match verdict {
            Verdict::Stale => Work { next: Next::RecordStale, ..work },
            Verdict::Overwrite => {
                state.last.end_overwrote = true;
                let view = with_stamp(&rule::later_of(&as_of(work.view), &stored.as_of));
                Work { next: Next::Send, guard: Guard::Standing, view, ..work }
            }
            Verdict::Ask if work.reads == self.most_reads => {
                state.last.gave_up = true;
                state.mail[usize::from(work.event)].waiting += 1;
                state.handlers[handler] = None;
                return;
            }
            Verdict::Ask => {
                state.last.asked = true;
                let view = View { shows: 0, ..with_stamp(&rule::later_of(&arrived, &stored.as_of)) };
                Work { next: Next::Read, guard: Guard::Standing, view, reads: work.reads + 1, ..work }
            }
        };
        state.handlers[handler] = Some(work);
    }

    fn read(&self, state: &mut State, handler: usize, work: Work, before: u8, after: u8) {
        let Now { truth: shows, second: now, .. } = self.histories[state.history].after(state.taken);
        let (from, until) = match self.rule {
            Rule::UpperBoundOnly => (now + after, now + after),
            Rule::LowerBoundOnly => (now - before, now - before),
            _ => (now - before, now + after),
        };
        let stamp = rule::later_of(&as_of(work.view), &as_of(View { shows, from, until }));
        let view = View { shows, from: second(stamp.from), until: second(stamp.until) };
        state.handlers[handler] = Some(Work { next: Next::Send, view, ..work });
    }
}

fn as_of(view: View) -> AsOf {
    let at = |second: u8| Timestamp::from_second(i64::from(second)).expect("a second of the model is a time");
    AsOf { from: at(view.from), until: at(view.until), source: String::new() }
}

fn second(time: Timestamp) -> u8 {
    u8::try_from(time.as_second()).expect("a time of the model is a small second")
}
