//! The last layer of a network, refitted to the recordings of one person.
//!
//! The layer is refitted in closed form, as a ridge regression that is pulled to the layer as it was trained, not to zero
//! (Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12, 1970; the pull to
//! known weights is that of biased regularisation, as in Kuzborskij and Orabona, "Stability and hypothesis transfer learning",
//! ICML 2013). For windows with features `x` and targets `t` it is the layer that minimises
//!
//! ```text
//! Σ over classes of the mean over its windows of ‖x·W + b − t‖²  +  λ·2s²·(‖M^½·(W − W₀)‖² + ‖b − b₀‖²/s²)
//! ```
//!
//! `W₀`, `b₀` are the layer as it was, `λ` is the strength of the pull, and `s²` is the mean over the windows of ‖x‖²: the bias
//! counts as the weight of one more feature, which is always `s`. So `λ` has no unit, and depends neither on the number of
//! windows of a class (overlapping windows say nothing new), nor much on that of the classes.
//!
//! `M` says what a change of the layer costs: as much as it changes the scores of the windows that the network was trained on, of
//! which [`TrainedFeatures`] keeps the second moments. So a few windows of a person change the layer in what they have of their
//! own, and hardly in what they share with everybody. Where nothing is known of the training windows, `M` is the identity.
//!
//! The targets are the network's own scores, moved no further than it takes for the right class to be ahead of the other recorded
//! classes by a margin. So what is right already stays as it is, whatever the loss and the scale of its scores. Only classes
//! that were recorded are told apart anew: the scores of the others are not changed for any window, and none is raised because
//! of them. docs/subject.md lists what was tried instead, and did worse: targets of ±1, prototypes of classes, the loss itself.

mod positive_definite;
mod regression;
mod trained_features;

use triax_model::Weights;

use regression::Inputs;
pub use trained_features::TrainedFeatures;

/// The pull of a layer to itself, if nothing else is asked for. It was found on people of WISDM v2: see docs/subject.md.
pub const STRENGTH: f64 = 0.002;
/// Windows of a few seconds overlap as far as this: a new one begins every twentieth of a window.
const WINDOWS_IN_ONE: usize = 20;
/// How far the score of the right class is to be ahead of every other.
const MARGIN: f64 = 2.0;
/// The most numbers of the matrix of a regression, 128 MiB.
const MOST_NUMBERS: usize = 1 << 24;

/// Samples from one window of `window` samples to the next in the recordings of a calibration. They are few, and windows that
/// begin elsewhere say a little more of them.
pub fn dense_step(window: usize) -> usize {
    (window / WINDOWS_IN_ONE).max(1)
}

/// The last layer of a network: scores are `features · kernel + bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct LastLayer {
    /// (n_features, classes), row-major.
    pub kernel: Vec<f32>,
    /// (classes)
    pub bias: Vec<f32>,
}

/// Why a layer cannot be refitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefitError {
    /// There are no windows.
    #[error("there is no window to calibrate with")]
    NoWindows,
    /// The number of features is not that of the windows, or a label is no class.
    #[error(
        "{features} features and {labels} labels do not belong to a layer of {inputs} inputs and {classes} classes"
    )]
    Shape {
        /// Values of features.
        features: usize,
        /// Labels.
        labels: usize,
        /// Features that the layer reads.
        inputs: usize,
        /// Classes of the layer.
        classes: usize,
    },
    /// The strength is no number above 0.
    #[error("the strength is {0}: it is a number above 0")]
    Strength(String),
    /// There are more features and windows than a regression is made for.
    #[error(
        "{windows} windows of {features} features are too many: record less, or step further from window to window"
    )]
    TooMany {
        /// Number of windows.
        windows: usize,
        /// Features of each.
        features: usize,
    },
    /// A feature, or what comes of it, is not finite.
    #[error("the features of these windows are out of all proportion to those that the network was trained on")]
    NotFinite,
}

impl LastLayer {
    /// The last layer of a network with these weights.
    pub fn of(weights: &Weights) -> Self {
        let [.., kernel, bias] = weights.tensors.as_slice() else {
            unreachable!("every network has a layer of scores")
        };
        Self { kernel: kernel.values.clone(), bias: bias.values.clone() }
    }

