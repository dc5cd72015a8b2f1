//! The values of a network's parameters.

use crate::random::{Purpose, Stream};

use crate::network::Network;

/// A named tensor of f32 values, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name of the parameter, as in [`crate::Parameter::name`].
    pub name: String,
    /// Shape, as in [`crate::Parameter::shape`].
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<f32>,
}

/// One tensor for each parameter of a network, in the network's order. Also used for gradients and moments, which have
/// the same shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The tensors, in the order of [`crate::Network::parameters`].
    pub tensors: Vec<Tensor>,
}

impl Weights {
    /// Keras's `glorot_uniform`: kernels uniform in ±√(6 / (fan-in + fan-out)), biases zero (Glorot and Bengio,
    /// "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010).
    ///
    /// Parameter number `i` of the network draws from stream `i` of `seed`. Only a square root and products are needed,
    /// which IEEE 754 rounds correctly: the bits are the same on every machine.
    pub fn glorot_uniform(network: &Network, seed: u64) -> Self {
        let mut weights = Self::zeros(network);
        for (i, (parameter, tensor)) in network.parameters().iter().zip(&mut weights.tensors).enumerate() {
            let fans = parameter.fan_in + parameter.fan_out;
            if fans == 0 {
                continue; // a bias
            }
            let limit = (6.0 / fans as f64).sqrt() as f32;
            let mut stream = Stream::new(seed, Purpose::Initialise, i as u64);
            // 2u − 1 is exact, since u is a multiple of 2⁻²⁴.
            tensor.values.fill_with(|| limit * (2.0 * stream.uniform() - 1.0));
        }
        weights
    }

    /// Zeros in the shapes of `network`.
    pub fn zeros(network: &Network) -> Self {
        let tensors = network.parameters().iter().map(|parameter| Tensor {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: vec![0.0; parameter.len()],
        });
        Self { tensors: tensors.collect() }
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// The name of the first tensor with a value that is NaN or infinite.
    pub fn first_non_finite(&self) -> Option<&str> {
        let found = self.tensors.iter().find(|tensor| tensor.values.iter().any(|value| !value.is_finite()));
        found.map(|tensor| tensor.name.as_str())
    }

    /// Checks that these are the tensors of `network`, in its order and shapes.
    ///
    /// # Errors
    /// The first difference, as a sentence that names the tensor.
    pub fn fits(&self, network: &Network) -> Result<(), String> {
        let parameters = network.parameters();
        for (tensor, parameter) in self.tensors.iter().zip(parameters) {
            if tensor.name != parameter.name {
                return Err(format!("tensor `{}` stands where `{}` is expected", tensor.name, parameter.name));
            }
            if tensor.shape != parameter.shape {
                return Err(format!(
                    "tensor `{}` has shape {:?}, the network needs {:?}",
                    tensor.name, tensor.shape, parameter.shape
                ));
            }
            if tensor.values.len() != parameter.len() {
                return Err(format!(
                    "tensor `{}` holds {} values, its shape needs {}",
                    tensor.name,
                    tensor.values.len(),
                    parameter.len()
                ));
            }
        }
        if let Some(parameter) = parameters.get(self.tensors.len()) {
            return Err(format!("tensor `{}` is missing", parameter.name));
        }
        if let Some(tensor) = self.tensors.get(parameters.len()) {
            return Err(format!("tensor `{}` is not part of the network", tensor.name));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{DenseSpec, NetworkSpec};

    fn reference() -> Network {
        Network::new(NetworkSpec::default()).unwrap()
    }

    #[test]
    fn glorot_uniform_fills_its_range_and_leaves_biases_zero() {
        let network = reference();
        let weights = Weights::glorot_uniform(&network, 0);
        for (parameter, tensor) in network.parameters().iter().zip(&weights.tensors) {
            if parameter.name.ends_with(".bias") {
                assert!(tensor.values.iter().all(|&value| value == 0.0), "{}", parameter.name);
                continue;
            }
            let limit = (6.0 / (parameter.fan_in + parameter.fan_out) as f64).sqrt();
            let n = tensor.values.len() as f64;
            let largest = tensor.values.iter().fold(0.0_f64, |largest, &value| largest.max(f64::from(value).abs()));
            assert!(largest <= limit * (1.0 + 1e-7), "{}: {largest} > {limit}", parameter.name);
            // All n draws below 0.95·limit has a probability of at most 0.95²⁸⁸ = 4e-7.
            assert!(largest > 0.95 * limit, "{}: {largest} of {limit}", parameter.name);
            // Five standard deviations of the mean of n uniform draws.
            let mean = tensor.values.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
            assert!(mean.abs() < 5.0 * limit / (3.0 * n).sqrt(), "{}: mean {mean}", parameter.name);
        }
    }

    #[test]
    fn the_draw_is_the_same_on_every_machine() {
        // FNV-1a over the bits of the reference network's weights from seed 0. A change here changes every seeded run.
        let weights = Weights::glorot_uniform(&reference(), 0);
        let values = weights.tensors.iter().flat_map(|tensor| &tensor.values);
        let digest = values
            .flat_map(|value| value.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        assert_eq!(digest, 0xda43_aa37_625e_4e2b, "{digest:#x}");
    }

    #[test]
    fn seeds_and_layers_differ() {
        let network =
            Network::new(NetworkSpec { hidden: DenseSpec::relu([6, 6]), classes: 6, ..Default::default() }).unwrap();
        let weights = Weights::glorot_uniform(&network, 1);
        assert_eq!(weights, Weights::glorot_uniform(&network, 1));
        assert_ne!(weights, Weights::glorot_uniform(&network, 2));
        assert_ne!(weights.get("dense2.kernel").unwrap().values, weights.get("dense3.kernel").unwrap().values);
        assert_eq!(weights.get("dense4.kernel"), None);
    }

    #[test]
    fn weights_that_do_not_fit_are_refused_with_the_reason() {
        let network = reference();
        assert_eq!(Weights::zeros(&network).fits(&network), Ok(()));
        type Change = fn(&mut Weights);
        let cases: [(&str, Change); 6] = [
            ("`dense2.bias` is missing", |w| w.tensors.truncate(7)),
            ("`extra` is not part", |w| {
                w.tensors.push(Tensor { name: "extra".into(), shape: vec![], values: vec![] });
            }),
            ("`conv1.bias` stands where `conv1.kernel`", |w| w.tensors.swap(0, 1)),
            ("`conv1.kernel` has shape [32, 3, 3]", |w| w.tensors[0].shape = vec![32, 3, 3]),
            ("`conv1.bias` holds 31", |w| w.tensors[1].values.truncate(31)),
            ("`conv1.kernel` is missing", |w| w.tensors.clear()),
        ];
        for (reason, change) in cases {
            let mut weights = Weights::zeros(&network);
            change(&mut weights);
            let refusal = weights.fits(&network).expect_err(reason);
            assert!(refusal.contains(reason), "{refusal}");
        }
    }

    #[test]
    fn the_first_value_that_is_not_finite_is_found() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut weights = Weights::zeros(&reference());
            assert_eq!(weights.first_non_finite(), None);
            weights.tensors[5].values[119] = bad;
            weights.tensors[7].values[0] = bad;
            assert_eq!(weights.first_non_finite(), Some("dense1.bias"));
        }
    }
}
