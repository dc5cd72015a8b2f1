//! The metrics of a set of scores: loss, accuracy, precision, recall, F1 and the confusion matrix.

use serde::{Deserialize, Serialize};
use triax_engine::{Confusion, Evaluation, NotFinite};
use triax_losses::Loss;

/// The metrics of a network on a set of windows. Every window counts once, regardless of class weights in training.
/// [`Confusion`] defines each figure by its counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Mean loss, summed in f64.
    pub loss: f64,
    /// Fraction of the windows whose largest score (the first of equals) is their label's.
    pub accuracy: f64,
    /// Mean F1 of the classes that have windows: [`Confusion::macro_f1`].
    pub macro_f1: f64,
    /// Names of the classes without windows, which `macro_f1` leaves out.
    #[serde(default)]
    pub lacking: Vec<String>,
    /// One entry per class, in the order of the classes.
    pub per_class: Vec<ClassMetrics>,
    /// `confusion[label][prediction]` windows.
    pub confusion: Confusion,
}

/// The metrics of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Name of the class.
    pub class: String,
    /// The fraction of this class among the windows predicted as this class.
    pub precision: f64,
    /// The fraction predicted as this class among the windows of this class.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Windows of this class.
    pub support: u64,
}

/// Why scores cannot be evaluated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MetricsError {
    /// A score is NaN or infinite.
    #[error("the score of class {class} for window {window} (from 0) is not finite")]
    NotFinite {
        /// Index of the window.
        window: usize,
        /// Name of the class.
        class: String,
    },
    /// The numbers of scores, labels and classes do not match.
    #[error("{0}")]
    Input(String),
}

impl Metrics {
    /// The metrics of `scores` (n_windows, classes) for `labels` (a class index for each window). `loss` is that of
    /// training.
    ///
    /// # Errors
    /// A score that is not finite; numbers of scores and labels that do not belong together; no window at all.
    pub fn from_scores(scores: &[f32], labels: &[u32], loss: Loss, classes: &[String]) -> Result<Self, MetricsError> {
        check(scores, labels, classes)?;
        let evaluation = Evaluation::from_scores(scores, labels.iter().copied(), classes.len(), loss);
        Ok(Self::from_evaluation(&evaluation, classes))
    }

    /// The figures that follow from `evaluation`.
    ///
    /// # Panics
    /// If the evaluation is of another number of classes.
    pub fn from_evaluation(evaluation: &Evaluation, classes: &[String]) -> Self {
        let confusion = &evaluation.confusion;
        Self {
            loss: evaluation.loss,
            accuracy: confusion.accuracy(),
            macro_f1: confusion.macro_f1(),
            lacking: confusion.lacking().map(|class| classes[class].clone()).collect(),
            per_class: ClassMetrics::from_confusion(confusion, classes),
            confusion: confusion.clone(),
        }
    }
}

impl ClassMetrics {
    /// Each of `classes` by its counts in `confusion`.
    ///
    /// # Panics
    /// If the matrix is of another number of classes.
    pub fn from_confusion(confusion: &Confusion, classes: &[String]) -> Vec<Self> {
        assert_eq!(confusion.n_classes(), classes.len(), "a name for each class");
        let metrics = |(class, name): (usize, &String)| Self {
            class: name.clone(),
            precision: confusion.precision(class),
            recall: confusion.recall(class),
            f1: confusion.f1(class),
            support: confusion.support(class),
        };
        classes.iter().enumerate().map(metrics).collect()
    }
}

