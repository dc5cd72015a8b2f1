//! The two inner loops of every layer, over contiguous rows.

/// `y += a·x`.
pub(super) fn add_scaled(y: &mut [f64], a: f64, x: &[f64]) {
    debug_assert_eq!(y.len(), x.len());
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// `Σ a·b`, in four partial sums: the order is fixed, and the compiler may use vectors.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    let mut sums = [0.0; 4];
    let (a_quads, b_quads) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a_quads.remainder().iter().zip(b_quads.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_quads.zip(b_quads) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}
