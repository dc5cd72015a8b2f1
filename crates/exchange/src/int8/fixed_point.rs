//! Fixed-point numbers as TensorFlow Lite has them: products are rounded to the nearest, twice.

/// A factor as TensorFlow Lite has it: `fraction · 2^(shift − 31)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiplier {
    /// From 2³⁰ to 2³¹ − 1, or 0.
    pub fraction: i32,
    /// The power of two, at least −31.
    pub shift: i32,
}

impl Multiplier {
    /// The multiplier next to `factor`, which is finite, not negative and below 2³⁰. What is below 2⁻³² becomes 0.
    pub(super) fn of(factor: f64) -> Self {
        if factor == 0.0 {
            return Self { fraction: 0, shift: 0 };
        }
        let mut shift = 0;
        let mut part = factor;
        while part >= 1.0 {
            part /= 2.0;
            shift += 1;
        }
        while part < 0.5 {
            part *= 2.0;
            shift -= 1;
        }
        let mut fraction = (part * f64::from(1_u32 << 31)).round() as i64;
        if fraction == 1 << 31 {
            fraction /= 2;
            shift += 1;
        }
        if shift < -31 {
            return Self { fraction: 0, shift: 0 };
        }
        Self { fraction: fraction as i32, shift }
    }

    /// `x` times the factor. The product with the fraction is rounded to the nearest, halves up; what the shift leaves is
    /// rounded again, halves away from 0.
    pub fn apply(self, x: i32) -> i32 {
        let shifted = x.wrapping_shl(self.shift.max(0) as u32);
        divided_by_power(high_product(shifted, self.fraction), (-self.shift).max(0) as u32)
    }
}

/// `2·a·b / 2³²`, rounded to the nearest.
pub(super) fn high_product(a: i32, b: i32) -> i32 {
    let product = i64::from(a) * i64::from(b);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    // Only the square of the least integer is too large.
    ((product + nudge) / (1 << 31)).min(i64::from(i32::MAX)) as i32
}

/// `x / 2^power`, rounded to the nearest, halves away from 0. `power` is at most 31.
pub(super) fn divided_by_power(x: i32, power: u32) -> i32 {
    let x = i64::from(x);
    let half = (1_i64 << power) >> 1;
    let rounded = if x >= 0 { (x + half) >> power } else { -((half - x) >> power) };
    rounded as i32
}

/// The hyperbolic tangent of `x`, which counts in 2⁻²⁷ and lies in (−16, 16), in units of 2⁻³¹, in the integer arithmetic of
/// gemmlowp: `tanh x = (1 − e^(−2x)) / (1 + e^(−2x))`.
pub(super) fn tanh(x: i32) -> i32 {
    if x == 0 {
        return 0;
    }
    // The same integer stands for 2x, in units of 2⁻²⁶.
    let magnitude = one_minus_over_one_plus(exp_of_negative(-x.abs()));
    if x < 0 { -magnitude } else { magnitude }
}

/// `value` in units of 2^−`bits`.
fn fixed(value: f64, bits: u32) -> i32 {
    (value * f64::from(1_u32 << bits)).round() as i32
}

/// eˣ for `x` below 0 in units of 2⁻²⁶, in units of 2⁻³¹.
fn exp_of_negative(x: i32) -> i32 {
    const BITS: u32 = 26;
    const QUARTER: i32 = 1 << (BITS - 2);
    // x = near − rest, where near is in [−1/4, 0) and rest is a multiple of 1/4.
    let near = (x & (QUARTER - 1)) - QUARTER;
    let rest = near - x;
    // The Taylor series about −1/8, to the fourth power.
    let a = (near << (31 - BITS)) + (1 << 28);
    let a2 = high_product(a, a);
    let (a3, a4) = (high_product(a2, a), high_product(a2, a2));
    let third = fixed(1.0 / 3.0, 31);
    let higher = divided_by_power(high_product(divided_by_power(a4, 2) + a3, third) + a2, 1);
    let centre = fixed((-0.125_f64).exp(), 31);
    let mut result = centre + high_product(centre, a + higher);
    // e^(−rest), bit by bit.
    for bit in (BITS - 2)..31 {
        if rest & (1 << bit) != 0 {
            let power = f64::from(bit as i32 - BITS as i32).exp2();
            result = high_product(result, fixed((-power).exp(), 31));
        }
    }
    result
}

/// (1 − x) / (1 + x) for `x` in (0, 1), both in units of 2⁻³¹: Newton's division, in units of 2⁻²⁹.
fn one_minus_over_one_plus(x: i32) -> i32 {
    const ONE: i32 = 1 << 29;
    let half_denominator = ((i64::from(x) + i64::from(i32::MAX) + 1) / 2) as i32;
    let mut quotient = fixed(48.0 / 17.0, 29) + high_product(half_denominator, fixed(-32.0 / 17.0, 29));
    for _ in 0..3 {
        let missing = ONE - high_product(half_denominator, quotient);
        quotient += times_four(high_product(quotient, missing));
    }
    times_four(quotient - ONE)
}

fn times_four(x: i32) -> i32 {
    x.saturating_mul(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers_stand_for_their_factors() {
        for factor in [0.75, 0.5, 0.001_234_5, 1e-9, 1.5, 7.25] {
            let Multiplier { fraction, shift } = Multiplier::of(factor);
            assert!(fraction >= 1 << 30, "{factor}");
            let back = f64::from(fraction) * f64::from(shift - 31).exp2();
            assert!((back / factor - 1.0).abs() < 1e-9, "{factor}: {back}");
        }
        assert_eq!(Multiplier::of(1.0 - 1e-12), Multiplier { fraction: 1 << 30, shift: 1 });
        assert_eq!([0.0, 1e-11].map(Multiplier::of), [Multiplier { fraction: 0, shift: 0 }; 2]);
    }

    #[test]
    fn products_are_rounded_twice() {
        let half = Multiplier::of(0.5);
        assert_eq!([3, -3, 5, -5, 4].map(|x| half.apply(x)), [2, -1, 3, -2, 2]);
        let eighth = Multiplier::of(0.125);
        assert_eq!([4, -4, 12, -12].map(|x| eighth.apply(x)), [1, -1, 2, -2]);
        // 3/8 · 4 = 1.5: 4 · 3/4 = 3, and 3 / 2 is rounded away from 0. 3/8 · 1: 3/4 becomes 1, and 1/2 becomes 1.
        let factor = Multiplier::of(0.375);
        assert_eq!([4, -4, 1, -1].map(|x| factor.apply(x)), [2, -2, 1, -1]);
        assert_eq!(high_product(i32::MIN, i32::MIN), i32::MAX);
    }

    #[test]
    fn division_by_a_power_rounds_halves_away_from_0() {
        assert_eq!([6, -6, 5, -5, 7, -7].map(|x| divided_by_power(x, 2)), [2, -2, 1, -1, 2, -2]);
        assert_eq!(divided_by_power(i32::MIN, 31), -1);
        assert_eq!(divided_by_power(7, 0), 7);
    }

    #[test]
    fn the_tangent_is_close_to_the_real_one() {
        for step in -2000..2000_i32 {
            let x = f64::from(step) / 2000.0 * 15.9;
            let integer = (x * f64::from(1 << 27)).round() as i32;
            let tangent = f64::from(tanh(integer)) / f64::from(1_u32 << 31);
            assert!((tangent - x.tanh()).abs() < 2e-5, "{x}: {tangent} instead of {}", x.tanh());
        }
    }
}
