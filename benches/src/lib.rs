//! Criterion benchmarks of the loss kernels and of the reference step.
