//! The memory bandwidth of this machine, by the triad of the STREAM benchmark.

use std::time::Instant;

/// Values of each array: 64 MiB, more than most caches hold.
const VALUES: usize = 16 << 20;
/// Timed passes, after one that is not timed.
const REPEATS: usize = 5;

/// Gigabytes per second of `a = b + s·c` on all threads, with each array read or written once; the fastest of a few passes.
pub fn gbytes() -> f64 {
    let (mut a, b, c) = (vec![0.0_f32; VALUES], vec![1.0_f32; VALUES], vec![2.0_f32; VALUES]);
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut fastest = f64::INFINITY;
    for repeat in 0..=REPEATS {
        let start = Instant::now();
        triad(&mut a, &b, &c, 3.0, n_threads);
        let seconds = start.elapsed().as_secs_f64();
        if repeat > 0 {
            fastest = fastest.min(seconds);
        }
    }
    assert_eq!(a[VALUES - 1], 7.0, "the sum is wrong");
    (3 * size_of_val(&a[..])) as f64 / fastest / 1e9
}

/// `a = b + scale·c`, with a part of the arrays on each thread.
fn triad(a: &mut [f32], b: &[f32], c: &[f32], scale: f32, n_threads: usize) {
    let part = a.len().div_ceil(n_threads);
    std::thread::scope(|scope| {
        for ((a, b), c) in a.chunks_mut(part).zip(b.chunks(part)).zip(c.chunks(part)) {
            scope.spawn(move || a.iter_mut().zip(b.iter().zip(c)).for_each(|(a, (b, c))| *a = b + scale * c));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_written_whatever_the_threads() {
        for n_threads in [1, 2, 3, 16] {
            let mut a = [f32::NAN; 7];
            triad(&mut a, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], &[1.0; 7], 10.0, n_threads);
            assert_eq!(a, [11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0]);
        }
    }
}
