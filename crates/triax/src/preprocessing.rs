//! What happens to a window before the first layer, as formulas with their numbers.

use serde::Serialize;
use triax_model::{Derivation, Derived, LOW_PASS_S, PerWindow, Preparation};

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
    /// Mean over the training windows, in the sensor's unit; of the channels that were derived, where some were; after gravity alignment, where there is one.
    pub mean: f32,
    /// Standard deviation over the training windows, in the same unit.
    pub scale: f32,
}

const UPRIGHT: &str = "each three channels of the window turned upright: (x, y, z) ← R·(x, y, z), with (a, b, c) = g / |g|, g the mean of \
     the three over the window, h = 1 / (1 + c), and R = [[1 − a²h, −abh, −a], [−abh, 1 − b²h, −b], [a, b, c]]; half a \
     turn about the first axis where c = −1, none where g = 0";
const STANDARDISED: &str = "each channel of the window by itself: x ← (x − m) / d, with m the mean of the channel over the window and d its \
     standard deviation, √(Σ(x − m)² / n); a constant channel becomes 0";

/// The formulas of the channels that are derived from those called `sensors`.
fn derive_in_words(derivation: &Derivation, sensors: &[String]) -> String {
    let formula = |kind: &Derived| match kind {
        Derived::Raw => "raw = v",
        Derived::Gravity => "gravity = g",
        Derived::Linear => "linear = v − g",
        Derived::Jerk => "jerk[t] = v[t] − v[t − 1], and jerk[0] = jerk[1]",
        Derived::Norm => "norm = |v|",
        Derived::Vertical => "vertical = v·u",
        Derived::Horizontal => "horizontal = |v − (v·u) u|",
    };
    let formulas: Vec<&str> = derivation.kinds().iter().map(formula).collect();
    let mut words = format!("channels of each three axes v = (x, y, z): {}", formulas.join("; "));
    if derivation.low_pass() > 0 {
        words += &format!(
            "; g is the low-pass of v: two means after each other over the {} samples around each ({LOW_PASS_S} s), as far as \
             the window has them",
            derivation.low_pass()
        );
    }
    if !derivation.down().is_empty() {
        words += "; u = g / |g|, and 0 where g = 0, with g of ";
        let of_group = |(group, down): (usize, &usize)| {
            let name = |group: usize| sensors[3 * group..3 * group + 3].join(", ");
            if group == *down {
                format!("{} itself", name(group))
            } else {
                format!("{} for {}", name(*down), name(group))
            }
        };
        words += &derivation.down().iter().enumerate().map(of_group).collect::<Vec<_>>().join("; ");
    }
    words
}

impl Preprocessing {
    /// That of `member`, whose channels have these names. Channels without a name are numbered from 1.
    pub fn of(member: &NetworkMember, names: Option<&[String]>) -> Self {
        let mut steps = Vec::new();
        let Preparation { derivation, normalisation } = member.preparation();
        if *normalisation == Some(PerWindow::AlignGravity) {
            steps.push(UPRIGHT.to_owned());
        }
        let numbered: Vec<String> = (1..=member.n_channels()).map(|number| number.to_string()).collect();
        let sensors = names.unwrap_or(&numbered);
        let derived = member.preparation().names(sensors);
        if let Some(derivation) = derivation {
            steps.push(derive_in_words(derivation, sensors));
        }
        if *normalisation == Some(PerWindow::Standardise) {
            steps.push(STANDARDISED.to_owned());
        }
        let channels: Vec<ChannelScale> = match &member.file.scaler {
            None => Vec::new(),
            Some(scaler) => {
                let numbers = scaler.mean.iter().zip(&scaler.scale).enumerate();
                let of_channel = |(idx, (&mean, &scale)): (usize, (&f32, &f32))| ChannelScale {
                    channel: derived.get(idx).cloned().unwrap_or_default(),
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

    fn member(preparation: &str, scaler: Option<Scaler>) -> NetworkMember {
        let network = Network::new(NetworkSpec::default()).unwrap();
        let (weights, spec) = (Weights::glorot_uniform(&network, 0), network.spec().clone());
        let file = WeightFile { weights, spec, classes: Vec::new(), scaler, extra: BTreeMap::new() };
        NetworkMember::new(file, network, preparation.parse().unwrap())
    }

    #[test]
    fn steps_come_in_their_order_with_the_numbers_of_each_channel() {
        let scaler = Scaler { mean: vec![0.1, 2.0, -3.0], scale: vec![1.0, 0.5, 9.81] };
        let names = ["x", "y", "z"].map(str::to_owned);
        let found = Preprocessing::of(&member("gravity", Some(scaler.clone())), Some(&names));
        assert!(found.steps.len() == 2 && found.steps[0].contains("R ="), "{found:?}");
        assert!(found.steps[1].contains("(x − mean) / scale"));
        assert_eq!(found.channels[2], ChannelScale { channel: "z".to_owned(), mean: -3.0, scale: 9.81 });
        assert_eq!(Preprocessing::of(&member("", Some(scaler)), None).channels[1].channel, "2");
        assert_eq!(
            Preprocessing::of(&member("", None), None),
            Preprocessing { steps: Vec::new(), channels: Vec::new() }
        );
        assert!(Preprocessing::of(&member("window", None), None).steps[0].contains("√"));
    }

    #[test]
    fn derived_channels_have_formulas_and_names() {
        let scaler = Scaler { mean: vec![0.1, 2.0, -3.0], scale: vec![1.0, 0.5, 9.81] };
        let member = member("derive:norm,vertical,horizontal:groups=1:low_pass=21:down=0", Some(scaler));
        let found = Preprocessing::of(&member, Some(&["ax", "ay", "az"].map(str::to_owned)));
        assert!(found.steps[0].contains("norm = |v|") && found.steps[0].contains("21 samples"), "{found:?}");
        assert!(found.steps[0].ends_with("g of ax, ay, az itself"), "{found:?}");
        assert_eq!(found.channels[2].channel, "horizontal ax ay az");
    }
}
