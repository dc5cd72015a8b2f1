//! All parameters of a network as one vector on a device.
//!
//! The vector holds the tensors of [`Network::parameters`] in order, each row-major. An optimizer takes a dozen
//! operations on it, and would take a hundred on a tensor for each parameter; on a GPU a launch costs more than the
//! arithmetic.

use burn::tensor::{Device, ExecutionError, Tensor, TensorData};
use triax_model::{self as model, Network, Weights};

/// Copies `weights` to `device`.
pub(crate) fn upload(weights: &Weights, device: &Device) -> Tensor<1> {
    let values: Vec<f32> = weights.tensors.iter().flat_map(|tensor| tensor.values.iter().copied()).collect();
    let n_values = values.len();
    Tensor::from_data(TensorData::new(values, [n_values]), device)
}

/// Reads a vector back as the weights of `network`.
pub(crate) fn download(network: &Network, vector: &Tensor<1>) -> Result<Weights, ExecutionError> {
    let values = read(vector.clone())?;
    let mut rest = values.as_slice();
    let tensors = network.parameters().iter().map(|parameter| {
        let (values, after) = rest.split_at(parameter.len());
        rest = after;
        model::Tensor { name: parameter.name.clone(), shape: parameter.shape.clone(), values: values.to_vec() }
    });
    Ok(Weights { tensors: tensors.collect() })
}

/// Reads the values of a float tensor.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ExecutionError> {
    Ok(tensor.try_into_data()?.try_into_vec().expect("tensors of this crate are f32"))
}
