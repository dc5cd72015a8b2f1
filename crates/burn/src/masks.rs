//! Dropout masks. They are drawn on the host, so that they are the same on every device, and copied several steps at a
//! time.

use std::collections::VecDeque;

use burn::tensor::{Device, Tensor, TensorData};
use triax_model::random::dropout_mask;

/// The bytes of masks in one copy. A copy ends a submission to a GPU, so a copy for each step would leave little to batch.
const COPY_BYTES: usize = 1 << 20;

/// The masks of the next steps.
pub(crate) struct Masks<S> {
    seed: u64,
    rate: f32,
    features: usize,
    /// The counter and the number of windows of each step whose mask is not drawn yet.
    steps: S,
    /// Masks (batch, features) on the device, the next step's first.
    ready: VecDeque<Tensor<2>>,
}

impl<S: Iterator<Item = (u64, usize)>> Masks<S> {
    /// The masks of `steps` (counter and number of windows of each) under `seed`.
    pub fn new(seed: u64, rate: f32, features: usize, steps: S) -> Self {
        Self { seed, rate, features, steps, ready: VecDeque::new() }
    }

    /// The mask (batch, features) of the next step; none without dropout.
    pub fn next(&mut self, device: &Device) -> Option<Tensor<2>> {
        if self.rate > 0.0 && self.ready.is_empty() {
            self.copy(device);
        }
        self.ready.pop_front()
    }

    /// Draws and copies the masks of the next steps.
    fn copy(&mut self, device: &Device) {
        let (mut values, mut ends) = (Vec::new(), Vec::new());
        while values.len() * size_of::<f32>() < COPY_BYTES {
            let Some((counter, n_windows)) = self.steps.next() else { break };
            let start = values.len();
            values.resize(start + n_windows * self.features, 0.0);
            dropout_mask(self.seed, counter, self.rate, self.features, &mut values[start..]);
            ends.push(values.len() / self.features);
        }
        let n_rows = values.len() / self.features;
        let masks = Tensor::<2>::from_data(TensorData::new(values, [n_rows, self.features]), device);
        let starts = [0].into_iter().chain(ends.iter().copied());
        self.ready.extend(starts.zip(&ends).map(|(start, &end)| masks.clone().slice(start..end)));
    }
}
