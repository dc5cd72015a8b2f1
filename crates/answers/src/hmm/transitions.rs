//! The probability of each state a time after each other: a Markov chain in continuous time.

use super::normalised;

/// The order of the Taylor polynomial: at a half, the rest is below 1e-16.
const TAYLOR: u32 = 14;

/// (states, states) the probability of each state a time of `step` after each other, if a state goes over into another one at
/// these `rates` (states, states), all at least 0: the exponential of their matrix, whose diagonal makes each row sum to 0. It
/// is the square of that of half a step, and so on, down to a step for which a Taylor polynomial is exact.
pub(super) fn after(rates: &[Vec<f64>], step: f64) -> Vec<Vec<f64>> {
    let n = rates.len();
    let fastest = rates.iter().map(|row| row.iter().sum::<f64>()).fold(0.0, f64::max) * step;
    let n_halvings = fastest.log2().ceil().clamp(0.0, 1000.0) as i32 + 1;
    let step = step * 0.5_f64.powi(n_halvings);
    let of_row = |(state, row): (usize, &Vec<f64>)| {
        let sum: f64 = row.iter().sum();
        let rate = |(other, rate): (usize, &f64)| step * if other == state { rate - sum } else { *rate };
        row.iter().enumerate().map(rate).collect()
    };
    let rates: Vec<Vec<f64>> = rates.iter().enumerate().map(of_row).collect();
    let unit = |row: usize| (0..n).map(|column| f64::from(u8::from(row == column))).collect();
    let mut term: Vec<Vec<f64>> = (0..n).map(unit).collect();
    let mut sum = term.clone();
    for order in 1..=TAYLOR {
        term = product(&term, &rates);
        for (sum, term) in sum.iter_mut().flatten().zip(term.iter_mut().flatten()) {
            *term /= f64::from(order);
            *sum += *term;
        }
    }
    for _ in 0..n_halvings {
        sum = product(&sum, &sum);
    }
    sum.into_iter().map(|row| normalised(row.into_iter().map(|p| p.max(0.0)).collect())).collect()
}

/// The product of two square matrices.
fn product(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let of_row = |row: &Vec<f64>| {
        let mut sum = vec![0.0; row.len()];
        for (factor, other) in row.iter().zip(b) {
            sum.iter_mut().zip(other).for_each(|(sum, value)| *sum += factor * value);
        }
        sum
    };
    a.iter().map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_long_step_all_is_forgotten_and_after_a_short_one_nothing() {
        let rates = [vec![0.0, 0.1], vec![0.3, 0.0]];
        // By hand: the share of the second state tends to 1/4, at a rate of 0.4.
        for step in [0.01_f64, 1.0, 7.0, 1e6] {
            let second = 0.25 * (1.0 - (-0.4 * step).exp());
            let found = after(&rates, step);
            assert!((found[0][1] - second).abs() < 1e-12 && (found[1][0] - 3.0 * second).abs() < 1e-12, "{found:?}");
        }
    }
}
