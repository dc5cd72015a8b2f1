//! The comparator: compares computed values with the f64 reference.
//!
//! It also fails for a value that is not finite on either side (even if both are NaN), for a value that a kernel
//! never wrote, and for a tolerance so loose that all zeros would pass.

use std::fmt;

/// Fill an output buffer with this before a kernel runs, so that the comparator recognises values that were not written.
pub const SENTINEL: f32 = -1.234_567_9e30;

/// The largest error of a value.
#[derive(Clone, Copy, Debug)]
pub enum Tolerance<'a> {
    /// The value is the truth rounded to f32, except that -0 equals 0.
    Exact,
    /// This many units in the last place of the truth as f32. Where the truth is 0, the value must be 0.
    Ulps(f64),
    /// This share of the truth. Where the truth is 0, the value must be 0.
    Relative(f64),
    /// The same bound for every value.
    Absolute(f64),
    /// A bound for each value: error bounds of sums differ from row to row.
    Each(&'a [f64]),
}

/// The errors of values that passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Largest absolute error.
    pub largest_error: f64,
    /// The largest ratio of an error to its bound, at most 1; 0 if all values are equal.
    pub share_of_bound: f64,
}

/// Why values failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Mismatch {
    /// The numbers of values differ.
    Length {
        /// Values given.
        actual: usize,
        /// Values expected.
        expected: usize,
    },
    /// A value is infinite or NaN, expected or not.
    NotFinite {
        /// The index.
        at: usize,
        /// The value given.
        actual: f64,
        /// The value expected.
        expected: f64,
    },
    /// A value is still the [`SENTINEL`].
    NotWritten {
        /// The first index.
        at: usize,
        /// The number of such values.
        count: usize,
        /// The number of all values.
        total: usize,
    },
    /// Values exceed their bounds.
    TooFar {
        /// The index of the value that exceeds its bound by the largest factor.
        at: usize,
        /// The value given.
        actual: f64,
        /// The value expected.
        expected: f64,
        /// Its bound.
        bound: f64,
        /// The number of values that exceed their bounds.
        count: usize,
        /// The number of all values.
        total: usize,
    },
    /// All zeros would pass.
    ToleranceTooLoose,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Length { actual, expected } => write!(f, "{actual} values where {expected} were expected"),
            Self::NotFinite { at, actual, expected } => {
                write!(f, "not finite at {at}: {actual:e}, expected {expected:e}")
            }
            Self::NotWritten { at, count, total } => {
                write!(f, "{count} of {total} values were never written, first at {at}")
            }
            Self::TooFar { at, actual, expected, bound, count, total } => write!(
                f,
                "{count} of {total} values are too far away, the worst at {at}: {actual:e}, expected {expected:e}, \
                 error {:e}, bound {bound:e}",
                (actual - expected).abs()
            ),
            Self::ToleranceTooLoose => write!(f, "the tolerance is so loose that all zeros would pass"),
        }
    }
}

impl std::error::Error for Mismatch {}

/// The distance from |`value`|, rounded to f32, to the next larger f32.
pub fn ulp(value: f64) -> f64 {
    let nearest = (value as f32).abs();
    f64::from(nearest.next_up()) - f64::from(nearest)
}

/// Compares `actual` (f32 or f64) with `expected`.
///
/// # Errors
/// The worst [`Mismatch`].
pub fn compare<A: Copy + Into<f64>>(
    actual: &[A],
    expected: &[f64],
    tolerance: Tolerance<'_>,
) -> Result<Agreement, Mismatch> {
    if actual.len() != expected.len() {
        return Err(Mismatch::Length { actual: actual.len(), expected: expected.len() });
    }
    if let Tolerance::Each(bounds) = tolerance {
        assert_eq!(bounds.len(), expected.len(), "one bound for each value");
    }
    let total = expected.len();
    let unwritten = |value: &A| (*value).into() == f64::from(SENTINEL);
    if let Some(at) = actual.iter().position(unwritten) {
        return Err(Mismatch::NotWritten { at, count: actual.iter().filter(|value| unwritten(value)).count(), total });
    }
    let bound_at = |at: usize| match tolerance {
        Tolerance::Exact => 0.0,
        Tolerance::Ulps(n) => {
            if expected[at] == 0.0 {
                0.0
            } else {
                n * ulp(expected[at])
            }
        }
        Tolerance::Relative(share) => share * expected[at].abs(),
        Tolerance::Absolute(bound) => bound,
        Tolerance::Each(bounds) => bounds[at],
    };
    let mut agreement = Agreement { largest_error: 0.0, share_of_bound: 0.0 };
    let mut worst: Option<(usize, f64)> = None;
    let mut count = 0;
    let mut zeros_would_pass = true;
    for (at, (value, &truth)) in actual.iter().zip(expected).enumerate() {
        let value: f64 = (*value).into();
        if !value.is_finite() || !truth.is_finite() {
            return Err(Mismatch::NotFinite { at, actual: value, expected: truth });
        }
        let truth = if matches!(tolerance, Tolerance::Exact) { f64::from(truth as f32) } else { truth };
        let error = (value - truth).abs();
        let bound = bound_at(at);
        assert!(bound >= 0.0, "the bound at {at} is {bound}");
        zeros_would_pass &= truth.abs() <= bound;
        let share = if error == 0.0 { 0.0 } else { error / bound };
        agreement.largest_error = agreement.largest_error.max(error);
        agreement.share_of_bound = agreement.share_of_bound.max(share);
        if share > 1.0 {
            count += 1;
            if worst.is_none_or(|(_, most)| share > most) {
                worst = Some((at, share));
            }
        }
    }
    if let Some((at, _)) = worst {
        let (actual, bound) = (actual[at].into(), bound_at(at));
        return Err(Mismatch::TooFar { at, actual, expected: expected[at], bound, count, total });
    }
    if zeros_would_pass && expected.iter().any(|&truth| truth != 0.0) {
        return Err(Mismatch::ToleranceTooLoose);
    }
    Ok(agreement)
}

