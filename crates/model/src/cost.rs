//! What a network costs where it runs: multiply-adds, memory for activations, and room for its parameters.

use serde::Serialize;

use crate::network::{Layer, Network};

/// The cost of a network for one window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// The layers that compute something, in order.
    pub layers: Vec<LayerCost>,
    /// Values of all kernels.
    pub n_kernel_values: usize,
    /// Values of all biases.
    pub n_bias_values: usize,
}

/// The cost of a layer for one window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerCost {
    /// `conv1`, `pool1`, `dense1`, …
    pub name: String,
    /// Values that it reads.
    pub n_inputs: usize,
    /// Values that it writes.
    pub n_outputs: usize,
    /// Values of its kernel and bias.
    pub n_parameters: usize,
    /// Multiply-adds.
    pub multiply_adds: u64,
}

/// The number format of what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 8-bit whole numbers; biases, which are added to sums of products, have 32 bits.
    Int8,
}

impl Network {
    /// What the network costs for one window.
    pub fn cost(&self) -> Cost {
        let layers = self.layers().iter().filter_map(|layer| {
            let (name, n_inputs, n_outputs, n_parameters) = match layer {
                Layer::Conv { name, input, output, kernel, .. } => {
                    (name, input.0 * input.1, output.0 * output.1, (kernel * input.1 + 1) * output.1)
                }
                Layer::Pool { name, input, output, .. } => (name, input.0 * input.1, output.0 * output.1, 0),
                Layer::Dense { name, inputs, units, .. } => (name, *inputs, *units, (inputs + 1) * units),
                Layer::Dropout { .. } => return None,
            };
            let multiply_adds = layer.multiply_adds();
            Some(LayerCost { name: name.clone(), n_inputs, n_outputs, n_parameters, multiply_adds })
        });
        let n_bias_values = self.parameters().iter().filter(|one| one.shape.len() == 1).map(|one| one.len()).sum();
        let n_kernel_values = self.n_parameters() - n_bias_values;
        Cost { layers: layers.collect(), n_kernel_values, n_bias_values }
    }
}

impl Cost {
    /// Multiply-adds of all layers.
    pub fn multiply_adds(&self) -> u64 {
        self.layers.iter().map(|layer| layer.multiply_adds).sum()
    }

    /// The layer whose input and output together have the most values, the first of equals. Both live while it computes, and
    /// nothing else has to: activations are computed in place, and dropout is no part of a finished network.
    pub fn peak(&self) -> &LayerCost {
        let peak = self.layers.iter().rev().max_by_key(|layer| layer.n_inputs + layer.n_outputs);
        peak.expect("every network has a dense layer")
    }

    /// Bytes of the activations at the [peak](Self::peak).
    pub fn peak_bytes(&self, precision: Precision) -> usize {
        let peak = self.peak();
        (peak.n_inputs + peak.n_outputs) * precision.bytes_of_a_value()
    }

    /// Bytes of all parameters, and of nothing else: neither scales of quantised values, nor code, nor the frame of a file.
    pub fn parameter_bytes(&self, precision: Precision) -> usize {
        let bytes_of_a_bias = match precision {
            Precision::Int8 => 4,
            Precision::F32 | Precision::F16 => precision.bytes_of_a_value(),
        };
        self.n_kernel_values * precision.bytes_of_a_value() + self.n_bias_values * bytes_of_a_bias
    }
}

impl Precision {
    /// Bytes of an activation, or of a value of a kernel.
    pub fn bytes_of_a_value(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Int8 => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DenseSpec, NetworkSpec};

    #[test]
    fn the_reference_network_costs_what_is_worked_out_by_hand() {
        let cost = Network::new(NetworkSpec::default()).unwrap().cost();
        let layers: Vec<_> = cost
            .layers
            .iter()
            .map(|one| (one.name.as_str(), one.n_inputs, one.n_outputs, one.n_parameters, one.multiply_adds))
            .collect();
        let expected = [
            ("conv1", 120 * 3, 59 * 32, 3 * 3 * 32 + 32, 59 * 32 * 9),
            ("pool1", 59 * 32, 29 * 32, 0, 0),
            ("conv2", 29 * 32, 14 * 64, 3 * 32 * 64 + 64, 14 * 64 * 96),
            ("dense1", 896, 120, 896 * 120 + 120, 896 * 120),
            ("dense2", 120, 6, 120 * 6 + 6, 120 * 6),
        ];
        assert_eq!(layers, expected);
        assert_eq!(cost.multiply_adds(), 16_992 + 86_016 + 107_520 + 720);
        // pool1 reads 1,888 values and writes 928; conv1 has 360 and 1,888.
        assert_eq!((cost.peak().name.as_str(), cost.peak_bytes(Precision::F32)), ("pool1", 4 * 2_816));
        assert_eq!(cost.peak_bytes(Precision::Int8), 2_816);
        // 222 biases.
        assert_eq!((cost.n_kernel_values, cost.n_bias_values), (114_672, 222));
        assert_eq!(cost.parameter_bytes(Precision::F32), 4 * 114_894);
        assert_eq!(cost.parameter_bytes(Precision::F16), 2 * 114_894);
        assert_eq!(cost.parameter_bytes(Precision::Int8), 114_672 + 4 * 222);
    }

    #[test]
    fn layers_and_parameters_count_the_same() {
        let spec = NetworkSpec { hidden: DenseSpec::relu([7, 5]), classes: 2, ..NetworkSpec::default() };
        let network = Network::new(spec).unwrap();
        let in_layers: usize = network.cost().layers.iter().map(|layer| layer.n_parameters).sum();
        assert_eq!(in_layers, network.n_parameters());
    }
}
