//! What a training step does: loss, optimizer, batch, regularisation.

use serde::{Deserialize, Serialize};
use triax_losses::Loss;
use triax_model::Network;

use crate::{Augmentation, EngineError};

/// An optimizer in Keras's form, with Keras's defaults. The learning rate is not here: it changes from step to step.
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

    /// The settings by name, each with whether it may have the value it has.
    fn settings(&self) -> Vec<(&'static str, f32, bool)> {
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

    /// Names of the moments, in the order of [`crate::SessionState::moments`].
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

/// What every step of a run does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingPlan {
    /// The loss.
    pub loss: Loss,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Windows a step; the last step of an epoch takes what is left.
    pub batch_size: usize,
    /// Upper bound of the gradient's global norm, if any.
    pub clip_norm: Option<f32>,
    /// Weight of each class in the training loss, if any.
    pub class_weights: Option<Vec<f32>>,
    /// How the windows are varied. Not written where they are not, so that older plans are the same text.
    #[serde(default, skip_serializing_if = "Augmentation::is_none")]
    pub augmentation: Augmentation,
    /// Key of the dropout masks and of what augmentation draws.
    pub seed: u64,
}

impl TrainingPlan {
    /// Steps in an epoch over `n_windows` windows. The batch size must not be 0, which [`TrainingPlan::check`] refuses.
    pub fn n_steps(&self, n_windows: usize) -> usize {
        n_windows.div_ceil(self.batch_size)
    }

    /// Whether `network` can be trained by this plan.
    ///
    /// # Errors
    /// [`EngineError::Input`] for a batch of no windows, a setting of the optimizer out of its range, a bound of the norm
    /// that is not positive, class weights that are not one finite number, not below 0, for each class, or what
    /// [`Augmentation::check`] refuses.
    pub fn check(&self, network: &Network) -> Result<(), EngineError> {
        let classes = network.spec().classes;
        let problem = if self.batch_size == 0 {
            "the batch size is 0; it must be at least 1".to_owned()
        } else if let Some((name, value, _)) = self.optimizer.settings().into_iter().find(|(_, _, allowed)| !allowed) {
            format!("the optimizer's {name} is {value}; a share must be in [0, 1), anything else at least 0 and finite")
        } else if let Some(bound) = self.clip_norm.filter(|bound| !(*bound > 0.0 && bound.is_finite())) {
            format!("the gradient's norm cannot be held to {bound}; the bound must be positive")
        } else if let Some(weights) = self.class_weights.as_ref().filter(|weights| weights.len() != classes) {
            format!("{} class weights for {classes} classes", weights.len())
        } else if let Some(weight) =
            self.class_weights.iter().flatten().find(|weight| !(**weight >= 0.0 && weight.is_finite()))
        {
            format!("the class weight {weight} is not a finite number of at least 0")
        } else if let Err(problem) = self.augmentation.check(network.spec()) {
            problem
        } else {
            return Ok(());
        };
        Err(EngineError::Input(problem))
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
