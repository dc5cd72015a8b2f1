//! Everything that a plan depends on.

use crate::{Augmentation, Optimizer};
use triax_losses::{Loss, SmoothedLoss};

use super::layout::Layout;

/// The words of a model before its scaler and its class weights: MEMBER_CHANNELS of `kernels/part/member.wgsl`.
pub(super) const MEMBER_HEAD: usize = 17;

/// The words of a step before the indices of its windows: STEP_WINDOWS of `kernels/part/place.wgsl`.
pub(super) const STEP_HEAD: usize = 8;

/// The samples of a whole tile.
pub(super) const TILE: usize = 32;

/// What a kernel depends on of an optimizer. Its settings are data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum OptimizerForm {
    Adam { decays: bool },
    Sgd,
    Momentum { nesterov: bool },
    RmsProp { momentum: bool },
}

impl OptimizerForm {
    pub fn new(optimizer: &Optimizer) -> Self {
        match *optimizer {
            Optimizer::Adam { .. } => Self::Adam { decays: false },
            Optimizer::AdamW { .. } => Self::Adam { decays: true },
            Optimizer::Sgd { momentum: 0.0, .. } => Self::Sgd,
            Optimizer::Sgd { nesterov, .. } => Self::Momentum { nesterov },
            Optimizer::RmsProp { momentum, .. } => Self::RmsProp { momentum: momentum != 0.0 },
        }
    }

    /// The number of moments of each parameter.
    pub fn moments(self) -> usize {
        match self {
            Self::Sgd => 0,
            Self::Momentum { .. } | Self::RmsProp { momentum: false } => 1,
            Self::Adam { .. } | Self::RmsProp { momentum: true } => 2,
        }
    }
}

/// The windows that a pass takes at once: `tiles` tiles of `samples` windows, of which the last may be incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Batch {
    pub samples: usize,
    pub tiles: usize,
}

impl Batch {
    /// For `n` windows: tiles of 32, or one smaller tile.
    pub fn new(n: usize) -> Self {
        let samples = n.next_power_of_two().clamp(4, TILE);
        Self { samples, tiles: n.div_ceil(samples).max(1) }
    }

    /// Whole tiles, also for fewer windows, so that no score depends on how many are scored at once.
    pub fn of_tiles(tiles: usize) -> Self {
        Self { samples: TILE, tiles }
    }

    /// Vectors of a row: quads of samples.
    pub fn quads(self) -> usize {
        self.samples / 4
    }

    pub fn windows(self) -> usize {
        self.samples * self.tiles
    }

    /// Tiles of `n` windows.
    pub fn tiles_of(self, n: usize) -> usize {
        n.div_ceil(self.samples)
    }

    /// The words of a step of one model.
    pub fn step_words(self) -> usize {
        STEP_HEAD + self.windows()
    }
}

/// The kinds of augmentation in a fleet. Their strengths are data of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct AugmentationKinds {
    pub resamples: bool,
    pub turns: bool,
    pub scales: bool,
    pub mixes: bool,
    pub jitters: bool,
}

impl AugmentationKinds {
    /// The kinds that any of `augmentations` has.
    pub fn union<'a>(augmentations: impl Iterator<Item = &'a Augmentation>) -> Self {
        augmentations.fold(Self::default(), |all, one| Self {
            resamples: all.resamples || one.resamples(),
            turns: all.turns || one.turns(),
            scales: all.scales || one.scaling > 0.0,
            mixes: all.mixes || one.mix > 0.0,
            jitters: all.jitters || one.jitter > 0.0,
        })
    }

    pub fn is_any(self) -> bool {
        self != Self::default()
    }
}

/// How many models a fleet has, roughly: what keeps a device busy depends on it. A class, and not the number, so that a
/// fleet that grows a little keeps its kernels, and each model its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum FleetSize {
    /// Up to 16: a step waits for its dispatches. Few of them, of many small work items.
    Few,
    /// Up to 127.
    Some,
    /// A step waits for memory. Operands are staged and read once.
    Many,
}

impl FleetSize {
    #[cfg(test)]
    pub const ALL: [Self; 3] = [Self::Few, Self::Some, Self::Many];

    pub fn of(n_models: usize) -> Self {
        match n_models {
            0..=16 => Self::Few,
            17..=127 => Self::Some,
            _ => Self::Many,
        }
    }

    /// The number of models that the shapes of its kernels are made for.
    pub fn models(self) -> usize {
        match self {
            Self::Few => 2,
            Self::Some => 32,
            Self::Many => 256,
        }
    }
}

/// The different losses among `used`, in the order of [`Loss::ALL`] and of their smoothing.
pub(in crate::gpu) fn different_losses(used: &[SmoothedLoss]) -> Vec<SmoothedLoss> {
    let place = |loss: &SmoothedLoss| Loss::ALL.iter().position(|known| *known == loss.loss());
    let mut losses = used.to_vec();
    // Positive numbers are in the order of their bits.
    losses.sort_by_key(|loss| (place(loss), loss.smoothing().to_bits()));
    losses.dedup();
    losses
}

/// Everything that the kernels of a fleet depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct FleetKey {
    pub layout: Layout,
    pub size: FleetSize,
    /// The losses of the fleet. A model refers to its loss by the index.
    pub losses: Vec<SmoothedLoss>,
    pub optimizer: OptimizerForm,
    /// Whether any model standardises its windows.
    pub scaled: bool,
    /// Whether any model has dropout.
    pub drops: bool,
    /// Whether any model clips its gradient.
    pub clips: bool,
    /// How training windows are augmented.
    pub augmentation: AugmentationKinds,
    pub training: Batch,
    pub evaluation: Batch,
    /// The invocations that every subgroup of the device has at least; 1 without subgroups.
    pub subgroup: usize,
}

impl FleetKey {
    /// Words of a model.
    pub fn member_words(&self) -> usize {
        MEMBER_HEAD + 2 * self.layout.channels + self.layout.classes
    }

    /// Windows that a sample is made of.
    pub fn parts(&self) -> usize {
        1 + usize::from(self.augmentation.mixes)
    }

    /// Vectors of the parameters of a model: its weights and their moments.
    pub fn parameters(&self) -> usize {
        (1 + self.optimizer.moments()) * self.layout.weights
    }
}
