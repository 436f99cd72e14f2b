//! Billing periods: calendar arithmetic from the anchor, so that the 31st comes back after February.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// The first end of a period after `after`, for periods of `count` `interval`s counted from `anchor`.
pub(crate) fn next_end(anchor: i64, interval: &str, count: i64, after: i64) -> i64 {
    if anchor > after {
        return anchor;
    }
    let count = count.max(1);
    let mut step = estimate(anchor, interval, count, after);
    loop {
        let end = add(anchor, interval, count * step);
        if end > after {
            return end;
        }
        step += 1;
    }
}

/// A step that is certainly not too late.
fn estimate(anchor: i64, interval: &str, count: i64, after: i64) -> i64 {
    let longest_days = match interval {
        "day" => 1,
        "week" => 7,
        "year" => 366,
        _ => 31,
    };
    ((after - anchor) / (longest_days * 86_400 * count)).max(1)
}

/// `anchor` plus `amount` intervals; a day the month does not have becomes its last.
fn add(anchor: i64, interval: &str, amount: i64) -> i64 {
    let span = match interval {
        "day" => Span::new().try_days(amount),
        "week" => Span::new().try_weeks(amount),
        "year" => Span::new().try_years(amount),
        _ => Span::new().try_months(amount),
    };
    let sum = Timestamp::from_second(anchor)
        .and_then(|start| start.to_zoned_datetime(TimeZone::UTC).checked_add(span?))
        .map(|end| end.timestamp().as_second());
    sum.unwrap_or(anchor + amount * 30 * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn months_are_clamped_and_recover() {
        let anchor = at("2026-01-31T10:00:00Z");
        let february = next_end(anchor, "month", 1, anchor);
        assert_eq!(february, at("2026-02-28T10:00:00Z"));
        assert_eq!(next_end(anchor, "month", 1, february), at("2026-03-31T10:00:00Z"));
    }

    #[test]
    fn years_later_is_found_too() {
        let anchor = at("2024-02-29T00:00:00Z");
        assert_eq!(next_end(anchor, "year", 1, at("2025-03-01T00:00:00Z")), at("2026-02-28T00:00:00Z"));
        let fortnight = next_end(anchor, "week", 2, at("2026-01-01T00:00:00Z"));
        assert_eq!((fortnight - anchor) % (14 * 86_400), 0);
    }

    #[test]
    fn an_anchor_ahead_is_the_first_end() {
        assert_eq!(next_end(500, "month", 1, 100), 500);
    }
}
