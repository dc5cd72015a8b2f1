//! Stacking: models that predict together, with the weights that suit people whom none of them was trained on.

use std::sync::Arc;

use triax_answers::temperature::Temperature;
use triax_losses::predicted_classes;
use triax_trainer::SubjectFigures;

use crate::ensembles::{EnsembleScores, ensemble_weights};
use crate::grid::Study;
use crate::summarise::mean_over_seeds;

/// The windows that a fold holds out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldOutWindows {
    /// The person of each window.
    pub people: Vec<String>,
    /// The label of each window.
    pub labels: Vec<u32>,
}

/// The scores of one setting for the windows of a fold, by networks that were not trained on it.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldScores {
    /// The windows.
    pub windows: Arc<HeldOutWindows>,
    /// Of each seed whose training did not break down: (n_windows, classes).
    pub seeds: Vec<Vec<f32>>,
}

/// How several models predict together.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// How much the probabilities of each model count; 1 in sum.
    pub weights: Vec<f64>,
    /// What the scores of each model are divided by before they become probabilities.
    pub temperatures: Vec<Temperature>,
}

impl HeldOutWindows {
    /// The windows that the fold with this index holds out.
    pub(crate) fn of_fold(study: &Study, fold: usize) -> Self {
        let valid = &study.folds[fold].valid;
        let people = valid.iter().map(|&idx| study.subject(idx).to_owned()).collect();
        Self { people, labels: study.labels(valid) }
    }
}

impl Stack {
    /// The weights and temperatures that suit the windows of all folds best, by the first seed. Each member has the scores of
    /// the same folds. Temperatures first: margins are no probabilities before, and those of several losses differ in scale.
    ///
    /// # Panics
    /// If there is no member, one has no seed, or they differ in their folds.
    pub fn fit(members: &[&[FoldScores]], n_classes: usize) -> Self {
        Self::fit_where(members, |_| true, n_classes)
    }

    /// Like [`Stack::fit`], for the folds that are `used`.
    fn fit_where(members: &[&[FoldScores]], used: impl Fn(usize) -> bool, n_classes: usize) -> Self {
        let folds = || (0..members[0].len()).filter(|&fold| used(fold));
        let labels: Vec<u32> = folds().flat_map(|fold| members[0][fold].windows.labels.iter().copied()).collect();
        let of_member = |member: &&[FoldScores]| {
            let scores: Vec<f32> = folds().flat_map(|fold| member[fold].seeds[0].iter().copied()).collect();
            let temperature = Temperature::fit(&scores, &labels, n_classes);
            let probabilities = temperature.probabilities(&scores, n_classes);
            (temperature, probabilities.into_iter().map(|p| p as f32).collect())
        };
        let (temperatures, probabilities): (Vec<Temperature>, Vec<Vec<f32>>) = members.iter().map(of_member).unzip();
        let probabilities: Vec<&[f32]> = probabilities.iter().map(Vec::as_slice).collect();
        Self { weights: ensemble_weights(&probabilities, &labels, n_classes), temperatures }
    }

    /// The figures of each person, as the mean over the seeds that all `members` have.
    ///
    /// # Panics
    /// As [`Stack::fit`].
    pub fn figures(&self, members: &[&[FoldScores]], class_names: &[String]) -> Vec<SubjectFigures> {
        let of_fold = |fold: usize| {
            let n_seeds = members.iter().map(|member| member[fold].seeds.len()).min().unwrap_or(0);
            (0..n_seeds).flat_map(move |seed| self.figures_of(members, fold, seed, class_names))
        };
        mean_over_seeds((0..members[0].len()).flat_map(of_fold))
    }

