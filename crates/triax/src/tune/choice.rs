//! What a search chooses: its best candidate, or several that predict together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use triax_answers::temperature::Temperature;
use triax_study::search::{Scores, Searched, Space, Tried, Values};
use triax_study::statistics::Estimate;
use triax_study::{FoldScores, Judged, Stack, SubjectFigures, cross_fitted};

use super::outcome::estimate;
use super::space::model;
use crate::settings::ModelName;

/// The most networks of an ensemble: those that were drawn near each other say nearly the same. Of each classical method it has
/// the best.
const MOST_NETWORKS: usize = 2;
/// A member that counts less is left out.
const LEAST_WEIGHT: f64 = 0.05;

/// The scores of candidates for the windows of every fold, by their numbers.
pub(super) type ScoresOfCandidates = BTreeMap<usize, Vec<FoldScores>>;

/// Candidates with windows of one length that predict together: their probabilities are averaged, with weights that suit the
/// people of the search by whom each was judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleCandidate {
    /// Its members, the one that counts most first.
    pub members: Vec<StackedMember>,
    /// The score of each person of the search, with the weights that suit the people of the other folds.
    pub scores: Scores,
    /// Whether it was ahead of the best candidate, and is what was chosen.
    pub is_chosen: bool,
}

/// A candidate of an ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackedMember {
    /// Its number.
    pub candidate: usize,
    /// Its model.
    pub model: ModelName,
    /// How much its probabilities count; those of all members are 1 in sum.
    pub weight: f64,
    /// What its scores are divided by before they become probabilities.
    pub temperature: Temperature,
    /// Its settings.
    pub values: Values,
}

/// What a search has chosen.
pub(super) struct Choice {
    /// The best candidate.
    pub best: Values,
    /// What the best candidate came to in the search.
    pub of_best: Estimate,
    /// The best ensemble, if there are candidates that could be one.
    pub ensemble: Option<EnsembleCandidate>,
}

impl EnsembleCandidate {
    /// What it came to in the search.
    pub fn estimate(&self) -> Estimate {
        estimate(&self.scores.values().copied().collect::<Vec<_>>())
    }

    /// `0.6 extra_trees + 0.4 network`, by the models of its members.
    pub fn in_words(&self) -> String {
        let member = |one: &StackedMember| format!("{:.2} {}", one.weight, one.model);
        self.members.iter().map(member).collect::<Vec<_>>().join(" + ")
    }

    fn stack(&self) -> Stack {
        let weights = self.members.iter().map(|one| one.weight).collect();
        Stack { weights, temperatures: self.members.iter().map(|one| one.temperature).collect() }
    }

    /// The figures of people by whom its members were `judged`, in the order of its members.
    pub(super) fn figures(&self, judged: &[&Judged], class_names: &[String]) -> Vec<SubjectFigures> {
        let members: Vec<&[FoldScores]> = judged.iter().map(|one| one.folds.as_slice()).collect();
        self.stack().figures(&members, class_names)
    }
}

impl Choice {
    /// The best candidate of a search, or the best ensemble of those that were judged by all, if that is ahead. `lengths` are
    /// those of the windows of a candidate of `space`: only models that read the same windows can predict together. `None` if no
    /// candidate was judged by all.
    pub fn new(
        searched: &Searched,
        scores: &ScoresOfCandidates,
        space: &Space,
        lengths: impl Fn(&Values) -> (usize, usize),
        class_names: &[String],
    ) -> Option<Self> {
        let best = &searched.candidates[searched.best?];
        let mut groups: BTreeMap<(usize, usize), Vec<&Tried>> = BTreeMap::new();
        let mut ranked: Vec<&Tried> = scores.keys().map(|&number| &searched.candidates[number]).collect();
        ranked.sort_by(|a, b| b.mean().total_cmp(&a.mean()));
        for one in ranked {
            groups.entry(lengths(&one.values)).or_default().push(one);
        }
        let ensembles = groups.values().filter_map(|group| ensemble(group, space, scores, class_names));
        let mut ensemble = ensembles.max_by(|a, b| a.estimate().mean.total_cmp(&b.estimate().mean));
        if let Some(one) = &mut ensemble {
            one.is_chosen = one.estimate().mean > best.mean();
        }
        Some(Self { best: best.values.clone(), of_best: best.estimate(), ensemble })
    }

    /// The ensemble, if it is what was chosen.
    pub fn ensemble(&self) -> Option<&EnsembleCandidate> {
        self.ensemble.as_ref().filter(|one| one.is_chosen)
    }

    /// What the chosen came to in the search.
    pub fn flattering(&self) -> Estimate {
        self.ensemble().map_or_else(|| self.of_best, EnsembleCandidate::estimate)
    }
}

