//! What happens at Stripe to one subscription, in whole seconds, and which events it sends about it.

/// One thing that happens at Stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The subscription changes, and an event shows it as it is then.
    Change,
    /// An event that is stamped now but shows what was true before the last change.
    Straggler,
    /// The next second begins.
    Tick,
}

/// An event as its envelope and object say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub created: u8,
    /// Which change its object shows, counted from 1.
    pub shows: u8,
}

/// How things stand at Stripe.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Which change was the last: what a read sees.
    pub truth: u8,
    pub second: u8,
    /// How many events exist.
    pub sent: usize,
}

/// A whole life of a subscription.
#[derive(Clone, Debug)]
pub struct History {
    /// How things stand after so many steps.
    after: Vec<Now>,
    pub events: Vec<Event>,
    /// The last change is an end that Stripe never leaves.
    has_end: bool,
}

/// Seconds begin here, so that a read may be stamped with an earlier one.
const FIRST_SECOND: u8 = 10;

impl History {
    /// Every life of that many events: each 0 to `longest_gap` seconds after the one before; ending with an end or not;
    /// and those whose end is followed by a straggler that shows the state before it.
    pub fn all(events: usize, longest_gap: u8) -> Vec<History> {
        let lives = |changes: usize| {
            let gaps = (1..changes).fold(vec![Vec::new()], |lives: Vec<Vec<u8>>, _| {
                let longer = |life: &Vec<u8>, gap| [life.clone(), vec![gap]].concat();
                lives.iter().flat_map(|life| (0..=longest_gap).map(move |gap| longer(life, gap))).collect()
            });
            gaps.into_iter().map(|gaps| {
                let mut steps = vec![Step::Change];
                for gap in gaps {
                    steps.extend((0..gap).map(|_| Step::Tick));
                    steps.push(Step::Change);
                }
                steps
            })
        };
        let plain = lives(events).flat_map(|steps| [(steps.clone(), false), (steps, true)]);
        let with_straggler = lives(events - 1).map(|steps| ([steps, vec![Step::Tick, Step::Straggler]].concat(), true));
        plain.chain(with_straggler).map(|(steps, has_end)| History::of(steps, has_end)).collect()
    }

    fn of(mut steps: Vec<Step>, has_end: bool) -> History {
        // The last second passes too, so that a read can be later than every event.
        steps.push(Step::Tick);
        let mut now = Now { truth: 0, second: FIRST_SECOND, sent: 0 };
        let mut history = History { after: vec![now], events: Vec::new(), has_end };
        for step in steps {
            let shows = match step {
                Step::Change => Some(now.truth + 1),
                Step::Straggler => Some(now.truth - 1),
                Step::Tick => None,
            };
            history.events.extend(shows.map(|shows| Event { created: now.second, shows }));
            now.truth += u8::from(step == Step::Change);
            now.second += u8::from(step == Step::Tick);
            now.sent = history.events.len();
            history.after.push(now);
        }
        history
    }

    pub fn length(&self) -> usize {
        self.after.len() - 1
    }

    pub fn after(&self, steps: usize) -> Now {
        self.after[steps]
    }

    pub fn last_truth(&self) -> u8 {
        self.after(self.length()).truth
    }

    pub fn is_end(&self, change: u8) -> bool {
        self.has_end && change == self.last_truth()
    }
}
