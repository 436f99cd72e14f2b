//! The axis of a chart: how far it goes, and its numbers in few letters.

/// A round number at or above the largest value. Counts have no halves, so its quarter is a whole number.
pub(super) fn ceiling(values: impl Iterator<Item = f64>) -> f64 {
    let largest = values.fold(0.0, f64::max);
    let mut scale = 1.0;
    loop {
        for step in [4.0, 6.0, 8.0, 12.0, 16.0, 20.0, 24.0, 28.0, 32.0] {
            let top: f64 = step * scale;
            if top >= largest && top % 4.0 == 0.0 {
                return top;
            }
        }
        scale *= 10.0;
    }
}

/// Few letters, so that they can be read on a phone: 1.25k, 40, 2M.
pub(super) fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    format!("{}{unit}", (scaled * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_a_round_number_above_the_largest() {
        for (largest, expected) in
            [(0.0, 4.0), (3.0, 4.0), (5.0, 8.0), (33.0, 40.0), (51.0, 60.0), (4990.0, 6000.0), (279_440.0, 280_000.0)]
        {
            assert_eq!(ceiling([largest].into_iter()), expected, "{largest}");
        }
    }

    #[test]
    fn an_axis_has_few_letters() {
        let shown = [0.0, 7.0, 12.5, 700.0, 1_250.0, 5_000.0, 2_000_000.0].map(short);
        assert_eq!(shown, ["0", "7", "12.5", "700", "1.25k", "5k", "2M"]);
    }
}
