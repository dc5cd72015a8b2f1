//! The rate of matrix products on this machine.

use std::time::Instant;

use gemm_common::Parallelism;

/// Timed products for each size, after one that is not timed.
const REPEATS: usize = 5;

/// GFLOP/s of f32 matrix products on all threads; the best of a few sizes.
pub fn gflops() -> f64 {
    [512, 1024, 2048].map(gflops_at).into_iter().fold(0.0, f64::max)
}

/// The fastest of a few (n, n) · (n, n).
fn gflops_at(n: usize) -> f64 {
    let (a, b, mut c) = (vec![0.5_f32; n * n], vec![0.25_f32; n * n], vec![0.0_f32; n * n]);
    let mut fastest = f64::INFINITY;
    for repeat in 0..=REPEATS {
        let start = Instant::now();
        multiply(n, &a, &b, &mut c);
        let seconds = start.elapsed().as_secs_f64();
        if repeat > 0 {
            fastest = fastest.min(seconds);
        }
    }
    assert_eq!(c[0], 0.125 * n as f32, "the product is wrong");
    2.0 * (n as f64).powi(3) / fastest / 1e9
}

/// c = a · b, all (n, n), row-major.
fn multiply(n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    assert!([a.len(), b.len(), c.len()].iter().all(|&len| len == n * n));
    let (row, column) = (n as isize, 1);
    // Only the f32 part of the crate `gemm`, which would otherwise be built for five other types too.
    let gemm = gemm_f32::gemm::f32::get_gemm_fn();
    let threads = Parallelism::Rayon(0);
    // SAFETY: each pointer is the start of n·n values that live until the call returns, which is all that the strides
    // reach; `c` is borrowed mutably, so it overlaps neither `a` nor `b`.
    unsafe {
        gemm(
            n,
            n,
            n,
            c.as_mut_ptr(),
            column,
            row,
            false,
            a.as_ptr(),
            column,
            row,
            b.as_ptr(),
            column,
            row,
            0.0,
            1.0,
            false,
            false,
            false,
            threads,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_is_row_major() {
        let mut c = [f32::NAN; 4];
        multiply(2, &[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], &mut c);
        assert_eq!(c, [19.0, 22.0, 43.0, 50.0]);
    }
}
