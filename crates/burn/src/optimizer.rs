//! Keras's optimizers on the parameter vector.

use burn::tensor::Tensor;
use triax_engine::Optimizer;

/// Parameters, moments and the count of updates.
#[derive(Clone, Debug)]
pub(crate) struct TrainingState {
    /// All parameters.
    pub parameters: Tensor<1>,
    /// In the order of [`Optimizer::moment_names`].
    pub moments: Vec<Tensor<1>>,
    /// The number of updates so far: Adam's t.
    pub updates: u64,
}

impl TrainingState {
    /// The state after one update with `gradient`; see [`Optimizer`] for the formulas.
    ///
    /// # Panics
    /// If the moments are not those of the optimizer.
    pub fn updated(self, optimizer: &Optimizer, gradient: Tensor<1>, learning_rate: f32) -> Self {
        let Self { parameters: p, moments, updates } = self;
        let (lr, g, updates) = (f64::from(learning_rate), gradient, updates + 1);
        let mut moments = moments.into_iter();
        let mut moment = || moments.next().expect("a session keeps as many moments as its optimizer has names for");
        let (parameters, moments) = match *optimizer {
            Optimizer::Adam { beta_1, beta_2, epsilon } | Optimizer::AdamW { beta_1, beta_2, epsilon, .. } => {
                let rate = |beta: f32| 1.0 - f64::from(beta);
                let (m, v) = (moment(), moment());
                let v = v.clone() + (g.clone().square() - v) * rate(beta_2);
                let m = m.clone() + (g - m) * rate(beta_1);
                let alpha = optimizer.step_size(lr, updates);
                let step = m.clone() * alpha / (v.clone().sqrt() + f64::from(epsilon));
                let p = match optimizer.decay(lr) {
                    0.0 => p,
                    decay => p.clone() - p * decay,
                };
                (p - step, vec![m, v])
            }
            Optimizer::Sgd { momentum: 0.0, .. } => (p - g * lr, vec![]),
            Optimizer::Sgd { momentum, nesterov } => {
                let momentum = f64::from(momentum);
                let step = g * lr;
                let v = moment() * momentum - step.clone();
                let p = if nesterov { p + v.clone() * momentum - step } else { p + v.clone() };
                (p, vec![v])
            }
            Optimizer::RmsProp { rho, momentum, epsilon } => {
                let rho = f64::from(rho);
                let v = moment() * rho + g.clone().square() * (1.0 - rho);
                let step = g * lr / (v.clone() + f64::from(epsilon)).sqrt();
                if momentum == 0.0 {
                    (p - step, vec![v])
                } else {
                    let b = moment() * f64::from(momentum) + step;
                    (p - b.clone(), vec![v, b])
                }
            }
        };
        Self { parameters, moments, updates }
    }
}

/// Scales `gradient`, whose Euclidean norm is `norm` (one value), by `min(1, bound / norm)`.
pub(crate) fn clipped(gradient: Tensor<1>, norm: Tensor<1>, bound: f32) -> Tensor<1> {
    // Dividing by exactly 1 does not change a bit of a gradient below the bound.
    gradient / (norm / bound).clamp_min(1.0)
}
