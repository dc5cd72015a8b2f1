//! Keras's optimizers on the parameter vector.

use burn::tensor::Tensor;
use triax_engine::Optimizer;

/// What an update changes.
#[derive(Clone, Debug)]
pub(crate) struct Trained {
    /// All parameters.
    pub parameters: Tensor<1>,
    /// In the order of [`Optimizer::moment_names`].
    pub moments: Vec<Tensor<1>>,
    /// Updates applied: Adam's t.
    pub updates: u64,
}

impl Trained {
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
            Optimizer::Adam { beta_1, beta_2, epsilon } => {
                let adam = Adam::new(beta_1, beta_2, epsilon, lr, updates);
                let (step, m, v) = adam.step(g, moment(), moment());
                (p - step, vec![m, v])
            }
            Optimizer::AdamW { beta_1, beta_2, epsilon, weight_decay } => {
                let adam = Adam::new(beta_1, beta_2, epsilon, lr, updates);
                let (step, m, v) = adam.step(g, moment(), moment());
                let decay = p.clone() * (lr * f64::from(weight_decay));
                (p - decay - step, vec![m, v])
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

/// Adam's factors in one step.
struct Adam {
    /// 1 − β₁
    rate_1: f64,
    /// 1 − β₂
    rate_2: f64,
    epsilon: f64,
    /// `α = lr·√(1−β₂ᵗ)/(1−β₁ᵗ)`
    alpha: f64,
}

impl Adam {
    fn new(beta_1: f32, beta_2: f32, epsilon: f32, lr: f64, updates: u64) -> Self {
        let (beta_1, beta_2) = (f64::from(beta_1), f64::from(beta_2));
        // Beyond 2³¹ updates both powers are long 0.
        let t = i32::try_from(updates).unwrap_or(i32::MAX);
        let alpha = lr * (1.0 - beta_2.powi(t)).sqrt() / (1.0 - beta_1.powi(t));
        Self { rate_1: 1.0 - beta_1, rate_2: 1.0 - beta_2, epsilon: f64::from(epsilon), alpha }
    }

    /// What to subtract from the parameters, and the new moments m and v.
    fn step(&self, g: Tensor<1>, m: Tensor<1>, v: Tensor<1>) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
        let v = v.clone() + (g.clone().square() - v) * self.rate_2;
        let m = m.clone() + (g - m) * self.rate_1;
        (m.clone() * self.alpha / (v.clone().sqrt() + self.epsilon), m, v)
    }
}

/// Scales `gradient`, whose Euclidean norm is `norm` (one value), by `min(1, bound / norm)`.
pub(crate) fn clipped(gradient: Tensor<1>, norm: Tensor<1>, bound: f32) -> Tensor<1> {
    // A quotient that is clamped to exactly 1 leaves small gradients as they are, to the bit.
    gradient / (norm / bound).clamp_min(1.0)
}