/// As [`compare`], for a test. `what` names the values in the message.
///
/// # Panics
/// On a [`Mismatch`].
#[track_caller]
pub fn assert_close<A: Copy + Into<f64>>(
    what: &str,
    actual: &[A],
    expected: &[f64],
    tolerance: Tolerance<'_>,
) -> Agreement {
    match compare(actual, expected, tolerance) {
        Ok(agreement) => agreement,
        Err(mismatch) => panic!("{what}: {mismatch}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: [f64; 5] = [0.1, -2.5, 3.25e-3, 0.0, 7.0];

    fn as_f32(values: &[f64]) -> Vec<f32> {
        values.iter().map(|&value| value as f32).collect()
    }

    fn tolerances() -> [Tolerance<'static>; 5] {
        [
            Tolerance::Exact,
            Tolerance::Ulps(4.0),
            Tolerance::Relative(1e-5),
            Tolerance::Absolute(1e-6),
            Tolerance::Each(&[1e-6; 5]),
        ]
    }

    fn rejected(actual: &[f64]) {
        for tolerance in tolerances() {
            assert!(compare(&as_f32(actual), &TRUTH, tolerance).is_err(), "{tolerance:?} let {actual:?} pass");
        }
    }

    #[test]
    fn the_rounded_truth_passes() {
        for tolerance in tolerances() {
            let agreement = compare(&as_f32(&TRUTH), &TRUTH, tolerance).unwrap();
            assert!(agreement.share_of_bound <= 1.0);
        }
    }

    #[test]
    fn what_is_not_finite_fails_even_when_expected() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for tolerance in tolerances() {
                let mut both = TRUTH;
                both[2] = bad;
                let result = compare(&as_f32(&both), &both, tolerance);
                assert!(matches!(result, Err(Mismatch::NotFinite { at: 2, .. })), "{result:?}");
            }
            let mut one = TRUTH;
            one[2] = bad;
            rejected(&one);
            assert!(compare(&as_f32(&TRUTH), &one, Tolerance::Absolute(1e30)).is_err());
        }
    }

    #[test]
    fn swapped_buffers_fail() {
        let other = [1.0, 2.0, 3.0, 4.0, 5.0];
        rejected(&other);
        for tolerance in tolerances() {
            assert!(compare(&as_f32(&TRUTH), &other, tolerance).is_err());
        }
    }

    #[test]
    fn a_shift_by_one_fails() {
        let mut shifted = TRUTH;
        shifted.rotate_right(1);
        rejected(&shifted);
        shifted.rotate_left(2);
        rejected(&shifted);
    }

    #[test]
    fn a_flipped_sign_fails() {
        rejected(&TRUTH.map(|value| -value));
        let mut one = TRUTH;
        one[0] = -one[0];
        rejected(&one);
    }

    #[test]
    fn all_zeros_fail() {
        rejected(&[0.0; 5]);
        // Even where the tolerance alone would let them pass, and even for the right values.
        let loose = Tolerance::Absolute(10.0);
        assert_eq!(compare(&[0.0_f32; 5], &TRUTH, loose), Err(Mismatch::ToleranceTooLoose));
        assert_eq!(compare(&as_f32(&TRUTH), &TRUTH, loose), Err(Mismatch::ToleranceTooLoose));
    }

    #[test]
    fn zeros_pass_where_zeros_are_the_truth_and_nothing_else_does() {
        for tolerance in tolerances() {
            assert!(compare(&[0.0_f32, -0.0, 0.0, 0.0, 0.0], &[0.0; 5], tolerance).is_ok());
        }
        let tiny = [f32::MIN_POSITIVE, 0.0, 0.0, 0.0, 0.0];
        for tolerance in [Tolerance::Exact, Tolerance::Ulps(4.0), Tolerance::Relative(1.0)] {
            assert!(compare(&tiny, &[0.0; 5], tolerance).is_err());
        }
    }

    #[test]
    fn unwritten_values_are_named_as_such() {
        let mut values = as_f32(&TRUTH);
        values[3] = SENTINEL;
        values[4] = SENTINEL;
        let result = compare(&values, &TRUTH, Tolerance::Absolute(1e-6));
        assert_eq!(result, Err(Mismatch::NotWritten { at: 3, count: 2, total: 5 }));
    }

    #[test]
    fn a_missing_value_fails() {
        let result = compare(&as_f32(&TRUTH[1..]), &TRUTH, Tolerance::Absolute(1e-6));
        assert_eq!(result, Err(Mismatch::Length { actual: 4, expected: 5 }));
    }

    #[test]
    fn ulps_are_counted_at_the_size_of_the_truth() {
        let next = 3.0_f32.next_up().next_up();
        assert!(compare(&[next], &[3.0], Tolerance::Ulps(2.0)).is_ok());
        assert!(compare(&[next], &[3.0], Tolerance::Ulps(1.9)).is_err());
        assert_eq!(ulp(1.0), f64::from(f32::EPSILON));
        assert_eq!(ulp(-1.0), f64::from(f32::EPSILON));
    }

    #[test]
    fn the_worst_value_is_reported() {
        let mut values = as_f32(&TRUTH);
        values[0] += 1e-3;
        values[1] += 1e-2;
        let Err(Mismatch::TooFar { at, count, total, .. }) = compare(&values, &TRUTH, Tolerance::Absolute(1e-6)) else {
            panic!("let wrong values pass");
        };
        assert_eq!((at, count, total), (1, 2, 5));
    }
}
