//! Dense layer: `y[n, o] = b[o] + Σ x[n, i] · k[i, o]`.
//!
//! Inputs are the outer loop and the batch the inner one: each row of the kernel is fetched once for the whole batch.

use super::row::{add_scaled, dot};

/// Shape of a dense layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dense {
    pub inputs: usize,
    pub units: usize,
}

impl Dense {
    /// Output (batch, units) of `input` (batch, inputs), before the ReLU.
    pub fn forward(&self, input: &[f64], kernel: &[f64], bias: &[f64]) -> Vec<f64> {
        let mut output = bias.repeat(input.len() / self.inputs);
        for (i, weights) in kernel.chunks_exact(self.units).enumerate() {
            for (x, y) in input.chunks_exact(self.inputs).zip(output.chunks_exact_mut(self.units)) {
                add_scaled(y, x[i], weights);
            }
        }
        output
    }

    /// Adds the gradients of kernel and bias to `d_kernel` and `d_bias`, and returns that of the input.
    pub fn backward(
        &self,
        input: &[f64],
        kernel: &[f64],
        d_output: &[f64],
        d_kernel: &mut [f64],
        d_bias: &mut [f64],
    ) -> Vec<f64> {
        for d_y in d_output.chunks_exact(self.units) {
            add_scaled(d_bias, 1.0, d_y);
        }
        let mut d_input = vec![0.0; input.len()];
        let rows = kernel.chunks_exact(self.units).zip(d_kernel.chunks_exact_mut(self.units));
        for (i, (weights, d_weights)) in rows.enumerate() {
            let samples = input.chunks_exact(self.inputs).zip(d_input.chunks_exact_mut(self.inputs));
            for ((x, d_x), d_y) in samples.zip(d_output.chunks_exact(self.units)) {
                add_scaled(d_weights, x[i], d_y);
                d_x[i] = dot(weights, d_y);
            }
        }
        d_input
    }
}
