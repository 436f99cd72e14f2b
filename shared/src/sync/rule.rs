//! The write rule as pure decisions: what [`super::settle`] does, and what the model of every interleaving checks.

use crate::store::{AsOf, Standing};

/// What to do with a view whose write was refused by the stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The stored view is later, or an end that ours would take back: leave it.
    Stale,
    /// Ours is an end and the stored one is not: write it, if the stored version still stands.
    Overwrite,
    /// Nobody can tell from the stamps: read the object from Stripe, and write that, if the stored version still stands.
    Ask,
}

/// Whether a view lands at once over the stored one: the condition of the write itself, in words.
pub fn lands(view: &AsOf, is_final: bool, stored: &Standing) -> bool {
    stored.as_of.until < view.from && (!stored.is_final || is_final)
}

/// Judges a refused view. `arrived` is the stamp it came with, whatever has been read since.
pub fn weigh(arrived: &AsOf, is_final: bool, stored: &Standing) -> Verdict {
    if is_final && !stored.is_final {
        return Verdict::Overwrite;
    }
    let is_older = arrived.until < stored.as_of.from;
    if is_older || (stored.is_final && !is_final) { Verdict::Stale } else { Verdict::Ask }
}

/// A stamp that covers both: what is older than its `from` is surely older than the record.
pub fn later_of(one: &AsOf, other: &AsOf) -> AsOf {
    let source = if other.until > one.until { &other.source } else { &one.source };
    AsOf { from: one.from.max(other.from), until: one.until.max(other.until), source: source.clone() }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn as_of(from: i64, span: i64) -> AsOf {
        let at = |second| Timestamp::from_second(second).unwrap();
        AsOf { from: at(from), until: at(from + span), source: "evt_1".into() }
    }

    fn standing(from: i64, span: i64, is_final: bool) -> Standing {
        Standing { as_of: as_of(from, span), version: 1, is_final }
    }

    #[test]
    fn newer_lands_older_is_stale_and_one_second_asks() {
        let stored = standing(10, 0, false);
        assert!(lands(&as_of(11, 0), false, &stored));
        assert!(!lands(&as_of(10, 0), false, &stored));
        assert_eq!(weigh(&as_of(9, 0), false, &stored), Verdict::Stale);
        assert_eq!(weigh(&as_of(10, 0), false, &stored), Verdict::Ask);
    }

    #[test]
    fn an_event_within_the_span_of_a_read_asks() {
        let read = standing(10, 2, false);
        for second in 10..=12 {
            assert!(!lands(&as_of(second, 0), false, &read));
            assert_eq!(weigh(&as_of(second, 0), false, &read), Verdict::Ask);
        }
        assert!(lands(&as_of(13, 0), false, &read));
        assert_eq!(weigh(&as_of(9, 0), false, &read), Verdict::Stale);
    }

    #[test]
    fn an_end_wins_over_anything_and_is_never_taken_back() {
        assert_eq!(weigh(&as_of(5, 0), true, &standing(10, 0, false)), Verdict::Overwrite);
        assert_eq!(weigh(&as_of(10, 0), false, &standing(10, 0, true)), Verdict::Stale);
        assert!(!lands(&as_of(99, 0), false, &standing(10, 0, true)));
        assert_eq!(weigh(&as_of(99, 0), false, &standing(10, 0, true)), Verdict::Stale);
    }

    proptest! {
        #[test]
        fn a_view_that_lands_was_never_stale(
            from in 0_i64..20, span in 0_i64..3, stored_from in 0_i64..20, stored_span in 0_i64..3,
            is_final: bool, stored_is_final: bool,
        ) {
            let (view, stored) = (as_of(from, span), standing(stored_from, stored_span, stored_is_final));
            if lands(&view, is_final, &stored) {
                prop_assert_ne!(weigh(&view, is_final, &stored), Verdict::Stale);
            }
        }

        #[test]
        fn the_later_stamp_covers_both(
            from in 0_i64..20, span in 0_i64..3, other_from in 0_i64..20, other_span in 0_i64..3,
        ) {
            let (one, other) = (as_of(from, span), as_of(other_from, other_span));
            let both = later_of(&one, &other);
            prop_assert!(both.from >= one.from && both.from >= other.from);
            prop_assert!(both.until >= one.until && both.until >= other.until);
            prop_assert!(both.from <= both.until);
        }
    }
}
