//! TensorFlow Lite: what phones and microcontrollers read.
//!
//! A file is a FlatBuffer with a graph of operators. Convolutions and pools are written in two dimensions with a height of 1,
//! which is what TensorFlow Lite Micro has. Read are files that were written here, to verify them.

mod builder;
mod model;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{read, read_int8};
pub use write::{write, write_int8};
