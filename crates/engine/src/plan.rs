//! What a training step does: loss, optimizer, batch, regularisation.

use serde::{Deserialize, Serialize};
use triax_losses::Loss;

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
    /// Key of the dropout masks.
    pub seed: u64,
}
