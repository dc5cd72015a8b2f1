//! What the tests of several crates share: one comparator, golden files, checks of shaders, pages in a
//! browser, and the gates for tests that need what not every machine has.
//!
//! A dev-dependency only. This crate must never know Burn, wgpu or a network, so that every crate's tests can afford it.

mod browser;
mod compare;
mod gate;
mod golden;
mod shader;

pub use browser::{Browser, Looked, browser_or_skip};
pub use compare::{Agreement, Mismatch, SENTINEL, Tolerance, assert_close, compare, ulp};
pub use gate::{gpu_or_skip, require_gpu, tensorboard_or_skip, wisdm2_or_skip};
pub use golden::golden;
pub use shader::{Footprint, assert_translates, assert_within_limits, parse_shader};
