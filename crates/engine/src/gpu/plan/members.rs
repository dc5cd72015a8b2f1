//! The words that describe a model and a step to the kernels: see `kernels/part/member.wgsl` and `kernels/part/place.wgsl`.

use crate::{Member, Optimizer};
use triax_losses::SmoothedLoss;
use triax_model::Network;

use super::key::{MEMBER_HEAD, STEP_HEAD};

/// The probability with which `network` drops a feature.
pub(in crate::gpu) fn dropout(network: &Network) -> f32 {
    network.spec().dropout
}

/// The words of `member` in a fleet with these losses.
pub(in crate::gpu) fn member_words(member: &Member<'_>, losses: &[SmoothedLoss]) -> Vec<u32> {
    let (spec, plan) = (member.network.spec(), member.plan);
    let own = plan.training_loss();
    let which = losses.iter().position(|loss| *loss == own).expect("the fleet's losses are those of its members");
    let rate = dropout(member.network);
    let mut words = vec![plan.seed as u32, (plan.seed >> 32) as u32, which as u32];
    let clip = plan.clip_norm.unwrap_or(f32::MAX);
    let settings = settings(&plan.optimizer);
    let numbers = [rate, 1.0 / (1.0 - rate), clip].into_iter().chain(settings);
    words.extend(numbers.map(f32::to_bits));
    let augmentation = &plan.augmentation;
    words.extend([
        augmentation.largest_turn().to_bits(),
        u32::from(augmentation.permute_channels)
            + 2 * u32::from(augmentation.flip_axes)
            + 4 * augmentation.scalars as u32,
        augmentation.largest_scaling().to_bits(),
        augmentation.shift,
        augmentation.time_warp.to_bits(),
        augmentation.jitter.to_bits(),
        augmentation.mix.to_bits(),
    ]);
    debug_assert_eq!(words.len(), MEMBER_HEAD);
    let (mean, scale) = match member.scaler {
        Some(scaler) => (scaler.mean.clone(), scaler.scale.clone()),
        None => (vec![0.0; spec.channels], vec![1.0; spec.channels]),
    };
    let class_weights = plan.class_weights.clone().unwrap_or_else(|| vec![1.0; spec.classes]);
    words.extend(mean.into_iter().chain(scale).chain(class_weights).map(f32::to_bits));
    words
}

/// The settings of an optimizer, in the order that its kernel names. Complements are computed in f64 and rounded once.
fn settings(optimizer: &Optimizer) -> [f32; 4] {
    let rest = |share: f32| (1.0 - f64::from(share)) as f32;
    // Padding has neither gradient nor moments; with an ε of 0 it would become 0/0.
    let positive = |epsilon: f32| epsilon.max(f32::MIN_POSITIVE);
    match *optimizer {
        Optimizer::Adam { beta_1, beta_2, epsilon } | Optimizer::AdamW { beta_1, beta_2, epsilon, .. } => {
            [rest(beta_1), rest(beta_2), positive(epsilon), 0.0]
        }
        Optimizer::Sgd { momentum, .. } => [momentum, 0.0, 0.0, 0.0],
        Optimizer::RmsProp { rho, momentum, epsilon } => [rho, rest(rho), positive(epsilon), momentum],
    }
}

/// One step of one model.
pub(in crate::gpu) struct Step<'a> {
    /// The indices of its windows on the device.
    pub windows: &'a mut dyn Iterator<Item = u32>,
    pub n_windows: usize,
    /// The number of steps before this one: the counter of dropout.
    pub counter: u64,
    pub optimizer: &'a Optimizer,
    pub learning_rate: f32,
    /// The number of updates, including this one.
    pub updates: u64,
    /// The index of the model's result that it writes.
    pub result: usize,
}

impl Step<'_> {
    /// Writes its words. The words of absent windows are left as they are.
    pub fn write(self, words: &mut [u32]) {
        let learning_rate = f64::from(self.learning_rate);
        let rate = self.optimizer.step_size(learning_rate, self.updates) as f32;
        let decay = self.optimizer.decay(learning_rate) as f32;
        words[..STEP_HEAD].copy_from_slice(&[
            self.n_windows as u32,
            self.counter as u32,
            (self.counter >> 32) as u32,
            rate.to_bits(),
            decay.to_bits(),
            self.result as u32,
            0,
            0,
        ]);
        words[STEP_HEAD..].iter_mut().zip(self.windows).for_each(|(word, window_idx)| *word = window_idx);
    }
}
