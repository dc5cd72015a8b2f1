//! What the arithmetic of a written file gives, beside what Triax gives.

use triax_exchange::softmax;
use triax_losses::predicted_classes;
use triax_trainer::Metrics;

use super::formats::{ExportFormat, File};
use super::windows::PartWindows;
use crate::text::listed;
use crate::{Error, Notice, Predictor};

/// The largest difference of a score in floating point, relative to the largest score, that rounding explains.
const MOST_BY_ROUNDING: f32 = 1e-4;
/// A loss of accuracy, of macro-F1 or of a class's F1 that is worth a warning; a point itself, rounded, is none.
const A_POINT: f64 = 0.01 + 1e-9;

/// What was found when a file's own arithmetic ran, beside Triax's scores of the same windows.
#[derive(Clone, Debug)]
pub struct Check {
    /// The windows, in words.
    pub judged: String,
    /// Their number.
    pub n_windows: usize,
    /// The largest difference of a score.
    pub largest_difference: f32,
    /// The largest score, without its sign.
    pub largest_score: f32,
    /// The share of windows that get the same class.
    pub same_class: f64,
    /// The metrics of Triax and of the file, where the windows have labels.
    pub metrics: Option<(Metrics, Metrics)>,
}

impl Check {
    /// Runs `file`, which holds the networks at `indices`, on `windows`.
    ///
    /// # Errors
    /// Scores in floating point that differ from Triax's by more than rounding.
    pub(super) fn new(
        predictor: &Predictor,
        indices: &[usize],
        (file, format): (&File, ExportFormat),
        windows: &PartWindows,
    ) -> Result<Self, Error> {
        let n_classes = predictor.classes().len();
        let mut expected = predictor.scores_of(indices, &windows.values)?;
        if file.softmax {
            expected.chunks_exact_mut(n_classes).for_each(softmax);
        }
        let found = file.scores(&windows.values);
        let differences = found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs());
        // A NaN is the largest.
        let larger = |largest: f32, value: f32| if value.is_nan() || value > largest { value } else { largest };
        let largest_difference = differences.fold(0.0, larger);
        let largest_score = expected.iter().fold(0.0_f32, |largest, score| larger(largest, score.abs()));
        let by_rounding = largest_difference <= MOST_BY_ROUNDING * largest_score.max(1.0);
        if !format.is_int8() && !by_rounding {
            return Err(Error::Input(format!(
                "the file gives other scores than Triax (by {largest_difference:e}, of scores up to {largest_score}): \
                 nothing was written. This is a fault of Triax; please report it with the network"
            )));
        }
        let classes = [&expected, &found].map(|scores| predicted_classes(scores, n_classes));
        let n_same = classes[0].iter().zip(&classes[1]).filter(|(one, other)| one == other).count();
        let metrics = match predictor.loss() {
            Ok(loss) if !windows.labels.is_empty() => {
                let of = |scores: &[f32]| Metrics::from_scores(scores, &windows.labels, loss, predictor.classes());
                Some((of(&expected)?, of(&found)?))
            }
            _ => None,
        };
        Ok(Self {
            judged: windows.judged.clone(),
            n_windows: classes[0].len(),
            largest_difference,
            largest_score,
            same_class: n_same as f64 / classes[0].len().max(1) as f64,
            metrics,
        })
    }

    /// A warning where the file does worse than Triax by more than a point, with the classes that it hits.
    pub fn notices(&self, class_names: &[String]) -> Vec<Notice> {
        let Some((before, after)) = &self.metrics else { return Vec::new() };
        let lost = (before.accuracy - after.accuracy).max(before.macro_f1 - after.macro_f1);
        if lost <= A_POINT {
            return Vec::new();
        }
        let classes = before.per_class.iter().zip(&after.per_class).zip(class_names);
        let hit = classes.filter(|((before, after), _)| before.f1 - after.f1 > A_POINT);
        let hit: Vec<String> = hit
            .map(|((before, after), name)| format!("{name} (F1 {:.3}, before {:.3})", after.f1, before.f1))
            .collect();
        vec![Notice::Warning(format!(
            "the file loses {:.1} points of accuracy and {:.1} of macro-F1. It hits {}.",
            100.0 * (before.accuracy - after.accuracy),
            100.0 * (before.macro_f1 - after.macro_f1),
            if hit.is_empty() { "no class by more than a point".to_owned() } else { listed(&hit, 8) }
        ))]
    }
}

#[cfg(test)]
mod tests {
    use triax_losses::Loss;

    use super::*;

    /// A check of `right` of 100 windows a class that were right before, out of two classes.
    fn check(right: [u64; 2]) -> Check {
        let classes = ["sit", "walk"].map(str::to_owned);
        let metrics = |right: [u64; 2]| {
            let rows = (0..2)
                .flat_map(|label| (0..100).map(move |n| (label, if n < right[label] { label } else { 1 - label })));
            let (labels, scores): (Vec<u32>, Vec<[f32; 2]>) =
                rows.map(|(label, class)| (label as u32, if class == 0 { [1.0, 0.0] } else { [0.0, 1.0] })).unzip();
            Metrics::from_scores(scores.as_flattened(), &labels, Loss::Hinge, &classes).unwrap()
        };
        Check {
            judged: "windows".to_owned(),
            n_windows: 200,
            largest_difference: 0.5,
            largest_score: 1.0,
            same_class: 0.9,
            metrics: Some((metrics([100, 100]), metrics(right))),
        }
    }

    #[test]
    fn a_loss_of_more_than_a_point_is_a_warning_with_the_classes_that_it_hits() {
        let names = ["sit", "walk"].map(str::to_owned);
        assert!(check([99, 99]).notices(&names).is_empty(), "a point is none");
        assert!(Check { metrics: None, ..check([0, 0]) }.notices(&names).is_empty(), "nobody knows");
        let said = check([90, 100]).notices(&names);
        let [Notice::Warning(said)] = said.as_slice() else { panic!("{said:?}") };
        assert!(said.contains("loses 5.0 points of accuracy"), "{said}");
        assert!(said.contains("sit (F1 0.947, before 1.000)") && said.contains("walk (F1 0.952"), "{said}");
    }
}
