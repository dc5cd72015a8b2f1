//! Trained networks in the formats of others, out and in.
//!
//! Every writer takes a [`Trained`], and every reader returns an [`Imported`]. A module for each format has `write`, `read`, or
//! both. They work on bytes: files are the business of those who call them.
//!
//! This crate knows neither how a network is trained, nor where its windows come from, nor the command line.

mod about;
mod arithmetic;
pub mod c;
pub mod golden;
pub mod html;
mod imported;
pub mod int8;
mod trained;

pub use about::About;
pub use arithmetic::softmax;
pub use imported::{Imported, ReadError};
pub use trained::{Trained, Unsupported};
