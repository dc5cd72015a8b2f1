//! Activations of rows. [`Activation::value`] and [`Activation::derivative`] define them, and at f64 they are what is computed.
//! At f32 vectors of values are approximated, within a few units in the last place.
//!
//! The derivative follows from the value, but for GELU, whose derivatives the forward pass keeps.

use pulp::{Simd, WithSimd};
use triax_model::Activation;

use super::Float;
use super::row::{Row, flat_mut, vectors, vectors_mut};

/// Whether the forward pass keeps the derivatives.
pub(super) fn keeps_slopes(activation: Activation) -> bool {
    activation == Activation::Gelu
}

/// Turns sums into values, in place. `slopes` takes the derivatives, if they are kept; else it is empty.
#[inline(always)]
pub(super) fn forward<F: Float, S: Simd>(simd: S, activation: Activation, sums: &mut [Row<F>], slopes: &mut [Row<F>]) {
    simd.vectorize(Forward { activation, sums, slopes });
}

/// Turns the gradient of the values `y` into that of the sums, in place. `slopes` is what the forward pass has kept.
#[inline(always)]
pub(super) fn backward<F: Float, S: Simd>(
    simd: S,
    activation: Activation,
    y: &[Row<F>],
    slopes: &[Row<F>],
    d_y: &mut [Row<F>],
) {
    simd.vectorize(Backward { activation, y, slopes, d_y });
}

/// [`forward`] as a function of its own, so that the products around it stay as small as they are without it.
struct Forward<'a, F> {
    activation: Activation,
    sums: &'a mut [Row<F>],
    slopes: &'a mut [Row<F>],
}

impl<F: Float> WithSimd for Forward<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        F::activate(simd, self.activation, flat_mut(self.sums), flat_mut(self.slopes));
    }
}

/// [`backward`], likewise.
struct Backward<'a, F> {
    activation: Activation,
    y: &'a [Row<F>],
    slopes: &'a [Row<F>],
    d_y: &'a mut [Row<F>],
}

impl<F: Float> WithSimd for Backward<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { activation, y, slopes, d_y } = self;
        let (zero, one) = (F::splat(simd, F::ZERO), F::splat(simd, F::ONE));
        // Products, since the compiler turns a selection between 0 and the gradient into a masked store, which takes some
        // processors fifteen times as long.
        macro_rules! scale {
            ($rows:expr, $y:ident => $slope:expr) => {
                for (d_y, &$y) in vectors_mut::<F, S>(d_y).iter_mut().zip(vectors::<F, S>($rows)) {
                    *d_y = F::times(simd, *d_y, $slope);
                }
            };
        }
        match activation {
            Activation::Linear => (),
            Activation::Relu => scale!(y, y => F::if_le(simd, [y, zero], zero, one)),
            Activation::LeakyRelu { slope } => {
                let slope = F::splat(simd, F::from_f32(slope));
                scale!(y, y => F::if_le(simd, [y, zero], slope, one));
            }
            Activation::Elu => scale!(y, y => F::if_le(simd, [y, zero], F::plus(simd, y, one), one)),
            Activation::Tanh => scale!(y, y => F::minus(simd, one, F::times(simd, y, y))),
            Activation::Gelu => scale!(slopes, slope => slope),
        }
    }
}

/// The definitions, value by value.
pub(super) fn activate_f64<S: Simd>(_: S, activation: Activation, values: &mut [f64], slopes: &mut [f64]) {
    slopes.iter_mut().zip(&*values).for_each(|(slope, sum)| *slope = activation.derivative(*sum));
    values.iter_mut().for_each(|value| *value = activation.value(*value));
}

/// Vector by vector. A NaN stays one.
#[inline(always)]
pub(super) fn activate_f32<S: Simd>(simd: S, activation: Activation, values: &mut [f32], slopes: &mut [f32]) {
    let (values, slopes) = (S::as_mut_simd_f32s(values).0, S::as_mut_simd_f32s(slopes).0);
    let zero = simd.splat_f32s(0.0);
    let below = |x| simd.less_than_or_equal_f32s(x, zero);
    match activation {
        Activation::Linear => (),
        Activation::Relu => values.iter_mut().for_each(|x| *x = simd.select_f32s(below(*x), zero, *x)),
        Activation::LeakyRelu { slope } => {
            let slope = simd.splat_f32s(slope);
            values.iter_mut().for_each(|x| *x = simd.select_f32s(below(*x), simd.mul_f32s(slope, *x), *x));
        }
        Activation::Elu => {
            values.iter_mut().for_each(|x| *x = simd.select_f32s(below(*x), exp_m1(simd, *x), *x));
        }
        Activation::Tanh => values.iter_mut().for_each(|x| *x = tanh(simd, *x)),
        Activation::Gelu => {
            for (x, slope) in values.iter_mut().zip(slopes) {
                (*x, *slope) = gelu(simd, *x);
            }
        }
    }
}

