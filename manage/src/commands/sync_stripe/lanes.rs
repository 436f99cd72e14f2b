//! A list of Stripe in several parts that are walked side by side.
//!
//! Stripe's lists are walked by cursor, one page after the other. To have several under way, a list is cut by time of
//! creation into lanes: whenever a lane has more to come and there is room, the older half of its span becomes a lane of
//! its own.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::stripe::Created;

/// Pages under way at once.
const LANES: usize = 4;
/// Before Stripe was: no object is older.
const BEFORE_STRIPE_SECOND: i64 = 1_300_000_000;
/// A span this short is not cut.
const SHORTEST_SPAN_SECONDS: i64 = 3_600;

/// A part of a list: what was created within the span, from after the cursor on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lane {
    from: Option<i64>,
    before: Option<i64>,
    pub after: Option<String>,
}

impl Lane {
    pub fn created(&self) -> Created {
        let time = |second: Option<i64>| second.and_then(|second| Timestamp::from_second(second).ok());
        Created { from: time(self.from), before: time(self.before) }
    }

    /// What is left of it after a page, beside `others` that are under way: itself from the cursor on and, with room for one
    /// more, its older half as another. `reached` is the second of creation the page came to, where the list can be cut.
    pub fn go_on(self, next: Option<String>, reached: Option<i64>, others: usize) -> Vec<Lane> {
        let Some(next) = next else { return Vec::new() };
        let mut rest = Lane { after: Some(next), ..self };
        let older = reached.filter(|_| others + 1 < LANES).and_then(|reached| rest.cut(reached));
        [Some(rest), older].into_iter().flatten().collect()
    }

    /// Gives the older half of what is left to a new lane; nothing when too little is left.
    fn cut(&mut self, reached_second: i64) -> Option<Lane> {
        let oldest = self.from.unwrap_or(BEFORE_STRIPE_SECOND);
        if reached_second - oldest <= SHORTEST_SPAN_SECONDS {
            return None;
        }
        let middle = oldest + (reached_second - oldest) / 2;
        let older = Lane { from: self.from, before: Some(middle), after: None };
        self.from = Some(middle);
        Some(older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_lane_and_its_older_half_cover_the_same_span() {
        let mut lane = Lane { from: Some(1_000_000), before: Some(2_000_000), after: Some("cus_1".into()) };
        let older = lane.cut(1_800_000).unwrap();
        assert_eq!(lane, Lane { from: Some(1_400_000), before: Some(2_000_000), after: Some("cus_1".into()) });
        assert_eq!(older, Lane { from: Some(1_000_000), before: Some(1_400_000), after: None });
    }

    #[test]
    fn the_last_page_leaves_nothing_and_a_full_road_is_not_cut() {
        assert_eq!(Lane::default().go_on(None, Some(1_700_000_000), 0), []);
        let next = Some("cus_1".to_owned());
        let of = |others| Lane::default().go_on(next.clone(), Some(1_700_000_000), others).len();
        assert_eq!((of(0), of(LANES - 2), of(LANES - 1)), (2, 2, 1));
        assert_eq!(Lane::default().go_on(next, None, 0).len(), 1, "a list that cannot be cut");
    }

    #[test]
    fn a_short_span_is_not_cut_and_an_open_one_is() {
        assert_eq!(Lane { from: Some(1_000_000), ..Lane::default() }.cut(1_003_600), None);
        let mut open = Lane::default();
        let older = open.cut(1_700_000_000).unwrap();
        assert_eq!((older.from, older.before, open.from), (None, Some(1_500_000_000), Some(1_500_000_000)));
    }
}
