//! A trained network with everything that its answers depend on.

use triax_model::{Layer, Network, Preparation, Scaler, Weights};

use crate::About;
use crate::arithmetic;

/// A trained network with everything that its answers depend on: what every format holds.
///
/// It reads windows (window, channels) as the sensors gave them. Each is prepared by itself, then standardised, then goes
/// through the layers. The result is one score for each class.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The layers.
    pub network: Network,
    /// The weights of `network`.
    pub weights: Weights,
    /// What becomes of each window by itself: which channels the network reads, and their normalisation.
    pub preparation: Preparation,
    /// Standardisation of the channels, after that.
    pub scaler: Option<Scaler>,
    /// Whether a softmax follows the last layer.
    pub softmax: bool,
    /// What a file says about it.
    pub about: About,
}

/// Why a network cannot be written in a format: a sentence with the remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);

impl Trained {
    /// Checks that its parts fit each other, and that all values are finite.
    ///
    /// # Errors
    /// The first part that does not fit.
    pub fn check(&self) -> Result<(), Unsupported> {
        let spec = self.network.spec();
        self.weights.fits(&self.network).map_err(Unsupported)?;
        if let Some(name) = self.weights.first_non_finite() {
            return Err(Unsupported(format!("tensor `{name}` holds a value that is not finite")));
        }
        if let Some(scaler) = &self.scaler {
            scaler.fits(spec.channels).map_err(|problem| Unsupported(format!("scaler: {problem}")))?;
        }
        let channels = self.preparation.channels_in(spec.channels).map_err(Unsupported)?;
        let names = [("class", &self.about.classes, spec.classes), ("channel", &self.about.channels, channels)];
        for (what, names, n) in names {
            if !names.is_empty() && names.len() != n {
                return Err(Unsupported(format!("{} {what} names stand for {n}", names.len())));
            }
        }
        Ok(())
    }

    /// Checks that sizes and strides fit into the integers of formats: those of layers are bounded by their values, but a padded
    /// pool may be longer than any window.
    ///
    /// # Errors
    /// The first layer that does not.
    pub(crate) fn check_steps(network: &Network) -> Result<(), Unsupported> {
        let largest = i32::MAX as usize;
        let too_long = network.layers().iter().find_map(|layer| match layer {
            Layer::Conv { name, kernel, stride, dilation, .. } => {
                (*kernel.max(stride).max(dilation) > largest).then_some(name)
            }
            Layer::Pool { name, size, stride, .. } => (*size.max(stride) > largest).then_some(name),
            Layer::Dropout { .. } | Layer::Dense { .. } => None,
        });
        too_long.map_or(Ok(()), |name| {
            Err(Unsupported(format!(
                "{name}: its size or stride is more than {largest}, which the format does not hold"
            )))
        })
    }

    /// The number of channels of the windows that it reads: those of the sensors.
    ///
    /// # Panics
    /// If its parts do not fit each other.
    pub fn channels(&self) -> usize {
        self.preparation.channels_in(self.network.spec().channels).expect("the parts of the network fit each other")
    }

