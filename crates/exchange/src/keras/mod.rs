//! Keras: `.keras` archives out, and `.keras` archives, whole models in `.h5` and weights alone in `.h5` in.
//!
//! A `.keras` file is a zip archive of `config.json` (the layers), `metadata.json` and `model.weights.h5`. There, layers
//! are not called by their names, but by their classes and a counter, in the order of the model: `layers/conv1d`,
//! `layers/conv1d_1`, `layers/dense`, …; the weights of each are `vars/0`, `vars/1`, …. In the `.h5` files of Keras 2, and of
//! `model.save("x.h5")` in Keras 3, the layers are an attribute `model_config`, and weights are called by names, which each
//! layer's attribute `weight_names` lists.

mod config;
mod layers;
mod loss;
mod preparation;
mod read;
mod weights;
mod write;

#[cfg(test)]
mod tests;

pub use read::{is_keras, read, read_weights};
pub use write::{Compiled, write};