/// The ensemble of the candidates of `group`, drawn from `space`, the best of which comes first; `None` if no two of them count.
fn ensemble(
    group: &[&Tried],
    space: &Space,
    scores: &ScoresOfCandidates,
    class_names: &[String],
) -> Option<EnsembleCandidate> {
    let model = |one: &Tried| model(space, &one.values);
    let mut members: Vec<&Tried> = Vec::new();
    for one in group {
        let n_of_model = members.iter().filter(|other| model(other) == model(one)).count();
        if n_of_model < if model(one) == ModelName::Network { MOST_NETWORKS } else { 1 } {
            members.push(one);
        }
    }
    let of = |members: &[&Tried]| -> Vec<&[FoldScores]> {
        members.iter().map(|one| scores[&one.number].as_slice()).collect()
    };
    if members.len() > 1 {
        let first = Stack::fit(&of(&members), class_names.len());
        let mut counts = first.weights.into_iter().map(|weight| weight >= LEAST_WEIGHT);
        members.retain(|_| counts.next().expect("a weight for each"));
    }
    if members.len() < 2 {
        return None;
    }
    let of_members = of(&members);
    let Stack { weights, temperatures } = Stack::fit(&of_members, class_names.len());
    let figures = cross_fitted(&of_members, class_names);
    let stacked = members.iter().zip(weights).zip(temperatures).map(|((one, weight), temperature)| {
        let (candidate, model, values) = (one.number, model(one), one.values.clone());
        StackedMember { candidate, model, weight, temperature, values }
    });
    let mut members: Vec<StackedMember> = stacked.collect();
    members.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let scores = figures.into_iter().map(|one| (one.subject, one.macro_f1)).collect();
    Some(EnsembleCandidate { members, scores, is_chosen: false })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use triax_study::HeldOutWindows;
    use triax_study::search::Origin;

    use super::*;

    /// A candidate of this number and kind, with one person a fold of 40 windows, and its scores. Its answer to a window is
    /// wrong where `wrong` says so.
    fn candidate(number: usize, model: &str, wrong: impl Fn(usize) -> bool) -> (Tried, Vec<FoldScores>) {
        let labels: Vec<u32> = (0..40).map(|window| window % 2).collect();
        let margins = |&label: &u32, window: usize| {
            let class = if wrong(window) { 1 - label } else { label };
            // What is wrong is less sure.
            let margin = if wrong(window) { 0.5 } else { 2.0 };
            [0, 1].map(|one| if one == class { margin } else { -margin })
        };
        let seeds: Vec<Vec<f32>> =
            vec![labels.iter().enumerate().flat_map(|(window, label)| margins(label, window)).collect()];
        let fold = |person: usize| FoldScores {
            windows: Arc::new(HeldOutWindows { people: vec![format!("p{person}"); 40], labels: labels.clone() }),
            seeds: seeds.clone(),
        };
        let share = (0..40).filter(|window| !wrong(*window)).count() as f64 / 40.0;
        let tried = Tried {
            number,
            generation: 1,
            origin: Origin::Drawn,
            values: [("model".to_owned(), model.to_owned()), ("number".to_owned(), number.to_string())].into(),
            scores: (0..3).map(|person| (format!("p{person}"), vec![share])).collect(),
            n_folds: 3,
            first: Some(share),
            dropped: None,
        };
        (tried, (0..3).map(fold).collect())
    }

    fn choice(all: Vec<(Tried, Vec<FoldScores>)>, lengths: impl Fn(&Values) -> (usize, usize)) -> Choice {
        let (candidates, scores): (Vec<Tried>, Vec<_>) = all.into_iter().unzip();
        let scores = scores.into_iter().enumerate().collect();
        let searched = Searched { n_generations: 1, budget: 1, used: 1, best: Some(0), candidates };
        let space = Space { dimensions: Vec::new(), fixed: [("model".to_owned(), "extra_trees".to_owned())].into() };
        Choice::new(&searched, &scores, &space, lengths, &["a".to_owned(), "b".to_owned()]).unwrap()
    }

    #[test]
    fn models_that_are_wrong_elsewhere_are_better_together() {
        let all =
            || vec![candidate(0, "network", |window| window < 8), candidate(1, "extra_trees", |window| window > 31)];
        let together = choice(all(), |_| (100, 50));
        let ensemble = together.ensemble().expect("it is ahead");
        assert_eq!(ensemble.members.len(), 2);
        assert!((together.flattering().mean - 1.0).abs() < 1e-9 && together.of_best.mean < 0.85, "{ensemble:?}");
        assert!(ensemble.in_words().contains("network") && ensemble.in_words().contains("extra_trees"));
        // Where they read other windows they cannot.
        let apart = choice(all(), |values| if values["number"] == "0" { (100, 50) } else { (200, 100) });
        assert_eq!(apart.ensemble, None);
        assert_eq!(apart.flattering(), apart.of_best);
    }

    #[test]
    fn who_adds_nothing_is_no_member() {
        let all = vec![
            candidate(0, "network", |window| window < 4),
            candidate(1, "extra_trees", |window| window % 2 == 0 || window < 8),
        ];
        let alone = choice(all, |_| (100, 50));
        assert!(alone.ensemble().is_none(), "{:?}", alone.ensemble);
    }

    #[test]
    fn of_a_classical_model_that_is_fixed_only_the_best_is_a_member() {
        let fixed = |number: usize| {
            let (mut tried, scores) = candidate(number, "", move |window| window / 6 == number);
            tried.values.remove("model");
            (tried, scores)
        };
        assert_eq!(choice((0..3).map(fixed).collect(), |_| (100, 50)).ensemble, None);
    }

    #[test]
    fn of_many_networks_the_best_two_are_members() {
        let all = (0..6).map(|number| candidate(number, "network", move |window| window / 6 == number)).collect();
        let members = choice(all, |_| (100, 50)).ensemble.map(|one| one.members.len());
        assert_eq!(members, Some(2));
    }
}
