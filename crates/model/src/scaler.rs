//! Standardisation of sensor channels.

use serde::{Deserialize, Serialize};

/// Mean and scale of each channel, as in scikit-learn's `StandardScaler`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaler {
    /// Mean of each channel, in the sensor's unit.
    pub mean: Vec<f32>,
    /// Population standard deviation of each channel; 1 for a constant channel.
    pub scale: Vec<f32>,
}

impl Scaler {
    /// Replaces `values` (.., channels) by `(value − mean) / scale`. A last row that is not whole is scaled too.
    pub fn apply(&self, values: &mut [f32]) {
        for row in values.chunks_mut(self.mean.len().max(1)) {
            for ((value, mean), scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
                *value = (*value - mean) / scale;
            }
        }
    }

    /// Checks that this scales `channels` channels to finite values.
    ///
    /// # Errors
    /// The problem, as a sentence.
    pub fn fits(&self, channels: usize) -> Result<(), String> {
        if self.mean.len() != channels || self.scale.len() != channels {
            let (means, scales) = (self.mean.len(), self.scale.len());
            return Err(format!("{means} means and {scales} scales stand for {channels} channels"));
        }
        if let Some(channel) = self.mean.iter().position(|mean| !mean.is_finite()) {
            return Err(format!("the mean of channel {channel} is {}", self.mean[channel]));
        }
        if let Some(channel) = self.scale.iter().position(|&scale| !(scale > 0.0 && scale.is_finite())) {
            return Err(format!("the scale of channel {channel} is {}, not a positive number", self.scale[channel]));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_own_mean_and_scale() {
        let scaler = Scaler { mean: vec![1.0, -2.0], scale: vec![2.0, 0.5] };
        let mut values = [1.0, -2.0, 5.0, -1.0, -1.0, -3.0];
        scaler.apply(&mut values);
        assert_eq!(values, [0.0, 0.0, 2.0, 2.0, -1.0, -2.0]);
    }

    #[test]
    fn a_scaler_that_cannot_work_is_refused() {
        let scaler = |mean: &[f32], scale: &[f32]| Scaler { mean: mean.into(), scale: scale.into() };
        assert_eq!(scaler(&[0.0, 1.0], &[1.0, 1e-3]).fits(2), Ok(()));
        for (bad, reason) in [
            (scaler(&[0.0], &[1.0]), "1 means"),
            (scaler(&[0.0, 0.0], &[1.0]), "1 scales"),
            (scaler(&[0.0, f32::NAN], &[1.0, 1.0]), "mean of channel 1 is NaN"),
            (scaler(&[0.0, 0.0], &[0.0, 1.0]), "scale of channel 0 is 0"),
            (scaler(&[0.0, 0.0], &[1.0, -1.0]), "scale of channel 1 is -1"),
            (scaler(&[0.0, 0.0], &[f32::INFINITY, 1.0]), "scale of channel 0 is inf"),
        ] {
            let refusal = bad.fits(2).expect_err(reason);
            assert!(refusal.contains(reason), "{refusal}");
        }
    }
}
