//! Several models as one predictor: how their scores are combined, and how much each of them counts.

use triax_losses::{Loss, softmax};

/// The most rounds in which weights are fitted.
const MOST_ROUNDS: usize = 2000;
/// Change of every weight in a round at which the fit ends.
const TOLERANCE: f64 = 1e-7;

/// The scores of several models for the same windows, combined into those of one predictor. Logits are combined as the
/// mean of their probabilities. Margins have an absolute scale (a hinge requires 1), and those of models that were trained
/// with one loss are combined as their mean.
pub struct EnsembleScores {
    as_probabilities: bool,
    classes: usize,
    /// (n_windows, classes)
    sum: Vec<f32>,
    /// Sum of the weights of the models.
    weight: f32,
}

impl EnsembleScores {
    /// The scores of no models. `loss` is that of their training.
    pub fn new(loss: Loss, classes: usize) -> Self {
        let as_probabilities = match loss {
            Loss::CategoricalCrossentropy => true,
            Loss::Hinge | Loss::SquaredHinge | Loss::CategoricalHinge => false,
        };
        Self { as_probabilities, classes, sum: Vec::new(), weight: 0.0 }
    }

    /// The scores of no models, which may be of different kinds: all are combined as probabilities.
    pub fn of_probabilities(classes: usize) -> Self {
        Self::new(Loss::CategoricalCrossentropy, classes)
    }

    /// Adds the scores of a model (n_windows, classes).
    ///
    /// # Panics
    /// If the number of windows differs from that of the models before.
    pub fn add(&mut self, scores: &[f32]) {
        self.add_weighted(scores, 1.0, 1.0);
    }

