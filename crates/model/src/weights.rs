//! The values of a network's parameters.

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
