//! Augmentation: random variations of training windows, so that a network learns the activity and not who wore the sensor.

use serde::{Deserialize, Serialize};
use triax_model::NetworkSpec;

/// The strengths by which each window of a training step is varied, anew in every step. All are 0 by default, and a
/// strength of 0 changes no bit.
///
/// The variations apply in this order. Before the scaler, on the sensor's values, so that gravity turns with the device:
///
/// 1. `shift` and `time_warp`: sample `t` is read at `t + shift + d(t)`, by linear interpolation; beyond the ends the
///    first or last sample is repeated. `d(t) = w·L/π · (sin(π·t/L + φ) − sin(π/2 + φ))` in a window of `L` samples, so
///    that the speed `1 + w·cos(π·t/L + φ)` changes smoothly; `w` is uniform in ± `time_warp`, `φ` in a whole turn.
/// 2. `permute_channels`, `flip_axes`, then `rotation`: the axes of each group of three channels are put in another order,
///    turned around, and turned. All groups of a window alike, as the sensors of a device turn together. The last `scalars`
///    channels are no axes, and stay: what is derived from a sensor and does not change when it is turned.
/// 3. `scaling`: one factor for the whole window, so that directions stay; uniform around 1.
/// 4. `mix` (mixup; Zhang et al., 2018): `x = x_own + share · (x_partner − x_own)`, where the partner is another window of
///    the batch, each as likely, as the steps before have left it (a batch of one window is its own partner), and the share
///    is uniform in [0, `mix`). The loss is what it would be on average if the label were the partner's with the chance
///    `share`: `(1 − share) · w_own · l(scores, own label) + share · w_partner · l(scores, partner's label)`, each `w` the
///    weight of a window times that of its class. Hits are of the own label, whose share is always the larger.
///
/// After the scaler: 5. `jitter`.
///
/// `mix` goes with every loss. Categorical cross-entropy is linear in the label, so that this is its value for the blended
/// label. A squared hinge pulls a score, within the margin, to the blend of the targets ±1; a hinge and a categorical hinge
/// ask for the own label, with a slope that is less by what the partner's asks against it.
///
/// All draws are functions of (seed, step, window in the batch), so that they depend neither on tiles and threads nor on
/// the rest of a fleet. They are made in f32 whatever an engine computes in; executors agree on every integer drawn, and
/// what becomes of a window of 100 samples is within 3e-5 of its largest value of what f64 would make of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Largest angle, in degrees, of a rotation about an axis of any direction: uniform in ± this, at most 180.
    pub rotation: f32,
    /// Standard deviation of the Gaussian noise on each value, in standardised units.
    pub jitter: f32,
    /// Standard deviation of a window's factor around 1. Below 0.57, so that no factor (uniform, within √3 deviations)
    /// turns a window over.
    pub scaling: f32,
    /// Largest shift, in samples, to either side.
    pub shift: u32,
    /// Largest relative change of speed, below 1: 0.2 for 0.8 to 1.2 of the speed.
    pub time_warp: f32,
    /// Largest share that another window of the batch has in each, at most 0.5: the mixup of Zhang et al. with α = 1, as a
    /// share beyond a half is that of the same two windows the other way around.
    pub mix: f32,
    /// Whether the axes of each group of three channels are put in a random order. That may mirror them.
    pub permute_channels: bool,
    /// Whether each axis of each group of three channels is turned around or not, as likely as not: the sensor may be worn
    /// upside down, with its back to the front, or on the other side of the body, which is the mirror image.
    pub flip_axes: bool,
    /// How many of a window's last channels are no axes of a sensor. No variation by itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub scalars: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Augmentation {
    /// Whether windows are not varied.
    pub fn is_none(&self) -> bool {
        Self { scalars: 0, ..*self } == Self::default()
    }

    /// Whether windows are resampled in time.
    pub fn resamples(&self) -> bool {
        self.shift > 0 || self.time_warp > 0.0
    }

    /// Whether axes are permuted, flipped or rotated.
    pub fn turns(&self) -> bool {
        self.rotation > 0.0 || self.permute_channels || self.flip_axes
    }

    /// `rotation` as a fraction of a whole turn.
    pub fn largest_turn(&self) -> f32 {
        self.rotation / 360.0
    }

    /// The largest difference of a factor from 1: a uniform number within ± this has the deviation `scaling`.
    pub fn largest_scaling(&self) -> f32 {
        self.scaling * 3.0_f32.sqrt()
    }

    /// Checks that the strengths are valid for windows of `spec`.
    ///
    /// # Errors
    /// The first invalid setting, as a sentence.
    pub fn check(&self, spec: &NetworkSpec) -> Result<(), String> {
        let within = |value: f32, end: f32| (0.0..end).contains(&value);
        if !(0.0..=180.0).contains(&self.rotation) {
            return Err(format!("the rotation is {} degrees; it must be from 0 to 180", self.rotation));
        }
        if !within(self.jitter, f32::INFINITY) {
            return Err(format!("the jitter is {}; it must be at least 0 and finite", self.jitter));
        }
        if !within(self.scaling, 0.57) {
            return Err(format!(
                "the deviation of the scaling is {}; it must be at least 0 and below 0.57",
                self.scaling
            ));
        }
        if !within(self.time_warp, 1.0) {
            return Err(format!("the time warp is {}; it must be at least 0 and below 1", self.time_warp));
        }
        if !(0.0..=0.5).contains(&self.mix) {
            return Err(format!("the share of another window in the mix is {}; it must be from 0 to 0.5", self.mix));
        }
        if self.shift as usize >= spec.window {
            return Err(format!("windows of {} samples cannot be shifted by {}", spec.window, self.shift));
        }
        let Some(axes) = spec.channels.checked_sub(self.scalars) else {
            return Err(format!("{} of {} channels cannot be scalars", self.scalars, spec.channels));
        };
        if self.turns() && !axes.is_multiple_of(3) {
            return Err(format!(
                "rotation and permutation are of groups of three channels (the axes of a sensor), and there are {axes}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(augmentation: Augmentation, channels: usize, reason: &str) {
        let refusal = augmentation.check(&NetworkSpec { channels, ..NetworkSpec::default() }).expect_err(reason);
        assert!(refusal.contains(reason), "{refusal}");
    }

    #[test]
    fn strengths_out_of_range_are_refused() {
        let none = Augmentation::default();
        for rotation in [-1.0, 180.5, f32::NAN] {
            refused(Augmentation { rotation, ..none }, 3, "degrees");
        }
        for bad in [-0.1, f32::NAN, f32::INFINITY] {
            refused(Augmentation { jitter: bad, ..none }, 3, "jitter");
            refused(Augmentation { scaling: bad, ..none }, 3, "scaling");
            refused(Augmentation { time_warp: bad, ..none }, 3, "time warp");
            refused(Augmentation { mix: bad, ..none }, 3, "mix");
        }
        refused(Augmentation { mix: 0.51, ..none }, 3, "0.51");
        refused(Augmentation { scaling: 0.57, ..none }, 3, "0.57");
        refused(Augmentation { time_warp: 1.0, ..none }, 3, "time warp");
        refused(Augmentation { shift: 120, ..none }, 3, "120");
        refused(Augmentation { rotation: 1.0, ..none }, 4, "there are 4");
        refused(Augmentation { permute_channels: true, ..none }, 1, "there are 1");
        refused(Augmentation { rotation: 1.0, scalars: 1, ..none }, 6, "there are 5");
        refused(Augmentation { scalars: 4, ..none }, 3, "4 of 3");
        let with_scalars = Augmentation { rotation: 1.0, scalars: 2, ..none };
        assert_eq!(with_scalars.check(&NetworkSpec { channels: 5, ..NetworkSpec::default() }), Ok(()));
        let all = Augmentation {
            rotation: 180.0,
            jitter: 2.0,
            scaling: 0.5,
            shift: 119,
            time_warp: 0.9,
            mix: 0.5,
            permute_channels: true,
            flip_axes: true,
            scalars: 0,
        };
        assert_eq!(all.check(&NetworkSpec { channels: 6, ..NetworkSpec::default() }), Ok(()));
    }

    #[test]
    fn settings_left_out_are_nothing_and_unknown_ones_are_refused() {
        assert!(serde_json::from_str::<Augmentation>("{}").unwrap().is_none());
        assert!(Augmentation { scalars: 2, ..Augmentation::default() }.is_none(), "scalars vary nothing");
        assert!(!serde_json::to_string(&Augmentation::default()).unwrap().contains("scalars"));
        let some: Augmentation = serde_json::from_str(r#"{"rotation": 20}"#).unwrap();
        assert_eq!(some, Augmentation { rotation: 20.0, ..Augmentation::default() });
        assert!(serde_json::from_str::<Augmentation>(r#"{"rotate": 20}"#).is_err());
    }
}
