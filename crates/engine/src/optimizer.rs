//! The optimizers, in Keras's form.

use serde::{Deserialize, Serialize};

/// An optimizer in Keras's form, with Keras's defaults. The learning rate is not part of it: it changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// `α = lr·√(1−β₂ᵗ)/(1−β₁ᵗ)`, `m += (g−m)(1−β₁)`, `v += (g²−v)(1−β₂)`, `p −= α·m/(√v + ε)`.
    Adam {
        /// β₁
        beta_1: f32,
        /// β₂
        beta_2: f32,
        /// ε
        epsilon: f32,
    },
    /// Adam, after `p −= lr·weight_decay·p`.
    AdamW {
        /// β₁
        beta_1: f32,
        /// β₂
        beta_2: f32,
        /// ε
        epsilon: f32,
        /// Decoupled weight decay.
        weight_decay: f32,
    },
    /// `v = momentum·v − lr·g`, `p += v`; with Nesterov `p += momentum·v − lr·g`.
    Sgd {
        /// Momentum; 0 for plain gradient descent.
        momentum: f32,
        /// Nesterov's form.
        nesterov: bool,
    },
    /// `v = ρ·v + (1−ρ)·g²`, `d = lr·g/√(v + ε)`; `p −= d`, or with momentum `b = momentum·b + d`, `p −= b`.
    RmsProp {
        /// ρ
        rho: f32,
        /// Momentum.
        momentum: f32,
        /// ε
        epsilon: f32,
    },
}

impl Optimizer {
    /// Adam with Keras's defaults: β₁ = 0.9, β₂ = 0.999, ε = 1e-7.
    pub fn adam() -> Self {
        Self::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }

    /// AdamW with Keras's defaults: as Adam, with a weight decay of 0.004.
    pub fn adam_w() -> Self {
        Self::AdamW { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, weight_decay: 0.004 }
    }

    /// Plain gradient descent, as Keras's SGD is by default.
    pub fn sgd() -> Self {
        Self::Sgd { momentum: 0.0, nesterov: false }
    }

    /// RMSprop with Keras's defaults: ρ = 0.9, no momentum, ε = 1e-7.
    pub fn rms_prop() -> Self {
        Self::RmsProp { rho: 0.9, momentum: 0.0, epsilon: 1e-7 }
    }

    /// The factor of an update's direction: Adam's α of update number `t` (from 1), or the learning rate of any other
    /// optimizer. It is computed in f64 by every engine, so that all round the same number.
    pub fn step_size(&self, learning_rate: f64, t: u64) -> f64 {
        match *self {
            Self::Adam { beta_1, beta_2, .. } | Self::AdamW { beta_1, beta_2, .. } => {
                let remaining = |beta: f32| 1.0 - f64::from(beta).powf(t as f64);
                learning_rate * remaining(beta_2).sqrt() / remaining(beta_1)
            }
            Self::Sgd { .. } | Self::RmsProp { .. } => learning_rate,
        }
    }

    /// The share of its value that an update subtracts from each parameter: `lr·weight_decay` for AdamW, else 0.
    pub fn decay(&self, learning_rate: f64) -> f64 {
        match *self {
            Self::AdamW { weight_decay, .. } => learning_rate * f64::from(weight_decay),
            Self::Adam { .. } | Self::Sgd { .. } | Self::RmsProp { .. } => 0.0,
        }
    }

    /// The settings by name, each with whether its value is allowed.
    pub(crate) fn settings(&self) -> Vec<(&'static str, f32, bool)> {
        let share = |name, value: f32| (name, value, (0.0..1.0).contains(&value));
        let size = |name, value: f32| (name, value, value >= 0.0 && value.is_finite());
        match *self {
            Self::Adam { beta_1, beta_2, epsilon } => {
                vec![share("beta_1", beta_1), share("beta_2", beta_2), size("epsilon", epsilon)]
            }
            Self::AdamW { beta_1, beta_2, epsilon, weight_decay } => vec![
                share("beta_1", beta_1),
                share("beta_2", beta_2),
                size("epsilon", epsilon),
                size("weight_decay", weight_decay),
            ],
            Self::Sgd { momentum, .. } => vec![share("momentum", momentum)],
            Self::RmsProp { rho, momentum, epsilon } => {
                vec![share("rho", rho), share("momentum", momentum), size("epsilon", epsilon)]
            }
        }
    }

    /// The names of the moments, in the order of [`crate::SessionState::moments`].
    pub fn moment_names(&self) -> &'static [&'static str] {
        match self {
            Self::Adam { .. } | Self::AdamW { .. } => &["m", "v"],
            Self::Sgd { momentum, .. } if *momentum == 0.0 => &[],
            Self::Sgd { .. } => &["momentum"],
            Self::RmsProp { momentum, .. } if *momentum == 0.0 => &["v"],
            Self::RmsProp { .. } => &["v", "momentum"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Optimizer;

    #[test]
    fn an_optimizer_travels_as_json() {
        for optimizer in [Optimizer::adam(), Optimizer::adam_w(), Optimizer::sgd(), Optimizer::rms_prop()] {
            let json = serde_json::to_string(&optimizer).unwrap();
            assert_eq!(serde_json::from_str::<Optimizer>(&json).unwrap(), optimizer);
        }
        let misspelt = r#"{"name": "sgd", "momentum": 0.9, "nestorov": true}"#;
        assert!(serde_json::from_str::<Optimizer>(misspelt).is_err());
    }

    #[test]
    fn the_first_steps_of_adam_are_those_of_the_formula() {
        let (beta_1, beta_2) = (f64::from(0.9_f32), f64::from(0.999_f32));
        let adam_w = Optimizer::adam_w();
        assert_eq!(adam_w.step_size(0.5, 1), 0.5 * (1.0 - beta_2).sqrt() / (1.0 - beta_1));
        let second = 0.5 * (1.0 - beta_2 * beta_2).sqrt() / (1.0 - beta_1 * beta_1);
        assert!((adam_w.step_size(0.5, 2) / second - 1.0).abs() < 1e-12);
        // Both powers vanish.
        assert_eq!(adam_w.step_size(0.5, 1_000_000), 0.5);
        assert_eq!((adam_w.decay(0.5), Optimizer::adam().decay(0.5)), (0.5 * f64::from(0.004_f32), 0.0));
        assert_eq!((Optimizer::sgd().step_size(0.5, 3), Optimizer::sgd().decay(0.5)), (0.5, 0.0));
    }

    #[test]
    fn defaults_are_allowed_and_values_out_of_range_are_not() {
        let allowed = |optimizer: Optimizer| optimizer.settings().iter().all(|(_, _, allowed)| *allowed);
        for optimizer in [Optimizer::adam(), Optimizer::adam_w(), Optimizer::sgd(), Optimizer::rms_prop()] {
            assert!(allowed(optimizer));
        }
        for value in [-0.1, 1.0, f32::NAN] {
            assert!(!allowed(Optimizer::Sgd { momentum: value, nesterov: false }));
            assert!(!allowed(Optimizer::Adam { beta_1: 0.9, beta_2: value, epsilon: 1e-7 }));
        }
        for value in [-0.1, f32::INFINITY, f32::NAN] {
            assert!(!allowed(Optimizer::RmsProp { rho: 0.9, momentum: 0.0, epsilon: value }));
        }
    }
}
