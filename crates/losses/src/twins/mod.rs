//! The Rust twins of the kernels. Each file computes what the WGSL of the same stem computes, in f32 or f64.

pub(crate) mod categorical_crossentropy;
pub(crate) mod categorical_hinge;
pub(crate) mod hinge;
mod loss_rows;
pub(crate) mod smoothed_crossentropy;
pub(crate) mod squared_hinge;
#[cfg(test)]
mod tests;

pub use loss_rows::loss_rows;
