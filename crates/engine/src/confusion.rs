//! The confusion matrix, and the figures that follow from its counts.

use std::ops::{AddAssign, Index};

use serde::{Deserialize, Serialize};

/// Counts of windows by label and prediction. `confusion[label][prediction]` reads one of them.
///
/// A ratio whose denominator is 0 (the precision of a class that is never predicted, the recall of a class without
/// windows) is 0, as in scikit-learn. In JSON the matrix is an array of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<u64>>", into = "Vec<Vec<u64>>")]
pub struct Confusion {
    n_classes: usize,
    /// (label, prediction), row-major.
    counts: Box<[u64]>,
}

impl Confusion {
    /// The matrix of no windows.
    pub fn new(n_classes: usize) -> Self {
        Self { n_classes, counts: vec![0; n_classes * n_classes].into() }
    }

    /// The matrix with these `counts` (label, prediction), row-major.
    ///
    /// # Panics
    /// If there is not one count for each pair of classes.
    pub fn from_counts(n_classes: usize, counts: Vec<u64>) -> Self {
        assert_eq!(counts.len(), n_classes * n_classes, "one count for each pair of classes");
        Self { n_classes, counts: counts.into() }
    }

    /// The matrix of windows with these labels and predictions, one each a window.
    ///
    /// # Panics
    /// If there are more of one than of the other, or one of them is no class.
    pub fn from_predictions(n_classes: usize, labels: &[u32], predictions: &[u32]) -> Self {
        assert_eq!(labels.len(), predictions.len(), "one label and one prediction for each window");
        let mut confusion = Self::new(n_classes);
        for (&label, &prediction) in labels.iter().zip(predictions) {
            confusion.add(label as usize, prediction as usize);
        }
        confusion
    }

    /// Counts one window.
    ///
    /// # Panics
    /// If the label or the prediction is no class.
    pub fn add(&mut self, label: usize, prediction: usize) {
        assert!(label < self.n_classes && prediction < self.n_classes, "a class below {}", self.n_classes);
        self.counts[label * self.n_classes + prediction] += 1;
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// The rows in the order of the labels: the predictions for the windows of each class.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        (0..self.n_classes).map(|label| &self[label])
    }

    /// Windows counted.
    pub fn n_windows(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Windows whose prediction is their label.
    pub fn n_correct(&self) -> u64 {
        (0..self.n_classes).map(|class| self.hits(class)).sum()
    }

    /// Windows of `class` that are predicted so.
    pub fn hits(&self, class: usize) -> u64 {
        self[class][class]
    }

    /// Windows of `class`.
    pub fn support(&self, class: usize) -> u64 {
        self[class].iter().sum()
    }

    /// Windows predicted as `class`.
    pub fn predicted(&self, class: usize) -> u64 {
        self.rows().map(|row| row[class]).sum()
    }

    /// Fraction of the windows whose prediction is their label.
    pub fn accuracy(&self) -> f64 {
        ratio(self.n_correct(), self.n_windows())
    }

    /// Of the windows predicted as `class`, the fraction that is.
    pub fn precision(&self, class: usize) -> f64 {
        ratio(self.hits(class), self.predicted(class))
    }

    /// Of the windows of `class`, the fraction that is predicted so.
    pub fn recall(&self, class: usize) -> f64 {
        ratio(self.hits(class), self.support(class))
    }

    /// Harmonic mean of precision and recall, as `2·hits / (support + predicted)`.
    pub fn f1(&self, class: usize) -> f64 {
        ratio(2 * self.hits(class), self.support(class) + self.predicted(class))
    }

    /// Mean F1 of the classes that have windows; 0 without any.
    ///
    /// A class without windows has no F1 to reach: it would only count that others are taken for it, which the recall of
    /// those others counts already. scikit-learn gives the same for
    /// `f1_score(.., labels=np.unique(y_true), average="macro", zero_division=0)`. Its default also averages over classes
    /// that are predicted and have no windows, each with an F1 of 0; Keras's `F1Score(average="macro")` averages over all
    /// classes of the network.
    pub fn macro_f1(&self) -> f64 {
        let (sum, n_classes) = self.present().fold((0.0, 0_u32), |(sum, n), class| (sum + self.f1(class), n + 1));
        if n_classes == 0 { 0.0 } else { sum / f64::from(n_classes) }
    }

    /// The confusions that occur, as label, prediction and windows: the most frequent first, then by label and prediction.
    pub fn mistakes(&self) -> Vec<(usize, usize, u64)> {
        let of_label = |(label, row): (usize, &[u64])| -> Vec<(usize, usize, u64)> {
            let counts = row.iter().copied().enumerate();
            counts.filter(|&(to, n)| to != label && n > 0).map(|(to, n)| (label, to, n)).collect()
        };
        let mut all: Vec<_> = self.rows().enumerate().flat_map(of_label).collect();
        all.sort_by_key(|&(label, prediction, n)| (std::cmp::Reverse(n), label, prediction));
        all
    }

    /// The classes that have windows, which macro-F1 is over.
    pub fn present(&self) -> impl Iterator<Item = usize> {
        (0..self.n_classes).filter(|&class| self.support(class) > 0)
    }

    /// The classes without windows, which macro-F1 leaves out.
    pub fn lacking(&self) -> impl Iterator<Item = usize> {
        (0..self.n_classes).filter(|&class| self.support(class) == 0)
    }
}

impl Index<usize> for Confusion {
    type Output = [u64];

