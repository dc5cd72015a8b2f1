//! Transposing squares of rows.

use pulp::Simd;

use super::Float;
use super::row::{Row, TILE};

/// Transposes a square of rows. On AVX-512 with shuffles: the compiler turns the loops into a load for each value, which
/// takes six times as long.
#[inline(always)]
pub(super) fn transpose<F: Float, S: Simd>(simd: S, from: &[Row<F>; TILE], to: &mut [Row<F>; TILE]) {
    #[cfg(target_arch = "x86_64")]
    if std::any::TypeId::of::<(F, S)>() == std::any::TypeId::of::<(f32, pulp::x86::V4)>() {
        // SAFETY: `F` is f32 and `S` is `V4`, as was just checked.
        let (simd, from, to) =
            unsafe { (std::mem::transmute_copy(&simd), &*(&raw const *from).cast(), &mut *(&raw mut *to).cast()) };
        return avx512::transpose(simd, from, to);
    }
    for (i, to) in to.iter_mut().enumerate() {
        for (j, from) in from.iter().enumerate() {
            to.0[j] = from.0[i];
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::__m512;

    use pulp::x86::V4;

    use super::{Row, TILE};

    /// Transposes within the 4 by 4 squares of each four rows first, then the squares themselves.
    #[inline(always)]
    pub fn transpose(simd: V4, from: &[Row<f32>; TILE], to: &mut [Row<f32>; TILE]) {
        let avx512 = simd.avx512f;
        let low = |a, b| avx512._mm512_unpacklo_ps(a, b);
        let high = |a, b| avx512._mm512_unpackhi_ps(a, b);
        let pairs = |a| avx512._mm512_castps_pd(a);
        let low_pairs = |a, b| avx512._mm512_castpd_ps(avx512._mm512_unpacklo_pd(pairs(a), pairs(b)));
        let high_pairs = |a, b| avx512._mm512_castpd_ps(avx512._mm512_unpackhi_pd(pairs(a), pairs(b)));
        // Squares 0 and 2 of each, or 1 and 3.
        let even = |a, b| avx512._mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
        let odd = |a, b| avx512._mm512_shuffle_f32x4::<0b11_01_11_01>(a, b);

        // SAFETY: both are 64 bytes of f32.
        let load = |row: usize| unsafe { std::mem::transmute::<[f32; TILE], __m512>(from[row].0) };
        // Column j of each of the four squares in four rows.
        let mut columns = [[load(0); 4]; 4];
        for (four, columns) in columns.iter_mut().enumerate() {
            let [a, b, c, d] = [load(4 * four), load(4 * four + 1), load(4 * four + 2), load(4 * four + 3)];
            let [ab, ab_high, cd, cd_high] = [low(a, b), high(a, b), low(c, d), high(c, d)];
            *columns =
                [low_pairs(ab, cd), high_pairs(ab, cd), low_pairs(ab_high, cd_high), high_pairs(ab_high, cd_high)];
        }
        let mut store = |row: usize, vector: __m512| {
            // SAFETY: both are 64 bytes of f32.
            to[row].0 = unsafe { std::mem::transmute::<__m512, [f32; TILE]>(vector) };
        };
        let [first, second, third, fourth] = columns;
        for (j, (((a, b), c), d)) in first.into_iter().zip(second).zip(third).zip(fourth).enumerate() {
            store(j, even(even(a, b), even(c, d)));
            store(4 + j, even(odd(a, b), odd(c, d)));
            store(8 + j, odd(even(a, b), even(c, d)));
            store(12 + j, odd(odd(a, b), odd(c, d)));
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;

    struct Transpose<'a, F>(&'a [Row<F>; TILE], &'a mut [Row<F>; TILE]);

    impl<F: Float> WithSimd for Transpose<'_, F> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            transpose(simd, self.0, self.1);
        }
    }

    fn every_value_goes_where_it_belongs<F: Float>() {
        let from: [Row<F>; TILE] = std::array::from_fn(|i| Row(std::array::from_fn(|j| F::from_count(100 * i + j))));
        let mut to = [Row::ZERO; TILE];
        pulp::Arch::new().dispatch(Transpose(&from, &mut to));
        for (i, to) in to.iter().enumerate() {
            assert_eq!(to.0, std::array::from_fn(|j| F::from_count(100 * j + i)));
        }
    }

    #[test]
    fn rows_become_columns_at_both_floats() {
        every_value_goes_where_it_belongs::<f32>();
        every_value_goes_where_it_belongs::<f64>();
    }
}
