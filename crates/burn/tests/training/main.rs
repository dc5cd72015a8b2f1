//! Training with Burn, held against the f64 reference, on the CPU and on a GPU where there is one.

mod agreement;
mod continuing;
mod refusing;
mod setup;
