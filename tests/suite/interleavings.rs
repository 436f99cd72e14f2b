//! Every interleaving of up to four events, two deliveries of each and two handlers, over every short life of a
//! subscription: the write rule ends right, never steps back and gives every event one effect.
//!
//! The same checker finds what is wrong with the rules one would write first.

mod history;
mod model;

use history::History;
use model::{
    END_OVERWRITES, EVENTS, EVERY_EVENT_RECORDED, GIVES_UP, LOST_BRACKET, NO_END_LEFT, NO_STEP_BACK, ONE_EFFECT,
    RIGHT_END, Rule, TIE, TwoHandlers,
};
use stateright::{Checker, HasDiscoveries, Model};

/// As `shared::sync::settle` has it.
const MOST_READS: u8 = 4;

const PROMISES: [&str; 5] = [RIGHT_END, EVERY_EVENT_RECORDED, NO_STEP_BACK, NO_END_LEFT, ONE_EFFECT];

/// Every promise holds and everything named is reached; how much there was to check.
fn check(model: TwoHandlers, reached: &[&'static str]) -> String {
    let checker = model.checker().threads(2).spawn_bfs().join();
    let (states, distinct, steps) = (checker.state_count(), checker.unique_state_count(), checker.max_depth());
    assert!(checker.is_done(), "nothing was left out");
    PROMISES.iter().for_each(|promise| checker.assert_no_discovery(promise));
    for property in reached {
        checker.assert_any_discovery(property);
    }
    format!("{states} states, {distinct} of them distinct, up to {steps} steps deep")
}

#[test]
fn the_write_rule_holds_in_every_interleaving() {
    let histories = (2..=EVENTS).flat_map(|events| History::all(events, 2)).collect();
    let model = TwoHandlers { rule: Rule::Product, histories, most_reads: MOST_READS };
    println!("{}", check(model, &[TIE, LOST_BRACKET, END_OVERWRITES]));
}

/// Four events cannot make a handler lose four times over, so here it gives up earlier.
#[test]
fn a_handler_that_gives_up_breaks_nothing() {
    let model = TwoHandlers { rule: Rule::Product, histories: History::all(EVENTS, 0), most_reads: 1 };
    println!("{}", check(model, &[TIE, LOST_BRACKET, GIVES_UP]));
}

#[test]
fn the_checker_finds_what_is_wrong_with_other_rules() {
    for (rule, events, broken) in [
        (Rule::LastArrivalWins, 3, NO_STEP_BACK),
        (Rule::StrictlyNewerOnly, 3, RIGHT_END),
        (Rule::RefetchBlindly, 3, NO_STEP_BACK),
        (Rule::NoBracket, 3, NO_STEP_BACK),
        (Rule::UpperBoundOnly, 3, RIGHT_END),
        (Rule::LowerBoundOnly, 4, NO_STEP_BACK),
        (Rule::EndsAreNothingSpecial, 3, NO_END_LEFT),
        (Rule::EndsWinByStampOnly, 3, RIGHT_END),
        (Rule::RecordApart, 3, ONE_EFFECT),
    ] {
        let model = TwoHandlers { rule, histories: History::all(events, 1), most_reads: MOST_READS };
        let found = HasDiscoveries::AnyOf([broken].into());
        let checker = model.checker().finish_when(found).spawn_bfs().join();
        let path = checker.discovery(broken);
        assert!(path.is_some(), "{rule:?} passed for a good rule");
        println!("{rule:?} breaks \"{broken}\": {} states", checker.unique_state_count());
    }
}