    /// `weights` with this last layer.
    ///
    /// # Panics
    /// If the layer of `weights` has another shape.
    pub fn put_into(self, weights: &mut Weights) {
        let [.., kernel, bias] = weights.tensors.as_mut_slice() else {
            unreachable!("every network has a layer of scores")
        };
        assert_eq!((self.kernel.len(), self.bias.len()), (kernel.values.len(), bias.values.len()), "the same layer");
        (kernel.values, bias.values) = (self.kernel, self.bias);
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// Number of features that it reads.
    pub fn n_features(&self) -> usize {
        self.kernel.len() / self.classes()
    }

    /// Scores (n_windows, classes) of `features` (n_windows, n_features).
    pub fn scores(&self, features: &[f32]) -> Vec<f32> {
        let of_window = |x: &[f32]| {
            let mut scores = self.bias.clone();
            for (x, row) in x.iter().zip(self.kernel.chunks_exact(self.classes())) {
                scores.iter_mut().zip(row).for_each(|(score, weight)| *score += x * weight);
            }
            scores
        };
        features.chunks_exact(self.n_features()).flat_map(of_window).collect()
    }

    /// The layer refitted to windows with these `features` (n_windows, n_features) and `labels`, pulled to this one with this
    /// strength; see the module. `trained` is what is known of the windows that this one was trained on.
    ///
    /// # Errors
    /// No windows, or too many; features and labels that do not fit the layer; a strength that is not above 0; features that
    /// are not finite.
    pub fn refitted(
        &self,
        features: &[f32],
        labels: &[u32],
        trained: Option<&TrainedFeatures>,
        strength: f64,
    ) -> Result<Self, RefitError> {
        let (n_windows, n_features, classes) = (labels.len(), self.n_features(), self.classes());
        let is_class = |&label: &u32| (label as usize) < classes;
        if features.len() != n_windows * n_features || !labels.iter().all(is_class) {
            let (features, labels, inputs) = (features.len(), n_windows, n_features);
            return Err(RefitError::Shape { features, labels, inputs, classes });
        }
        if n_windows == 0 {
            return Err(RefitError::NoWindows);
        }
        if !(strength > 0.0 && strength.is_finite()) {
            return Err(RefitError::Strength(strength.to_string()));
        }
        let too_many = RefitError::TooMany { windows: n_windows, features: n_features };
        let order = n_windows.min(n_features + 1);
        let numbers = |rows: usize, columns: usize| rows.checked_mul(columns).is_some_and(|n| n <= MOST_NUMBERS);
        if !numbers(order, order) || !numbers(n_windows, n_features + 1) {
            return Err(too_many);
        }
        let weights = class_weights(labels, classes);
        let inputs = Inputs::new(features, n_features, &weights, trained);
        let wanted = self.wanted(&self.scores(features), labels);
        let (kernel, bias) = inputs.change(&wanted, &weights, strength).ok_or(RefitError::NotFinite)?;
        let moved = |(own, change): (&f32, &f64)| (f64::from(*own) + change) as f32;
        let refitted = Self {
            kernel: self.kernel.iter().zip(&kernel).map(moved).collect(),
            bias: self.bias.iter().zip(&bias).map(moved).collect(),
        };
        let is_finite = refitted.kernel.iter().chain(&refitted.bias).all(|value| value.is_finite());
        if is_finite { Ok(refitted) } else { Err(RefitError::NotFinite) }
    }

    /// By how much each score (n_windows, classes) should change: as little as puts the right class ahead of all others that were
    /// recorded by the margin. It meets the strongest of them halfway.
    fn wanted(&self, scores: &[f32], labels: &[u32]) -> Vec<f64> {
        let classes = self.classes();
        let recorded: Vec<usize> = (0..classes).filter(|&class| labels.contains(&(class as u32))).collect();
        let mut wanted = vec![0.0; scores.len()];
        let windows = wanted.chunks_exact_mut(classes).zip(scores.chunks_exact(classes)).zip(labels);
        for ((wanted, scores), &label) in windows {
            let own = label as usize;
            let rivals = || recorded.iter().copied().filter(|&class| class != own);
            let lead = |rival: usize| f64::from(scores[own]) - f64::from(scores[rival]);
            wanted[own] = rivals().map(|rival| (MARGIN - lead(rival)) / 2.0).fold(0.0, f64::max);
            for rival in rivals() {
                wanted[rival] = (lead(rival) + wanted[own] - MARGIN).min(0.0);
            }
        }
        wanted
    }
}

/// The weight of each window: those of a class sum up to 1.
fn class_weights(labels: &[u32], classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0; classes];
    labels.iter().for_each(|&label| counts[label as usize] += 1.0);
    labels.iter().map(|&label| 1.0 / counts[label as usize]).collect()
}

#[cfg(test)]
mod tests;
