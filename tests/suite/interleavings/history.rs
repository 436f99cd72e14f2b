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

/// A whole life of a subscription.
#[derive(Clone, Debug)]
pub struct History {
    steps: Vec<Step>,
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
        let mut history = History { steps, events: Vec::new(), has_end };
        for taken in 1..=history.length() {
            let (created, shows) = (history.second(taken), history.truth(taken));
            match history.steps[usize::from(taken) - 1] {
                Step::Change => history.events.push(Event { created, shows }),
                Step::Straggler => history.events.push(Event { created, shows: shows - 1 }),
                Step::Tick => {}
            }
        }
        history
    }

    pub fn length(&self) -> u8 {
        u8::try_from(self.steps.len()).unwrap()
    }

    fn count(&self, taken: u8, wanted: Step) -> u8 {
        u8::try_from(self.steps[..usize::from(taken)].iter().filter(|step| **step == wanted).count()).unwrap()
    }

    /// Which change is the last after so many steps: what a read sees.
    pub fn truth(&self, taken: u8) -> u8 {
        self.count(taken, Step::Change)
    }

    pub fn second(&self, taken: u8) -> u8 {
        FIRST_SECOND + self.count(taken, Step::Tick)
    }

    /// How many events exist after so many steps.
    pub fn sent(&self, taken: u8) -> usize {
        usize::from(self.count(taken, Step::Change) + self.count(taken, Step::Straggler))
    }

    pub fn last_truth(&self) -> u8 {
        self.truth(self.length())
    }

    pub fn is_end(&self, change: u8) -> bool {
        self.has_end && change == self.last_truth()
    }
}