    /// The row of `label`.
    fn index(&self, label: usize) -> &[u64] {
        &self.counts[label * self.n_classes..][..self.n_classes]
    }
}

impl AddAssign<&Self> for Confusion {
    /// Counts the windows of `other` too.
    ///
    /// # Panics
    /// If `other` has another number of classes.
    fn add_assign(&mut self, other: &Self) {
        assert_eq!(self.n_classes, other.n_classes, "matrices of the same classes");
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
    }
}

impl From<Confusion> for Vec<Vec<u64>> {
    fn from(confusion: Confusion) -> Self {
        confusion.rows().map(<[u64]>::to_vec).collect()
    }
}

impl TryFrom<Vec<Vec<u64>>> for Confusion {
    type Error = String;

    fn try_from(rows: Vec<Vec<u64>>) -> Result<Self, String> {
        let n_classes = rows.len();
        if let Some(row) = rows.iter().find(|row| row.len() != n_classes) {
            return Err(format!("a confusion matrix of {n_classes} rows has a row of {}", row.len()));
        }
        Ok(Self { n_classes, counts: rows.concat().into() })
    }
}

/// 0 where the denominator is.
fn ratio(numerator: u64, denominator: u64) -> f64 {
    if denominator == 0 { 0.0 } else { numerator as f64 / denominator as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class 0: 3 of 4 windows right. Class 1: 1 of 2. Class 2 has no windows, and is predicted once.
    fn confusion() -> Confusion {
        Confusion::from_predictions(3, &[0, 0, 0, 0, 1, 1], &[0, 0, 0, 1, 1, 2])
    }

    #[test]
    fn figures_follow_from_the_counts() {
        let confusion = confusion();
        assert_eq!(confusion.rows().collect::<Vec<_>>(), [[3, 1, 0], [0, 1, 1], [0, 0, 0]]);
        assert_eq!((confusion.n_windows(), confusion.n_correct()), (6, 4));
        assert_eq!([0, 1, 2].map(|class| confusion.support(class)), [4, 2, 0]);
        assert_eq!([0, 1, 2].map(|class| confusion.predicted(class)), [3, 2, 1]);
        assert_eq!(confusion.accuracy(), 4.0 / 6.0);
        assert_eq!([0, 1, 2].map(|class| confusion.precision(class)), [1.0, 0.5, 0.0]);
        assert_eq!([0, 1, 2].map(|class| confusion.recall(class)), [0.75, 0.5, 0.0]);
        let f1 = [6.0 / 7.0, 0.5, 0.0];
        assert_eq!([0, 1, 2].map(|class| confusion.f1(class)), f1);
        assert_eq!(confusion.macro_f1(), (f1[0] + f1[1]) / 2.0);
        assert_eq!(confusion.mistakes(), [(0, 1, 1), (1, 2, 1)]);
        assert_eq!(confusion.present().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(confusion.lacking().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn every_figure_of_no_windows_is_0() {
        let none = Confusion::new(2);
        assert_eq!((none.accuracy(), none.precision(1), none.recall(1)), (0.0, 0.0, 0.0));
        assert_eq!(none.macro_f1(), 0.0);
    }

    #[test]
    fn matrices_add_up() {
        let mut sum = confusion();
        sum += &confusion();
        assert_eq!(sum.rows().collect::<Vec<_>>(), [[6, 2, 0], [0, 2, 2], [0, 0, 0]]);
    }

    #[test]
    fn in_json_it_is_an_array_of_rows() {
        let json = serde_json::to_string(&confusion()).unwrap();
        assert_eq!(json, "[[3,1,0],[0,1,1],[0,0,0]]");
        assert_eq!(serde_json::from_str::<Confusion>(&json).unwrap(), confusion());
        let error = serde_json::from_str::<Confusion>("[[1,2],[3]]").unwrap_err().to_string();
        assert!(error.contains("a row of 1"), "{error}");
    }
}