    /// Scores (n_windows, classes) of `windows` (n_windows, window, channels), computed in f32 in the plain order of the sums.
    /// This is what files are checked with after they have been read back; it is not made to be fast.
    ///
    /// # Panics
    /// If its parts do not fit each other, or `windows` is no whole number of windows.
    pub fn scores(&self, windows: &[f32]) -> Vec<f32> {
        let spec = self.network.spec();
        let values = spec.window * self.channels();
        assert!(windows.len().is_multiple_of(values), "whole windows");
        windows.chunks_exact(values).flat_map(|window| arithmetic::scores(self, window)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use triax_model::random::{Purpose, Stream};
    use triax_model::{DenseSpec, NetworkSpec, PerWindow, PoolKind};

    use super::*;

    /// A network for windows of 20 samples in six channels, with layers in their notation.
    pub(crate) fn trained(convs: &str, hidden: &str, global_pool: Option<PoolKind>) -> Trained {
        let spec = NetworkSpec {
            window: 20,
            channels: 6,
            convs: convs.split(',').map(|conv| conv.parse().unwrap()).collect(),
            global_pool,
            dropout: 0.1,
            hidden: hidden
                .split(',')
                .filter(|text| !text.is_empty())
                .map(|text| text.parse::<DenseSpec>().unwrap())
                .collect(),
            classes: 3,
        };
        let network = Network::new(spec).unwrap();
        let mut weights = Weights::glorot_uniform(&network, 3);
        let mut stream = Stream::new(5, Purpose::Initialise, 99);
        for bias in weights.tensors.iter_mut().filter(|tensor| tensor.name.ends_with("bias")) {
            bias.values.fill_with(|| 0.4 * (stream.uniform() - 0.5));
        }
        Trained {
            network,
            weights,
            preparation: Preparation::default(),
            scaler: Some(Scaler {
                mean: vec![0.1, -0.2, 9.6, 0.0, 0.5, -1.0],
                scale: vec![2.0, 1.5, 3.0, 0.5, 1.0, 0.7],
            }),
            softmax: false,
            about: About {
                classes: ["walking", "sitting", "standing"].map(str::to_owned).to_vec(),
                producer: "triax test".into(),
                ..About::default()
            },
        }
    }

    /// Networks with every part that the family has, by their notation.
    pub(crate) fn family() -> Vec<(String, Trained)> {
        let rows = [
            ("8:3:2:2,8:3:1", "12", None),
            ("8:3:1:same:avg3/2-same,6:4:1:same:2/1", "9:tanh,7", None),
            ("8:5:2:elu,6:3:1:leaky_relu=0.3", "12:elu", Some(PoolKind::Average)),
            ("8:5:2:tanh,6:3:1:same:linear", "", Some(PoolKind::Max)),
            ("5:4:2:same:3/4-same:gelu", "6:gelu,5:leaky_relu=0", None),
            ("4:7:2:same:avg2:tanh,3:2:2:same,5:1:1:2/1,4:2:1:same", "", None),
            ("7:20:1", "5:linear", None),
            ("6:3:1:d3:2,5:3:1:d2:same:elu", "6", None),
            ("7:5:1:d4:same:avg2/1,5:3:1:d20:same", "5:tanh", Some(PoolKind::Max)),
        ];
        let mut all = Vec::new();
        for (n, (convs, hidden, pool)) in rows.into_iter().enumerate() {
            let mut one = trained(convs, hidden, pool);
            one.preparation = ["", "window", "gravity"][n % 3].parse().unwrap();
            one.softmax = n % 2 == 1;
            if n == 4 {
                one.scaler = None;
            }
            all.push((format!("{convs} {hidden} {pool:?}"), one));
        }
        all.extend(derived());
        all
    }

    /// Networks of derived channels, with each order of the steps of a preparation.
    pub(crate) fn derived() -> Vec<(String, Trained)> {
        let texts = [
            "derive:raw,gravity,linear,jerk,norm,vertical,horizontal:groups=2:low_pass=7:down=0,0",
            "gravity derive:norm,vertical,horizontal:groups=2:low_pass=99:down=0,1",
            "gravity derive:raw,linear,vertical:groups=2:low_pass=5:down=1,0",
            "derive:jerk,norm:groups=2 window",
        ];
        let of_text = |text: &str| {
            let preparation: Preparation = text.parse().unwrap();
            let mut one = trained("8:3:2:2,8:3:1", "12", None);
            let channels = preparation.channels_out(6).unwrap();
            let spec = NetworkSpec { channels, ..one.network.spec().clone() };
            one.network = Network::new(spec).unwrap();
            one.weights = Weights::glorot_uniform(&one.network, 8);
            let cycle = |numbers: [f32; 4]| numbers.into_iter().cycle().take(channels).collect();
            one.scaler = Some(Scaler { mean: cycle([0.1, -0.2, 6.0, 0.5]), scale: cycle([2.0, 1.5, 3.0, 0.7]) });
            one.preparation = preparation;
            (text.to_owned(), one)
        };
        texts.map(of_text).to_vec()
    }

    /// The preparations that a network is tried with: its own, if it derives channels; else none and each normalisation.
    pub(crate) fn preparations(one: &Trained) -> Vec<Preparation> {
        match one.preparation.derivation {
            Some(_) => vec![one.preparation.clone()],
            None => ["", "gravity", "window"].map(|text| text.parse().unwrap()).to_vec(),
        }
    }

    /// Windows as a sensor might give them: gravity and noise.
    pub(crate) fn windows(n: usize) -> Vec<f32> {
        let mut stream = Stream::new(7, Purpose::Initialise, 1);
        (0..n * 20 * 6).map(|i| 4.0 * (stream.uniform() - 0.5) + if i % 6 == 2 { 9.81 } else { 0.0 }).collect()
    }

    #[test]
    fn a_dense_network_gives_what_a_hand_computes() {
        let mut one = trained("1:1:1:linear", "", Some(PoolKind::Average));
        one.scaler = None;
        // The convolution takes twice the third channel plus 1; its mean over the window goes into three scores.
        for tensor in &mut one.weights.tensors {
            tensor.values.fill(0.0);
        }
        one.weights.tensors[0].values[2] = 2.0;
        one.weights.tensors[1].values[0] = 1.0;
        one.weights.tensors[2].values.copy_from_slice(&[1.0, -1.0, 0.5]);
        one.weights.tensors[3].values.copy_from_slice(&[0.0, 0.0, 3.0]);
        let mut window = vec![0.0; 20 * 6];
        window.iter_mut().skip(2).step_by(6).enumerate().for_each(|(t, value)| *value = t as f32);
        assert_eq!(one.scores(&window), [20.0, -20.0, 13.0]);
        one.softmax = true;
        let probabilities = one.scores(&window);
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6 && probabilities[0] > 0.99, "{probabilities:?}");
    }

    #[test]
    fn padding_reads_zeros_and_pools_only_what_is_there() {
        let mut one = trained("1:3:1:avg3/2-same:same:linear", "", None);
        one.scaler = None;
        for tensor in &mut one.weights.tensors {
            tensor.values.fill(0.0);
        }
        // Sums of three neighbours of channel 0, whose values are all 1: 2 at the ends, 3 between.
        (0..3).for_each(|k| one.weights.tensors[0].values[k * 6] = 1.0);
        // Pools of positions (0, 1, 2), (2, 3, 4), …, (18, 19): the last has two, and its mean is 2.5.
        let kernel = &mut one.weights.tensors[2].values;
        (kernel[0], kernel[1 + 3], kernel[2 + 3 * 9]) = (1.0, 1.0, 1.0);
        let mut window = vec![0.0; 20 * 6];
        window.iter_mut().step_by(6).for_each(|value| *value = 1.0);
        let scores = one.scores(&window);
        let expected = [8.0 / 3.0, 3.0, 2.5];
        assert!(scores.iter().zip(expected).all(|(score, expected)| (score - expected).abs() < 1e-6), "{scores:?}");
    }

    #[test]
    fn the_taps_of_a_dilated_kernel_lie_apart() {
        let mut one = trained("1:3:1:d4:linear", "", None);
        one.scaler = None;
        for tensor in &mut one.weights.tensors {
            tensor.values.fill(0.0);
        }
        // Position t gives x[t] + 2·x[t + 4] + 4·x[t + 8] of channel 0, where x[t] = t².
        [1.0, 2.0, 4.0].into_iter().enumerate().for_each(|(k, weight)| one.weights.tensors[0].values[k * 6] = weight);
        let kernel = &mut one.weights.tensors[2].values;
        (kernel[0], kernel[1 + 3], kernel[2 + 3 * 11]) = (1.0, 1.0, 1.0);
        let mut window = vec![0.0; 20 * 6];
        window.iter_mut().step_by(6).enumerate().for_each(|(t, value)| *value = (t * t) as f32);
        assert_eq!(one.scores(&window), [32.0 + 256.0, 1.0 + 50.0 + 324.0, 121.0 + 450.0 + 1444.0]);
    }

    #[test]
    fn windows_do_not_depend_on_each_other() {
        let mut one = trained("4:3:2:2:elu,5:3:1:gelu", "6:tanh", None);
        one.preparation = PerWindow::AlignGravity.into();
        let windows = windows(2);
        let (first, second) = windows.split_at(20 * 6);
        assert_eq!(one.scores(&windows), [one.scores(first), one.scores(second)].concat());
        assert_ne!(one.scores(first), one.scores(second));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let good = trained("4:3:2:2", "5", None);
        assert_eq!(good.check(), Ok(()));
        let with = |change: fn(&mut Trained)| {
            let mut one = good.clone();
            change(&mut one);
            one.check().unwrap_err().to_string()
        };
        assert!(with(|one| one.weights.tensors[0].values[0] = f32::NAN).contains("conv1.kernel"));
        assert!(with(|one| one.scaler.as_mut().unwrap().mean.truncate(1)).contains("scaler"));
        assert!(with(|one| one.about.classes.truncate(1)).contains("class"));
        assert!(with(|one| one.about.channels.push("x".into())).contains("channel"));
    }
}
