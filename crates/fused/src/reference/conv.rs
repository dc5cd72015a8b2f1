//! Conv1D with valid padding: `y[n, t, o] = b[o] + Σ x[n, t·stride + j, c] · k[j, c, o]` over taps j and channels c.
//!
//! The layout is channels-last, so the taps and channels that one output position reads lie side by side: the layer is
//! a matrix product of overlapping rows with the kernel as a (kernel × in, out) matrix.

use super::row::{add_scaled, dot};

/// Shape of a convolution; inputs and outputs are (positions, channels).
#[derive(Clone, Copy, Debug)]
pub(super) struct Conv {
    pub input: (usize, usize),
    pub output: (usize, usize),
    pub kernel: usize,
    pub stride: usize,
}

impl Conv {
    /// Where, in a sample, the values lie that output position `t` reads.
    fn receptive(&self, t: usize) -> std::ops::Range<usize> {
        let start = t * self.stride * self.input.1;
        start..start + self.kernel * self.input.1
    }

    /// Output (batch, positions, filters) of `input` (batch, positions, channels), before the ReLU.
    pub fn forward(&self, input: &[f64], kernel: &[f64], bias: &[f64]) -> Vec<f64> {
        let (positions, filters) = self.output;
        let mut output = Vec::new();
        for sample in input.chunks_exact(self.input.0 * self.input.1) {
            for t in 0..positions {
                let start = output.len();
                output.extend_from_slice(bias);
                let y = &mut output[start..];
                for (&x, weights) in sample[self.receptive(t)].iter().zip(kernel.chunks_exact(filters)) {
                    add_scaled(y, x, weights);
                }
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
        let (positions, filters) = self.output;
        let n_sample = self.input.0 * self.input.1;
        let mut d_input = vec![0.0; input.len()];
        let samples = input.chunks_exact(n_sample).zip(d_input.chunks_exact_mut(n_sample));
        for ((x, d_x), d_y) in samples.zip(d_output.chunks_exact(positions * filters)) {
            for (t, d_y) in d_y.chunks_exact(filters).enumerate() {
                add_scaled(d_bias, 1.0, d_y);
                let x = &x[self.receptive(t)];
                for (&x, d_weights) in x.iter().zip(d_kernel.chunks_exact_mut(filters)) {
                    add_scaled(d_weights, x, d_y);
                }
                let d_x = &mut d_x[self.receptive(t)];
                for (d_x, weights) in d_x.iter_mut().zip(kernel.chunks_exact(filters)) {
                    *d_x += dot(weights, d_y);
                }
            }
        }
        d_input
    }
}
