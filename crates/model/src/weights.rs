//! The values of a network's parameters.

use triax_random::{Purpose, Stream};

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

    /// Name of the first tensor with a value that is NaN or infinite.
    pub fn first_non_finite(&self) -> Option<&str> {
        let found = self.tensors.iter().find(|tensor| tensor.values.iter().any(|value| !value.is_finite()));
        found.map(|tensor| tensor.name.as_str())
    }

    /// Whether these are the tensors of `network`, in its order and shapes.
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
