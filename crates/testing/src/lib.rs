//! Helpers that the tests of several crates share: a comparator, golden files, checks of shaders, pages in a browser, and
//! gates for tests that not every machine can run.
//!
//! This crate is a dev-dependency. It knows neither Burn, nor wgpu, nor a network, so that it builds fast.

mod browser;
mod compare;
mod gate;
mod golden;
mod shader;
mod tint;

pub use browser::{Browser, PageView, browser_or_skip};
pub use compare::{Agreement, Mismatch, SENTINEL, Tolerance, assert_close, compare, ulp};
pub use gate::{gpu_or_skip, has_c_compilers, has_cortex_m, require_gpu, tensorboard_or_skip, wisdm2_or_skip};
pub use golden::golden;
pub use shader::{Footprint, assert_translates, assert_within_limits, parse_shader};
pub use tint::{assert_browser_compiles, assert_tint_accepts};
