//! Multinomial logistic regression, `min −Σ log softmax(W xᵢ + b)[yᵢ] + ‖W‖² / 2C`, by L-BFGS.
//!
//! The bias is not penalised, as in scikit-learn.

use std::cell::RefCell;

use argmin::core::{CostFunction, Error, Executor, Gradient, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use triax_losses::Loss;

use super::linear::{self, add_scaled};

/// The most iterations.
const MOST_ITERATIONS: u64 = 200;
/// Norm of the gradient of the mean loss at which the iteration ends.
const TOLERANCE: f64 = 1e-4;
/// Number of steps in the memory of L-BFGS.
const REMEMBERED: usize = 10;

/// The weights for rows `x` (n, features) of the classes `y`, which are below `classes`. The weights of a class follow each
/// other, with its bias last.
///
/// # Errors
/// The error of the line search.
pub(crate) fn train(x: &[Vec<f64>], y: &[u32], classes: usize, c: f64) -> Result<Vec<f64>, String> {
    let n_weights = classes * (x.first().map_or(0, Vec::len) + 1);
    let regression = Regression { x, y, classes, c, last: RefCell::default() };
    let solver = LBFGS::new(MoreThuenteLineSearch::new(), REMEMBERED).with_tolerance_grad(TOLERANCE);
    let found = Executor::new(regression, solver.map_err(|error| error.to_string())?)
        .configure(|state| state.param(vec![0.0; n_weights]).max_iters(MOST_ITERATIONS))
        .run()
        .map_err(|error| error.to_string())?;
    found.state().get_best_param().cloned().ok_or_else(|| "no weights were found".to_owned())
}

/// The mean loss, which is minimised.
struct Regression<'a> {
    x: &'a [Vec<f64>],
    y: &'a [u32],
    classes: usize,
    c: f64,
    /// The last point with its value and gradient: the search asks for both one after the other.
    last: RefCell<(Vec<f64>, f64, Vec<f64>)>,
}

impl Regression<'_> {
    /// The value at `weights`, and its gradient.
    fn at(&self, weights: &[f64]) -> (f64, Vec<f64>) {
        let n_weights = weights.len() / self.classes;
        let (mut value, mut gradient) = (0.0, vec![0.0; weights.len()]);
        let (mut scores, mut d_scores) = (vec![0.0; self.classes], vec![0.0; self.classes]);
        for (x, &y) in self.x.iter().zip(self.y) {
            for (score, weights) in scores.iter_mut().zip(weights.chunks_exact(n_weights)) {
                *score = linear::score(weights, x);
            }
            value += Loss::CategoricalCrossentropy.row(&scores, y as usize, &mut d_scores);
            for (&d, gradient) in d_scores.iter().zip(gradient.chunks_exact_mut(n_weights)) {
                add_scaled(gradient, d, x);
            }
        }
        for (weights, gradient) in weights.chunks_exact(n_weights).zip(gradient.chunks_exact_mut(n_weights)) {
            for (weight, gradient) in weights.iter().zip(gradient).take(n_weights - 1) {
                value += weight * weight / (2.0 * self.c);
                *gradient += weight / self.c;
            }
        }
        let n = self.x.len() as f64;
        gradient.iter_mut().for_each(|gradient| *gradient /= n);
        (value / n, gradient)
    }

    fn computed<T>(&self, weights: &[f64], take: impl FnOnce(f64, &[f64]) -> T) -> T {
        let mut last = self.last.borrow_mut();
        if last.0 != weights {
            let (value, gradient) = self.at(weights);
            *last = (weights.to_vec(), value, gradient);
        }
        take(last.1, &last.2)
    }
}

impl CostFunction for Regression<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, weights: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.computed(weights, |value, _| value))
    }
}

impl Gradient for Regression<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, weights: &Vec<f64>) -> Result<Vec<f64>, Error> {
        Ok(self.computed(weights, |_, gradient| gradient.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use triax_model::random::{Purpose, Stream};

    use super::*;

    /// Rows of three classes that overlap.
    fn rows() -> (Vec<Vec<f64>>, Vec<u32>) {
        let mut draws = Stream::new(1, Purpose::Initialise, 0);
        let y: Vec<u32> = (0..90).map(|row| row % 3).collect();
        let row = |&class: &u32| (0..4).map(|n| f64::from(u8::from(n == class)) + draws.normal()).collect();
        (y.iter().map(row).collect(), y)
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let (x, y) = rows();
        let regression = Regression { x: &x, y: &y, classes: 3, c: 0.5, last: RefCell::default() };
        let weights: Vec<f64> = (0..15).map(|n| 0.3 * f64::from(n % 4) - 0.4).collect();
        let (_, gradient) = regression.at(&weights);
        for (n, gradient) in gradient.iter().enumerate() {
            let at = |by: f64| {
                let mut moved = weights.clone();
                moved[n] += by;
                regression.at(&moved).0
            };
            let found = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((found - gradient).abs() < 1e-8, "weight {n}: {gradient}, by differences {found}");
        }
    }

    #[test]
    fn it_ends_where_the_gradient_vanishes() {
        let (x, y) = rows();
        let weights = train(&x, &y, 3, 1.0).unwrap();
        let regression = Regression { x: &x, y: &y, classes: 3, c: 1.0, last: RefCell::default() };
        let (value, gradient) = regression.at(&weights);
        let length = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        assert!(value < regression.at(&[0.0; 15]).0 && length < TOLERANCE, "value {value}, gradient {length}");
    }

    #[test]
    fn scores_far_apart_lose_no_row() {
        // In f64, exp(−800) is 0: a row whose scores all lie so far below another's would cost infinity or nothing.
        let (x, y) = (vec![vec![800.0], vec![-800.0]], vec![0, 0]);
        let regression = Regression { x: &x, y: &y, classes: 2, c: 1e9, last: RefCell::default() };
        let (value, _) = regression.at(&[1.0, 0.0, -1.0, 0.0]);
        assert!((value - 800.0).abs() < 1e-3, "{value}");
    }
}
