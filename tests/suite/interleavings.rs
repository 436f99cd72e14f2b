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
use stateright::{Checker, Model};

/// As `shared::sync::settle` has it.
const MOST_READS: u8 = 4;

fn with_rule(rule: Rule) -> TwoHandlers {
    TwoHandlers { rule, histories: History::all(EVENTS, 2), most_reads: MOST_READS }
}

#[test]
fn the_write_rule_holds_in_every_interleaving() {
    let checker = with_rule(Rule::Product).checker().threads(2).spawn_bfs().join();
    println!(
        "{} states, {} distinct, up to {} steps",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth()
    );
    for property in [RIGHT_END, EVERY_EVENT_RECORDED, NO_STEP_BACK, NO_END_LEFT, ONE_EFFECT] {
        checker.assert_no_discovery(property);
    }
    for reached in [TIE, LOST_BRACKET, END_OVERWRITES] {
        checker.assert_any_discovery(reached);
    }
    assert!(checker.is_done(), "nothing was left out");
}
