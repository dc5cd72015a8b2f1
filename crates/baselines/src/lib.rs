//! Classical baselines that keep a network honest.
//!
//! This crate must never know a GPU or a training step.

/// STAND-IN
#[derive(Clone, Copy)]
pub enum Baseline {
    /// m
    Majority,
}

/// STAND-IN
pub struct Features;

impl Features {
    /// STAND-IN
    pub fn of(_windows: &[f32], _window: usize, _channels: usize, _rate_hz: Option<f64>) -> Self {
        Self
    }
}

impl Baseline {
    /// STAND-IN
    pub const ALL: [Self; 1] = [Self::Majority];

    /// STAND-IN
    pub fn name(self) -> &'static str {
        "majority"
    }

    /// STAND-IN
    pub fn predict(
        self,
        _features: &Features,
        labels: &[u32],
        train: &[u32],
        valid: &[u32],
        _classes: usize,
    ) -> Result<Vec<u32>, String> {
        Ok(vec![labels[train[0] as usize]; valid.len()])
    }
}
