//! Trained networks in the formats of others, out and in.

pub mod hdf5;
