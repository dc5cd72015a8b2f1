//! The worst classification errors.

use std::collections::HashSet;
use std::hash::Hash;

use serde::{Deserialize, Serialize};
use triax_losses::predicted_class;

/// A wrongly classified window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// The subject.
    pub subject: String,
    /// `file:line` of its first sample, if known.
    pub source: String,
    /// Its class.
    pub label: usize,
    /// The predicted class.
    pub prediction: usize,
    /// The difference between the scores of the prediction and the label.
    pub margin: f64,
    /// The sensor's values (window, channels).
    pub values: Vec<f32>,
    /// Name of each channel.
    pub channels: Vec<String>,
}

/// The index and scores of a [`Mistake`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WrongWindow {
    /// The index of the window.
    pub window: usize,
    /// See [`Mistake::prediction`].
    pub prediction: usize,
    /// See [`Mistake::margin`].
    pub margin: f64,
}

/// The `most` windows with the largest margin among those that `scores` (n_windows, classes) classify wrongly, in
/// descending order. Only the worst window of each key of `alike` is included: windows overlap, and the six worst are
/// often one stretch of one recording.
///
/// # Panics
/// If there is not one score for each window and class.
pub fn worst_mistakes<K: Eq + Hash>(
    scores: &[f32],
    labels: &[u32],
    classes: usize,
    most: usize,
    alike: impl Fn(usize) -> K,
) -> Vec<WrongWindow> {
    assert_eq!(scores.len(), labels.len() * classes, "a score for each window and class");
    let mut wrong = Vec::new();
    for (window, (row, &label)) in scores.chunks_exact(classes).zip(labels).enumerate() {
        let prediction = predicted_class(row);
        if prediction != label as usize {
            let margin = f64::from(row[prediction]) - f64::from(row[label as usize]);
            wrong.push(WrongWindow { window, prediction, margin });
        }
    }
    wrong.sort_by(|a, b| b.margin.total_cmp(&a.margin).then(a.window.cmp(&b.window)));
    let mut seen = HashSet::new();
    wrong.into_iter().filter(|wrong| seen.insert(alike(wrong.window))).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_come_first_and_of_likes_only_the_worst() {
        let scores = [[2.0, 0.0], [0.0, 3.0], [0.0, 5.0], [4.0, 0.0], [0.0, 4.5]].concat();
        let labels = [0, 0, 0, 1, 0];
        let worst = |most, alike: fn(usize) -> usize| {
            let found = worst_mistakes(&scores, &labels, 2, most, alike);
            found.iter().map(|wrong| (wrong.window, wrong.prediction, wrong.margin)).collect::<Vec<_>>()
        };
        assert_eq!(worst(9, |window| window), [(2, 1, 5.0), (4, 1, 4.5), (3, 0, 4.0), (1, 1, 3.0)]);
        assert_eq!(worst(2, |window| window), [(2, 1, 5.0), (4, 1, 4.5)]);
        // Windows 1 and 2 are of one recording, 3 and 4 of another.
        assert_eq!(worst(9, |window| (window - 1) / 2), [(2, 1, 5.0), (4, 1, 4.5)]);
    }
}
