//! ONNX: what most programs read.
//!
//! A file is a protocol buffer with a graph of operators. Written are opset 13 and IR 7, with convolutions in one dimension and
//! channels first, as ONNX has them. Read are networks of the family, from here, from PyTorch and from Keras.

mod axes;
mod builder;
mod constants;
mod decode;
mod layers;
mod model;
mod read;
mod read_int8;
#[cfg(test)]
pub(crate) mod tests;
mod walk;
mod write;
mod write_int8;

pub use read::{is_onnx, read, read_ensemble};
pub use read_int8::read_int8;
pub use write::write;
pub use write_int8::write_int8;