/// 2ⁿ and e^r − 1 of x + low = n·ln 2 + r, where |r| ≤ ln 2 / 2: e^(x + low) is 2ⁿ·(e^r − 1) + 2ⁿ. `low` holds further digits
/// of x, which is at most 0; below −87, where e^x is 1.6e-38, it is −87.
#[inline(always)]
fn exp_parts<S: Simd>(simd: S, x: S::f32s, low: S::f32s) -> (S::f32s, S::f32s) {
    const LEAST: f32 = -87.0;
    /// A number near it has the nearest whole number, plus the bias of an exponent, in the last bits of its mantissa.
    const SHIFT: f32 = 12_582_912.0 + 127.0;
    const MANTISSA_BITS: u32 = 23;
    /// The first digits of ln 2, so that their product with n is exact, and the others.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    /// (e^r − 1 − r) / r², by the largest relative error of e^r − 1.
    const COEFFICIENTS: [f32; 6] =
        [1.984_590_7e-4, 1.394_089_6e-3, 8.333_39e-3, 4.166_636e-2, 1.666_666_6e-1, 5e-1];

    let splat = |value| simd.splat_f32s(value);
    let x = simd.select_f32s(simd.less_than_or_equal_f32s(x, splat(LEAST)), splat(LEAST), x);
    let shifted = simd.mul_add_e_f32s(simd.add_f32s(x, low), splat(std::f32::consts::LOG2_E), splat(SHIFT));
    let n = simd.sub_f32s(shifted, splat(SHIFT));
    let r = LN_2.into_iter().fold(x, |r, digits| simd.mul_add_e_f32s(n, splat(-digits), r));
    let r = simd.add_f32s(r, low);
    let bits = simd.transmute_u32s_f32s(shifted);
    let scale = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(MANTISSA_BITS)));
    let rest = polynomial(simd, r, &COEFFICIENTS);
    (scale, simd.mul_add_e_f32s(simd.mul_f32s(r, r), rest, r))
}

/// e^x − 1 of x ≤ 0.
#[inline(always)]
fn exp_m1<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (scale, rest) = exp_parts(simd, x, simd.splat_f32s(0.0));
    simd.mul_add_e_f32s(scale, rest, simd.sub_f32s(scale, simd.splat_f32s(1.0)))
}

/// tanh |x| = −m / (m + 2), where m = e^(−2|x|) − 1.
#[inline(always)]
fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let below = simd.less_than_or_equal_f32s(x, simd.splat_f32s(0.0));
    let twice = simd.add_f32s(x, x);
    let m = exp_m1(simd, simd.select_f32s(below, twice, simd.neg_f32s(twice)));
    let negative = simd.div_f32s(m, simd.add_f32s(m, simd.splat_f32s(2.0)));
    simd.select_f32s(below, negative, simd.neg_f32s(negative))
}

/// The value and the derivative of GELU: x·Φ(x) and Φ(x) + x·φ(x). Of a = |x|, Φ(−a) is e^(−a²/2)·R(a) with a function R that
/// falls slowly, from ½.
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    /// Beyond it Φ(−a) is less than the least normal number, and 0 here.
    const MOST: f32 = 12.9;
    /// R(a) is a polynomial of t = 1 / (1 + a·this), times t.
    const BEND: f32 = 0.3;
    /// That polynomial, by the largest relative error.
    const COEFFICIENTS: [f32; 10] = [
        -2.058_465_3e-2,
        1.122_171_1e-1,
        -2.276_795_4e-1,
        1.910_420_5e-1,
        -7.877_774e-2,
        9.579_327e-2,
        7.852_186e-2,
        1.102_055_4e-1,
        1.195_756_1e-1,
        1.196_864_8e-1,
    ];
    /// Sign, exponent, and 11 of the 23 bits of the mantissa.
    const UPPER_HALF: u32 = 0xffff_f000;
    /// φ(0)
    const DENSITY: f32 = 0.398_942_3;

    let splat = |value| simd.splat_f32s(value);
    let (zero, one) = (splat(0.0), splat(1.0));
    let a = simd.abs_f32s(x);
    let is_far = simd.less_than_or_equal_f32s(splat(MOST), a);
    let a = simd.select_f32s(is_far, splat(MOST), a);
    // −a²/2 in two parts: rounded as one, it would cost e^(−a²/2) as many units in the last place as it is large. The square of
    // the upper half of a's digits is exact.
    let bits = simd.and_u32s(simd.transmute_u32s_f32s(a), simd.splat_u32s(UPPER_HALF));
    let upper = simd.transmute_f32s_u32s(bits);
    let high = simd.mul_f32s(splat(-0.5), simd.mul_f32s(upper, upper));
    let low = simd.mul_f32s(splat(-0.5), simd.mul_f32s(simd.sub_f32s(a, upper), simd.add_f32s(a, upper)));
    let (scale, rest) = exp_parts(simd, high, low);
    let exp = simd.mul_add_e_f32s(scale, rest, scale);
    let exp = simd.select_f32s(is_far, zero, exp);

    let t = simd.div_f32s(one, simd.mul_add_e_f32s(splat(BEND), a, one));
    let tail = simd.mul_f32s(exp, simd.mul_f32s(t, polynomial(simd, t, &COEFFICIENTS)));
    let below = simd.less_than_or_equal_f32s(x, zero);
    let distribution = simd.select_f32s(below, tail, simd.sub_f32s(one, tail));
    let density = simd.mul_f32s(splat(DENSITY), exp);
    let x_in_reach = simd.select_f32s(below, simd.neg_f32s(a), a);
    (simd.mul_f32s(x, distribution), simd.mul_add_e_f32s(x_in_reach, density, distribution))
}

/// The polynomial of `x` with these coefficients, from that of the highest power on.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::f32s, coefficients: &[f32; N]) -> S::f32s {
    let mut value = simd.splat_f32s(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        value = simd.mul_add_e_f32s(value, x, simd.splat_f32s(coefficient));
    }
    value
}
