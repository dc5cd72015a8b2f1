//! What happens to a window before the first layer, as formulas with their numbers.

use serde::Serialize;
use triax_model::PerWindow;

use crate::predictor::NetworkMember;

/// The way from the sensor's values to those that the first layer reads. Steps follow each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preprocessing {
    /// Each step, as a sentence with its formula. `x` is a value, `t` counts the samples of the window.
    pub steps: Vec<String>,
    /// The numbers of `(x − mean) / scale`, in the order of the channels; empty without a scaler.
    pub channels: Vec<ChannelScale>,
}

/// The numbers of one channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelScale {
    /// Name of the channel.
    pub channel: String,
    /// Mean over the training windows, in the sensor's unit; after gravity alignment, where there is one.
    pub mean: f32,
    /// Standard deviation over the training windows, in the same unit.
    pub scale: f32,
}

impl Preprocessing {
    /// That of `member`, whose channels have these names. Channels without a name are numbered from 1.
    pub fn of(member: &NetworkMember, names: Option<&[String]>) -> Self {
        let mut steps = Vec::new();
        match member.per_window() {
            Some(PerWindow::Standardise) => steps.push(
                "each channel of the window by itself: x ← (x − m) / d, with m the mean of the channel over the window and d its \
                 standard deviation, √(Σ(x − m)² / n); a constant channel becomes 0"
                    .to_owned(),
            ),
            Some(PerWindow::AlignGravity) => steps.push(
                "each three channels of the window turned upright: (x, y, z) ← R·(x, y, z), with (a, b, c) = g / |g|, g the mean of \
                 the three over the window, h = 1 / (1 + c), and R = [[1 − a²h, −abh, −a], [−abh, 1 − b²h, −b], [a, b, c]]; half a \
                 turn about the first axis where c = −1, none where g = 0"
                    .to_owned(),
            ),
            None => {}
        }
        let channels: Vec<ChannelScale> = match &member.file.scaler {
            None => Vec::new(),
            Some(scaler) => {
                let numbers = scaler.mean.iter().zip(&scaler.scale).enumerate();
                let of_channel = |(idx, (&mean, &scale)): (usize, (&f32, &f32))| ChannelScale {
                    channel: names.and_then(|names| names.get(idx)).cloned().unwrap_or_else(|| (idx + 1).to_string()),
                    mean,
                    scale,
                };
                steps.push("each channel standardised: x ← (x − mean) / scale".to_owned());
                numbers.map(of_channel).collect()
            }
        };
        Self { steps, channels }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use triax_model::{Network, NetworkSpec, Scaler, WeightFile, Weights};

    use super::*;

    fn member(per_window: Option<PerWindow>, scaler: Option<Scaler>) -> NetworkMember {
        let network = Network::new(NetworkSpec::default()).unwrap();
        let (weights, spec) = (Weights::glorot_uniform(&network, 0), network.spec().clone());
        let file = WeightFile { weights, spec, classes: Vec::new(), scaler, extra: BTreeMap::new() };
        NetworkMember::new(file, network, per_window)
    }

    #[test]
    fn steps_come_in_their_order_with_the_numbers_of_each_channel() {
        let scaler = Scaler { mean: vec![0.1, 2.0, -3.0], scale: vec![1.0, 0.5, 9.81] };
        let names = ["x", "y", "z"].map(str::to_owned);
        let found = Preprocessing::of(&member(Some(PerWindow::AlignGravity), Some(scaler.clone())), Some(&names));
        assert!(found.steps.len() == 2 && found.steps[0].contains("R ="), "{found:?}");
        assert!(found.steps[1].contains("(x − mean) / scale"));
        assert_eq!(found.channels[2], ChannelScale { channel: "z".to_owned(), mean: -3.0, scale: 9.81 });
        assert_eq!(Preprocessing::of(&member(None, Some(scaler)), None).channels[1].channel, "2");
        assert_eq!(
            Preprocessing::of(&member(None, None), None),
            Preprocessing { steps: Vec::new(), channels: Vec::new() }
        );
        assert!(Preprocessing::of(&member(Some(PerWindow::Standardise), None), None).steps[0].contains("√"));
    }
}
