//! The update of all parameters, in Keras's forms: see [`Optimizer`] for the formulas.

use super::Tensors;
use crate::Optimizer;

/// An optimizer with its moments.
#[derive(Clone, Debug)]
pub(super) struct Updater {
    pub optimizer: Optimizer,
    /// In the order of [`Optimizer::moment_names`], each with the shapes of the parameters.
    pub moments: Vec<Tensors>,
    /// Updates applied: Adam's t.
    pub updates: u64,
}

impl Updater {
    /// With moments of zero, for parameters of these shapes.
    pub fn new(optimizer: Optimizer, parameters: &Tensors) -> Self {
        let zeros: Tensors = parameters.iter().map(|values| vec![0.0; values.len()]).collect();
        Self { optimizer, moments: vec![zeros; optimizer.moment_names().len()], updates: 0 }
    }

    /// One update of all parameters.
    pub fn update(&mut self, parameters: &mut Tensors, gradients: &Tensors, learning_rate: f64) {
        self.updates += 1;
        let lr = learning_rate;
        let steps = parameters.iter_mut().flatten().zip(gradients.iter().flatten());
        match (self.optimizer, &mut self.moments[..]) {
            (Optimizer::Adam { beta_1, beta_2, epsilon }, [m, v]) => {
                let adam = Adam::new(beta_1, beta_2, epsilon, lr, self.updates);
                for ((p, &g), (m, v)) in steps.zip(flat(m).zip(flat(v))) {
                    adam.update(p, g, m, v);
                }
            }
            (Optimizer::AdamW { beta_1, beta_2, epsilon, weight_decay }, [m, v]) => {
                let adam = Adam::new(beta_1, beta_2, epsilon, lr, self.updates);
                for ((p, &g), (m, v)) in steps.zip(flat(m).zip(flat(v))) {
                    *p -= lr * f64::from(weight_decay) * *p;
                    adam.update(p, g, m, v);
                }
            }
            (Optimizer::Sgd { .. }, []) => {
                for (p, &g) in steps {
                    *p -= lr * g;
                }
            }
            (Optimizer::Sgd { momentum, nesterov }, [v]) => {
                let momentum = f64::from(momentum);
                for ((p, &g), v) in steps.zip(flat(v)) {
                    *v = momentum * *v - lr * g;
                    *p += if nesterov { momentum * *v - lr * g } else { *v };
                }
            }
            (Optimizer::RmsProp { rho, epsilon, .. }, [v]) => {
                for ((p, &g), v) in steps.zip(flat(v)) {
                    *p -= rms_prop_step(v, g, rho, epsilon, lr);
                }
            }
            (Optimizer::RmsProp { rho, momentum, epsilon }, [v, b]) => {
                for ((p, &g), (v, b)) in steps.zip(flat(v).zip(flat(b))) {
                    *b = f64::from(momentum) * *b + rms_prop_step(v, g, rho, epsilon, lr);
                    *p -= *b;
                }
            }
            (optimizer, moments) => unreachable!("{optimizer:?} with {} moments", moments.len()),
        }
    }
}

fn flat(tensors: &mut Tensors) -> impl Iterator<Item = &mut f64> {
    tensors.iter_mut().flatten()
}

/// Adam's factors in one step.
struct Adam {
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    /// `α = lr·√(1−β₂ᵗ)/(1−β₁ᵗ)`
    alpha: f64,
}

impl Adam {
    fn new(beta_1: f32, beta_2: f32, epsilon: f32, lr: f64, t: u64) -> Self {
        let (beta_1, beta_2, epsilon) = (f64::from(beta_1), f64::from(beta_2), f64::from(epsilon));
        let t = t as f64;
        Self { beta_1, beta_2, epsilon, alpha: lr * (1.0 - beta_2.powf(t)).sqrt() / (1.0 - beta_1.powf(t)) }
    }

    fn update(&self, p: &mut f64, g: f64, m: &mut f64, v: &mut f64) {
        *m += (g - *m) * (1.0 - self.beta_1);
        *v += (g * g - *v) * (1.0 - self.beta_2);
        *p -= self.alpha * *m / (v.sqrt() + self.epsilon);
    }
}

/// Moves RMSprop's `v` and returns `lr·g/√(v + ε)`.
fn rms_prop_step(v: &mut f64, g: f64, rho: f32, epsilon: f32, lr: f64) -> f64 {
    let rho = f64::from(rho);
    *v = rho * *v + (1.0 - rho) * g * g;
    lr * g / (*v + f64::from(epsilon)).sqrt()
}