fn check(scores: &[f32], labels: &[u32], classes: &[String]) -> Result<(), MetricsError> {
    let n_classes = classes.len();
    if labels.is_empty() || n_classes == 0 {
        return Err(MetricsError::Input("there is no window to judge by".into()));
    }
    if scores.len() != labels.len() * n_classes {
        return Err(MetricsError::Input(format!(
            "{} scores for {} windows and {n_classes} classes",
            scores.len(),
            labels.len()
        )));
    }
    if let Some(window) = labels.iter().position(|&label| label as usize >= n_classes) {
        let label = labels[window];
        return Err(MetricsError::Input(format!("window {window} has label {label} of {n_classes} classes (from 0)")));
    }
    match NotFinite::find(scores, n_classes) {
        Some(NotFinite { window, class }) => Err(MetricsError::NotFinite { window, class: classes[class].clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use triax_testing::golden;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        labels: Vec<u32>,
        predictions: Vec<u32>,
        accuracy: f64,
        macro_f1: f64,
        precision: Vec<f64>,
        recall: Vec<f64>,
        f1: Vec<f64>,
        support: Vec<u64>,
        confusion: Vec<Vec<u64>>,
    }

    fn classes(n: usize) -> Vec<String> {
        (0..n).map(|class| format!("class {class}")).collect()
    }

    #[test]
    fn figures_are_those_of_scikit_learn() {
        let golden: Golden = golden(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/metrics.json"));
        let near = |ours: f64, theirs: f64| assert!((ours - theirs).abs() < 1e-14, "{ours} is not {theirs}");
        assert!(!golden.cases.is_empty());
        for case in golden.cases {
            let mut scores = vec![-0.5; case.labels.len() * 5];
            for (window, &prediction) in case.predictions.iter().enumerate() {
                scores[window * 5 + prediction as usize] = 0.75;
            }
            let metrics = Metrics::from_scores(&scores, &case.labels, Loss::Hinge, &classes(5)).unwrap();
            near(metrics.accuracy, case.accuracy);
            near(metrics.macro_f1, case.macro_f1);
            let lacking = (0..5).filter(|&class| case.support[class] == 0).map(|class| format!("class {class}"));
            assert_eq!(metrics.lacking, lacking.collect::<Vec<_>>());
            assert_eq!(Vec::from(metrics.confusion), case.confusion);
            for (class, ours) in metrics.per_class.iter().enumerate() {
                near(ours.precision, case.precision[class]);
                near(ours.recall, case.recall[class]);
                near(ours.f1, case.f1[class]);
                assert_eq!(ours.support, case.support[class]);
            }
        }
    }

    #[test]
    fn the_loss_is_the_mean_over_windows() {
        // Categorical hinge, worked out by hand: max(0.25, 0) − 1 + 1 = 0.25 and max(0.5, 0) − (−1) + 1 = 2.5.
        let scores = [1.0, 0.25, 0.5, -1.0];
        let metrics = Metrics::from_scores(&scores, &[0, 1], Loss::CategoricalHinge, &classes(2)).unwrap();
        assert_eq!(metrics.loss, (0.25 + 2.5) / 2.0);
        assert_eq!(metrics.accuracy, 0.5);
    }

    #[test]
    fn the_first_of_equal_scores_is_the_prediction() {
        let scores = [0.5, 0.5, 0.5, -1.0, 2.0, 2.0];
        let metrics = Metrics::from_scores(&scores, &[0, 1], Loss::Hinge, &classes(3)).unwrap();
        assert_eq!(metrics.confusion, Confusion::from_predictions(3, &[0, 1], &[0, 1]));
    }

    #[test]
    fn scores_that_cannot_be_judged_are_refused() {
        let judge = |scores: &[f32], labels: &[u32]| {
            Metrics::from_scores(scores, labels, Loss::SquaredHinge, &classes(2)).unwrap_err()
        };
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = judge(&[0.0, 1.0, 2.0, bad], &[0, 1]);
            assert_eq!(error, MetricsError::NotFinite { window: 1, class: "class 1".into() });
        }
        assert!(judge(&[0.0, 1.0, 2.0], &[0, 1]).to_string().contains("3 scores for 2 windows"));
        assert!(judge(&[0.0, 1.0], &[2]).to_string().contains("label 2"));
        assert!(judge(&[], &[]).to_string().contains("no window"));
    }
}
