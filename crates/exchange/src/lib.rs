//! Trained networks in the formats of others, out and in.
//!
//! Every writer takes a [`Trained`], and every reader returns an [`Imported`]. A module for each format has `write`, `read`, or
//! both. They work on bytes: files are the business of those who call them.
//!
//! This crate knows neither how a network is trained, nor where its windows come from, nor the command line.

mod about;
mod arithmetic;
mod assembly;
pub mod c;
mod flatbuffer;
pub mod golden;
pub mod hdf5;
pub mod html;
mod imported;
pub mod int8;
pub mod keras;
pub mod onnx;
mod preprocessing;
pub mod protobuf;
pub mod tflite;
mod trained;

pub use about::About;
pub use arithmetic::softmax;
pub use imported::{Imported, ReadError, is_known, read, read_weights};
pub use trained::{Trained, Unsupported};
