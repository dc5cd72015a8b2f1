//! What a mean loss says about the windows that it is the mean of.

use triax_engine::Confusion;
use triax_losses::{Loss, predicted_class};

/// A mean loss between its two marks, and where the windows stand. Every window counts once, regardless of class weights.
#[derive(Clone, Debug, PartialEq)]
pub struct LossReading {
    /// The loss.
    pub loss: Loss,
    /// Its mean over the windows.
    pub value: f64,
    /// What the best constant answer costs on the same windows: [`Loss::floor`].
    pub floor: f64,
    /// What a wrong window costs at least: [`Loss::price_of_a_mistake`].
    pub price: f64,
    /// The fraction of wrong windows.
    pub error: f64,
    /// Where the windows stand; none for a loss without a margin.
    pub margin: Option<Margin>,
}

/// Fractions of the windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// Beyond the margin: right, at no loss. Training leaves such a window alone.
    pub beyond: f64,
    /// Right, though inside the margin: the loss is above 0.
    pub inside: f64,
}

impl LossReading {
    /// Reads the `scores` (n_windows, classes), all finite, of windows with `labels`.
    ///
    /// # Panics
    /// If there is not one score for each window and class, no window, or a label is no class.
    pub fn from_scores(scores: &[f32], labels: &[u32], classes: usize, loss: Loss) -> Self {
        assert_eq!(scores.len(), labels.len() * classes, "a score for each window and class");
        assert!(!labels.is_empty(), "a mean is over windows");
        let (mut row, mut d_scores) = (vec![0.0; classes], vec![0.0; classes]);
        let (mut sum, mut n_beyond, mut confusion) = (0.0, 0_u64, Confusion::new(classes));
        for (scores, &label) in scores.chunks_exact(classes).zip(labels) {
            row.iter_mut().zip(scores).for_each(|(wide, &score)| *wide = f64::from(score));
            let value = loss.row(&row, label as usize, &mut d_scores);
            sum += value;
            n_beyond += u64::from(value == 0.0);
            confusion.add(label as usize, predicted_class(scores));
        }
        let n_windows = labels.len() as f64;
        let shares: Vec<f64> = (0..classes).map(|class| confusion.support(class) as f64 / n_windows).collect();
        let beyond = n_beyond as f64 / n_windows;
        Self {
            loss,
            value: sum / n_windows,
            floor: loss.floor(&shares),
            price: loss.price_of_a_mistake(classes),
            error: 1.0 - confusion.accuracy(),
            margin: loss.has_margin().then(|| Margin { beyond, inside: confusion.accuracy() - beyond }),
        }
    }

    /// The largest fraction of wrong windows that a mean loss of this value allows: at most 1.
    pub fn most_wrong(&self) -> f64 {
        (self.value / self.price).min(1.0)
    }

    /// The part of the floor that the network has saved: 1 at a loss of 0, 0 for a constant answer, negative above it. None
    /// where a constant answer costs nothing: all windows are of one class.
    pub fn saved(&self) -> Option<f64> {
        (self.floor > 0.0).then(|| 1.0 - self.value / self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(ours: f64, expected: f64) {
        assert!((ours - expected).abs() < 1e-6, "{ours} is not {expected}");
    }

    /// Four windows of three classes: beyond the margin, right inside it, right with a wrong column, and wrong.
    const SCORES: [f32; 12] = [1.5, -1.0, -2.0, 0.5, -1.0, -1.0, -0.5, 0.5, -1.0, 0.5, -0.5, -1.0];
    const LABELS: [u32; 4] = [0, 0, 1, 1];

    #[test]
    fn a_hinge_is_read_as_worked_out_by_hand() {
        // Rows: 0; (0.5)/3; (0.5 + 0.5)/3; (1.5 + 1.5)/3. Shares 1/2, 1/2, 0: 2/3 · (0.5 + 0.5).
        let found = LossReading::from_scores(&SCORES, &LABELS, 3, Loss::Hinge);
        near(found.value, 4.5 / 3.0 / 4.0);
        near(found.floor, 2.0 / 3.0);
        near(found.price, 2.0 / 3.0);
        assert_eq!(found.error, 0.25);
        assert_eq!(found.margin, Some(Margin { beyond: 0.25, inside: 0.5 }));
        near(found.most_wrong(), 0.375 / (2.0 / 3.0));
        near(found.saved().unwrap(), 1.0 - 0.375 / (2.0 / 3.0));
    }

    #[test]
    fn each_loss_has_its_own_marks() {
        let read = |loss| LossReading::from_scores(&SCORES, &LABELS, 3, loss);
        // Squares: 0; 0.25/3; 0.5/3; 4.5/3. 4/3 · (1/4 + 1/4).
        let squared = read(Loss::SquaredHinge);
        near(squared.value, 5.25 / 3.0 / 4.0);
        near(squared.floor, 2.0 / 3.0);
        // max(0, rivals) − label + 1: max(0, −0.5) = 0; 0.5; 0.5; 0.5 + 0.5 + 1.
        let categorical = read(Loss::CategoricalHinge);
        near(categorical.value, (0.0 + 0.5 + 0.5 + 2.0) / 4.0);
        near(categorical.floor, 1.0);
        near(categorical.most_wrong(), 0.75);
        assert_eq!(categorical.margin, Some(Margin { beyond: 0.25, inside: 0.5 }));
        let entropy = read(Loss::CategoricalCrossentropy);
        near(entropy.floor, std::f64::consts::LN_2);
        near(entropy.price, std::f64::consts::LN_2);
        assert_eq!(entropy.margin, None);
    }

    #[test]
    fn the_bound_is_never_more_than_all_windows_and_one_class_has_no_floor() {
        let found = LossReading::from_scores(&[-9.0, 9.0], &[0], 2, Loss::Hinge);
        assert_eq!((found.most_wrong(), found.error, found.saved()), (1.0, 1.0, None));
    }
}
