//! The float that the CPU engine computes in, and vectors of it.

use pulp::Simd;
use triax_losses::Real;
use triax_model::Activation;

use super::activation::{activate_f32, activate_f64};

/// f32, the fast path, or f64, the reference. Each function of vectors is one instruction.
pub trait Float: Real {
    /// 10⁸ times the least positive normal number: 10⁻³⁰ at f32. The product of a smaller number and a rate is subnormal.
    const TINY: Self;

    /// A register of the processor.
    type Vector<S: Simd>: Copy;

    /// The nearest value.
    fn from_f64(value: f64) -> Self;
    /// The value itself, widened.
    fn to_f64(self) -> f64;
    /// The nearest value.
    fn to_f32(self) -> f32;

    /// Turns sums into values of `activation`, in place. `slopes` takes the derivatives; it may be empty if
    /// `activation::keeps_slopes` says that they are not kept. Both are whole vectors.
    fn activate<S: Simd>(simd: S, activation: Activation, values: &mut [Self], slopes: &mut [Self]);

    /// `values` as vectors, without the rest that does not fill a vector.
    fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>];
    /// [`Float::vectors`], mutable.
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Vector<S>];
    /// A vector with `value` in every lane.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// `a + b`
    fn plus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a − b`
    fn minus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a · b`
    fn times<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a / b`
    fn over<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a · b + c`, rounded once where the processor can.
    fn mul_add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
    /// Square root.
    fn sqrt<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    /// `then` where `a ≤ b`, else `otherwise`; `otherwise` too where `a` or `b` is NaN.
    fn if_le<S: Simd>(
        simd: S,
        ab: [Self::Vector<S>; 2],
        then: Self::Vector<S>,
        otherwise: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// `then` where `a = b`, else `otherwise`.
    fn if_eq<S: Simd>(
        simd: S,
        ab: [Self::Vector<S>; 2],
        then: Self::Vector<S>,
        otherwise: Self::Vector<S>,
    ) -> Self::Vector<S>;
}

macro_rules! float {
    (
        $float:ident, $activate:ident, $vector:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident,
        $div:ident, $mul_add:ident, $sqrt:ident, $le:ident, $eq:ident, $select:ident
    ) => {
        impl Float for $float {
            const TINY: Self = $float::MIN_POSITIVE * 1e8;

            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $float
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }

            #[inline(always)]
            fn to_f32(self) -> f32 {
                self as f32
            }

            #[inline(always)]
            fn activate<S: Simd>(simd: S, activation: Activation, values: &mut [Self], slopes: &mut [Self]) {
                $activate(simd, activation, values, slopes);
            }

            #[inline(always)]
            fn vectors<S: Simd>(values: &[Self]) -> &[S::$vector] {
                S::$as_simd(values).0
            }

            #[inline(always)]
            fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [S::$vector] {
                S::$as_mut_simd(values).0
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }

            #[inline(always)]
            fn plus<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }

            #[inline(always)]
            fn minus<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$sub(a, b)
            }

            #[inline(always)]
            fn times<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$mul(a, b)
            }

            #[inline(always)]
            fn over<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$div(a, b)
            }

            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$mul_add(a, b, c)
            }

            #[inline(always)]
            fn sqrt<S: Simd>(simd: S, a: S::$vector) -> S::$vector {
                simd.$sqrt(a)
            }

            #[inline(always)]
            fn if_le<S: Simd>(simd: S, [a, b]: [S::$vector; 2], then: S::$vector, otherwise: S::$vector) -> S::$vector {
                simd.$select(simd.$le(a, b), then, otherwise)
            }

            #[inline(always)]
            fn if_eq<S: Simd>(simd: S, [a, b]: [S::$vector; 2], then: S::$vector, otherwise: S::$vector) -> S::$vector {
                simd.$select(simd.$eq(a, b), then, otherwise)
            }
        }
    };
}

float!(
    f32,
    activate_f32,
    f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    div_f32s,
    mul_add_e_f32s,
    sqrt_f32s,
    less_than_or_equal_f32s,
    equal_f32s,
    select_f32s
);
float!(
    f64,
    activate_f64,
    f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    div_f64s,
    mul_add_e_f64s,
    sqrt_f64s,
    less_than_or_equal_f64s,
    equal_f64s,
    select_f64s
);