    /// The figures of the people of one fold with one seed.
    fn figures_of(
        &self,
        members: &[&[FoldScores]],
        fold: usize,
        seed: usize,
        class_names: &[String],
    ) -> Vec<SubjectFigures> {
        let mut combined = EnsembleScores::of_probabilities(class_names.len());
        for ((member, weight), temperature) in members.iter().zip(&self.weights).zip(&self.temperatures) {
            combined.add_weighted(&member[fold].seeds[seed], *weight as f32, temperature.value() as f32);
        }
        let predictions = predicted_classes(&combined.scores(), class_names.len());
        let HeldOutWindows { people, labels } = &*members[0][fold].windows;
        SubjectFigures::by_subject(&predictions, labels, people, class_names)
    }
}

/// The figures of each person with the weights that suit the other folds best, by the first seed: what stacking gives people
/// whose answers were not used for it (Wolpert, "Stacked generalization", Neural Networks 5, 1992).
///
/// # Panics
/// As [`Stack::fit`]; if there are fewer than two folds.
pub fn cross_fitted(members: &[&[FoldScores]], class_names: &[String]) -> Vec<SubjectFigures> {
    let n_folds = members[0].len();
    assert!(n_folds > 1, "two folds at least");
    let of_fold = |held_out: usize| {
        let stack = Stack::fit_where(members, |fold| fold != held_out, class_names.len());
        stack.figures_of(members, held_out, 0, class_names)
    };
    (0..n_folds).flat_map(of_fold).collect()
}

#[cfg(test)]
mod tests {
    use triax_model::random::{Purpose, Stream};

    use super::*;

    /// Scores of `n` windows of two classes for two people, which are right as often as `right` says for each.
    fn fold(name: &str, n: usize, right: [f64; 2], scale: f32, draws: &mut Stream) -> FoldScores {
        let person = |window: usize| 2 * window / n;
        let people = (0..n).map(|window| format!("{name}{}", person(window))).collect();
        let labels: Vec<u32> = (0..n as u32).map(|window| window % 2).collect();
        let scores = labels.iter().enumerate().flat_map(|(window, &label)| {
            let is_right = f64::from(draws.uniform()) < right[person(window)];
            let class = if is_right { label } else { 1 - label };
            [0, 1].map(|one| if one == class { scale } else { -scale })
        });
        let seeds = vec![scores.collect()];
        FoldScores { windows: Arc::new(HeldOutWindows { people, labels }), seeds }
    }

    fn names() -> Vec<String> {
        vec!["a".to_owned(), "b".to_owned()]
    }

    #[test]
    fn who_is_right_counts_whatever_the_scale() {
        let mut draws = Stream::new(5, Purpose::Initialise, 0);
        let mut member =
            |right: f64, scale: f32| ["a", "b", "c"].map(|name| fold(name, 200, [right; 2], scale, &mut draws));
        let (good, poor) = (member(0.9, 0.1), member(0.55, 30.0));
        let stack = Stack::fit(&[&good, &poor], 2);
        assert!(stack.weights[0] > 0.7, "{stack:?}");
        assert!(stack.temperatures[0].value() < 0.2 && stack.temperatures[1].value() > 10.0, "{stack:?}");
        let figures = cross_fitted(&[&good, &poor], &names());
        let people: Vec<&str> = figures.iter().map(|one| one.subject.as_str()).collect();
        assert_eq!(people, ["a0", "a1", "b0", "b1", "c0", "c1"]);
        assert!(figures.iter().all(|one| one.accuracy > 0.8), "{figures:?}");
        assert_eq!(stack.figures(&[&good, &poor], &names()).len(), 6);
    }

    #[test]
    fn a_fold_is_judged_by_what_the_others_say() {
        // The first member is right in the first fold alone, and would get its weight there.
        let mut draws = Stream::new(6, Purpose::Initialise, 0);
        let mut member = |right: [f64; 3]| {
            let mut right = right.into_iter();
            ["a", "b", "c"].map(|name| fold(name, 100, [right.next().unwrap_or(0.0); 2], 1.0, &mut draws))
        };
        let (one, two) = (member([1.0, 0.1, 0.1]), member([0.1, 1.0, 1.0]));
        let figures = cross_fitted(&[&one, &two], &names());
        assert!(figures[0].accuracy < 0.3 && figures[1].accuracy < 0.3, "{figures:?}");
    }
}