    /// Adds the scores of a model (n_windows, classes), which counts `weight` times. As probabilities, they are the softmax of
    /// its scores divided by `temperature`.
    ///
    /// # Panics
    /// As [`EnsembleScores::add`].
    pub fn add_weighted(&mut self, scores: &[f32], weight: f32, temperature: f32) {
        if self.sum.is_empty() {
            self.sum = vec![0.0; scores.len()];
        }
        assert_eq!(scores.len(), self.sum.len(), "scores of the same windows");
        self.weight += weight;
        for (sum, row) in self.sum.chunks_exact_mut(self.classes).zip(scores.chunks_exact(self.classes)) {
            let mut row = row.to_vec();
            if self.as_probabilities {
                softmax(&mut row, temperature);
            }
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
    }

    /// The combined scores (n_windows, classes). Mean probabilities are returned as logarithms, so that their softmax
    /// is the mean probabilities.
    pub fn scores(mut self) -> Vec<f32> {
        let weight = self.weight;
        self.sum.iter_mut().for_each(|sum| *sum /= weight);
        if self.as_probabilities {
            self.sum.iter_mut().for_each(|sum| *sum = sum.max(f32::MIN_POSITIVE).ln());
        }
        self.sum
    }
}

/// The weight of each of `members` in their mean, for which the log loss of the mean is lowest: not negative, and 1 in sum.
/// Each member has the probabilities (n, classes) of the same windows, which it was not trained on, and whose classes are
/// `labels`.
///
/// The mean of several predictions is a mixture with fixed components, and its loss is convex in the weights; the
/// iteration of expectation and maximisation for the proportions of a mixture (Dempster, Laird and Rubin 1977) descends in
/// every round and keeps the constraints. To combine models by what they predict for data that they have not seen is
/// stacking (Wolpert 1992; for probabilities Smyth and Wolpert 1999).
///
/// Without windows, all members count the same.
///
/// # Panics
/// If a member has another number of probabilities than `labels` times `classes`, or a label is not below `classes`.
pub fn ensemble_weights(members: &[&[f32]], labels: &[u32], classes: usize) -> Vec<f64> {
    let n_members = members.len();
    let mut weights = vec![1.0 / n_members as f64; n_members];
    if n_members < 2 || labels.is_empty() {
        return weights;
    }
    assert!(members.iter().all(|member| member.len() == labels.len() * classes), "probabilities of the same windows");
    // (n, members): what each member gives the class that a window has. A probability of 0 of all members tells nothing.
    let given: Vec<f64> = labels
        .iter()
        .enumerate()
        .flat_map(|(window, &label)| members.iter().map(move |member| member[window * classes + label as usize]))
        .map(|probability| f64::from(probability.max(f32::MIN_POSITIVE)))
        .collect();
    for _ in 0..MOST_ROUNDS {
        let mut next = vec![0.0; n_members];
        for row in given.chunks_exact(n_members) {
            let mean: f64 = weights.iter().zip(row).map(|(weight, p)| weight * p).sum();
            next.iter_mut().zip(&weights).zip(row).for_each(|((next, weight), p)| *next += weight * p / mean);
        }
        let sum: f64 = next.iter().sum();
        next.iter_mut().for_each(|weight| *weight /= sum);
        let change = weights.iter().zip(&next).map(|(before, after)| (before - after).abs()).fold(0.0, f64::max);
        weights = next;
        if change < TOLERANCE {
            break;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use triax_model::random::{Purpose, Stream};

    use super::*;

    fn combined(networks: &[&[f32]], loss: Loss, classes: usize) -> Vec<f32> {
        let mut all = EnsembleScores::new(loss, classes);
        networks.iter().for_each(|scores| all.add(scores));
        all.scores()
    }

    #[test]
    fn logits_are_combined_as_probabilities_and_margins_as_they_are() {
        let (a, b) = ([2.0, 0.0], [0.0, 1.0]);
        assert_eq!(combined(&[&a, &b], Loss::Hinge, 2), [1.0, 0.5]);
        let logits = combined(&[&a, &b], Loss::CategoricalCrossentropy, 2);
        let p = |own: f32, other: f32| own.exp() / (own.exp() + other.exp());
        let wanted = [(p(2.0, 0.0) + p(0.0, 1.0)) / 2.0, (p(0.0, 2.0) + p(1.0, 0.0)) / 2.0];
        for (found, wanted) in logits.iter().zip(wanted) {
            assert!((found.exp() - wanted).abs() < 1e-6, "{found} is not the logarithm of {wanted}");
        }
    }

    #[test]
    fn weights_and_temperatures_count() {
        let mut all = EnsembleScores::of_probabilities(2);
        all.add_weighted(&[2.0, 0.0], 3.0, 2.0);
        all.add_weighted(&[0.0, 0.0], 1.0, 1.0);
        let wanted = 0.75 * 1_f32.exp() / (1_f32.exp() + 1.0) + 0.25 * 0.5;
        let found = all.scores();
        assert!((found[0].exp() - wanted).abs() < 1e-6 && (found[1].exp() - (1.0 - wanted)).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn probabilities_that_vanish_stay_finite() {
        let logits = combined(&[&[200.0, -200.0]], Loss::CategoricalCrossentropy, 2);
        assert!(logits.iter().all(|logit| logit.is_finite()), "{logits:?}");
    }

    /// Probabilities of two classes for windows of class 0 and 1 in turn; of the right one `p(window)`.
    fn member(n: u32, mut p: impl FnMut(u32) -> f64) -> (Vec<f32>, Vec<u32>) {
        let labels: Vec<u32> = (0..n).map(|window| window % 2).collect();
        let of_window = |(window, &label): (u32, &u32)| {
            let p = p(window) as f32;
            if label == 0 { [p, 1.0 - p] } else { [1.0 - p, p] }
        };
        ((0..).zip(&labels).flat_map(of_window).collect(), labels)
    }

    fn log_loss(weights: &[f64], members: &[&[f32]], labels: &[u32]) -> f64 {
        let of_window = |(window, &label): (usize, &u32)| {
            let given = members.iter().map(|member| f64::from(member[2 * window + label as usize]));
            -weights.iter().zip(given).map(|(weight, p)| weight * p).sum::<f64>().ln()
        };
        labels.iter().enumerate().map(of_window).sum::<f64>() / labels.len() as f64
    }

    #[test]
    fn no_other_weights_have_a_lower_loss() {
        let mut draws = Stream::new(3, Purpose::Initialise, 0);
        let (a, labels) = member(200, |window| if window % 5 < 3 { 0.9 } else { 0.2 });
        let (b, _) = member(200, |window| if window % 5 < 3 { 0.4 } else { 0.8 });
        let (c, _) = member(200, |_| 0.3 + 0.2 * draws.normal().clamp(-1.0, 1.0));
        let members = [&*a, &*b, &*c];
        let weights = ensemble_weights(&members, &labels, 2);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9 && weights.iter().all(|weight| *weight >= 0.0));
        let found = log_loss(&weights, &members, &labels);
        for i in 0..=20 {
            for j in 0..=20 - i {
                let other = [f64::from(i), f64::from(j), f64::from(20 - i - j)].map(|share| share / 20.0);
                assert!(found <= log_loss(&other, &members, &labels) + 1e-6, "{other:?} is better than {weights:?}");
            }
        }
        assert!(weights[0] > 0.1 && weights[1] > 0.1 && weights[2] < 0.05, "{weights:?}");
    }

    #[test]
    fn one_member_and_no_windows_need_no_fit() {
        assert_eq!(ensemble_weights(&[&[0.5, 0.5]], &[1], 2), [1.0]);
        assert_eq!(ensemble_weights(&[&[], &[]], &[], 2), [0.5, 0.5]);
    }

    #[test]
    fn probabilities_of_0_end_in_finite_weights() {
        let weights = ensemble_weights(&[&[0.0, 1.0], &[0.0, 1.0]], &[0], 2);
        assert!(weights.iter().all(|weight| weight.is_finite()), "{weights:?}");
    }
}
