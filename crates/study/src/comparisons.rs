//! Comparisons of pairs over subjects, and the main effects of the settings that vary.

use std::collections::{BTreeMap, BTreeSet};

use triax_trainer::SubjectFigures;

use crate::statistics::{Compared, Estimate, holm, signed_rank};
use crate::summarise::{BOOTSTRAP_SEED, over_subjects, sample};
use crate::summary::{Comparison, Competitor, Kind, Level, MainEffect, figure_in_words};

/// The most settings of which every pair is compared; with more, only the best is compared with every other.
const MOST_FOR_PAIRS: usize = 8;

/// What is compared: a name, and the figures of each subject.
type Side<'a> = (&'a str, &'a [SubjectFigures]);

/// Compares networks with each other, and the best network with every ensemble and baseline, over the subjects that
/// both have. Networks come first, the best before the others.
pub(crate) fn comparisons(competitors: &[Competitor]) -> Vec<Comparison> {
    let n_networks = competitors.iter().filter(|one| one.kind == Kind::Network).count();
    if n_networks == 0 {
        return Vec::new();
    }
    let mut pairs = pairs(n_networks);
    pairs.extend((n_networks..competitors.len()).map(|b| (0, b)));
    let sides: Vec<Side<'_>> = competitors.iter().map(|one| (one.name.as_str(), &*one.subjects)).collect();
    compared(&sides, &pairs)
}

/// Pairs of `n`, the best of which is the first: all, or of many those with the best.
fn pairs(n: usize) -> Vec<(usize, usize)> {
    match n {
        0..=MOST_FOR_PAIRS => (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).collect(),
        _ => (1..n).map(|b| (0, b)).collect(),
    }
}

/// Compares the first of `sides`, each a name with the figures of subjects, with every other, by both figures.
pub fn compare_with_first(sides: &[(&str, &[SubjectFigures])]) -> Vec<Comparison> {
    compared(sides, &(1..sides.len()).map(|b| (0, b)).collect::<Vec<_>>())
}

/// Compares `pairs` of `sides` by both figures. p-values are corrected for all comparisons of the same figure.
pub(crate) fn compared(sides: &[Side<'_>], pairs: &[(usize, usize)]) -> Vec<Comparison> {
    type Figure = fn(&SubjectFigures) -> f64;
    let figures: [(&str, Figure); 2] = [("macro_f1", |one| one.macro_f1), ("accuracy", |one| one.accuracy)];
    let mut comparisons = Vec::new();
    for (figure, value) in figures {
        let compare = |&(a, b): &(usize, usize)| comparison(sides[a], sides[b], figure, value);
        let mut of_figure: Vec<Comparison> = pairs.iter().filter_map(compare).collect();
        let corrected = holm(&of_figure.iter().map(|one| one.p).collect::<Vec<_>>());
        let n_comparisons = of_figure.len();
        for (one, p_holm) in of_figure.iter_mut().zip(corrected) {
            one.p_holm = p_holm;
            one.words = one.in_words(&one.a, &one.b, n_comparisons);
        }
        comparisons.extend(of_figure);
    }
    comparisons
}

/// The comparison of `a` and `b` over the subjects of both, not yet corrected; none over fewer than two.
fn comparison(a: Side<'_>, b: Side<'_>, figure: &str, value: fn(&SubjectFigures) -> f64) -> Option<Comparison> {
    let other = |one: &SubjectFigures| b.1.iter().find(|other| other.subject == one.subject);
    let differences: Vec<f64> = sample(a.1).filter_map(|one| Some(value(one) - value(other(one)?))).collect();
    if differences.len() < 2 {
        return None;
    }
    let test = signed_rank(&differences);
    Some(Comparison {
        a: a.0.to_owned(),
        b: b.0.to_owned(),
        figure: figure.to_owned(),
        n_subjects: differences.len(),
        difference: Estimate::new(&differences, BOOTSTRAP_SEED),
        effect: test.effect,
        p: test.p,
        p_holm: test.p,
        words: String::new(),
    })
}

impl Comparison {
    /// The finding as sentences, with these names for the two. `n_comparisons` are those of this figure, for which `p_holm`
    /// is corrected.
    pub fn in_words(&self, a: &str, b: &str, n_comparisons: usize) -> String {
        let Self { difference, p, p_holm, .. } = self;
        let figure = figure_in_words(&self.figure);
        Compared { a, b, figure, difference, p: *p, p_holm: *p_holm, n_comparisons }.words()
    }
}

impl MainEffect {
    /// The finding of `comparison`, one of these, as sentences with these names for the two values.
    pub fn in_words(&self, comparison: &Comparison, a: &str, b: &str) -> String {
        comparison.in_words(a, b, of_same_figure(&self.comparisons, comparison))
    }
}

/// The number of `comparisons` by the figure of `one`, which its p-value is corrected for.
pub(crate) fn of_same_figure(comparisons: &[Comparison], one: &Comparison) -> usize {
    comparisons.iter().filter(|other| other.figure == one.figure).count()
}

/// The main effect of each setting that varies, where several do: of each of its values the mean over the values of all
/// other settings. Each subject is averaged first, and counts once. Only combinations of the other settings are taken that
/// were trained with every value, and only subjects that all of these networks judge, so that the values are compared over
/// the same.
pub(crate) fn main_effects(competitors: &[Competitor]) -> Vec<MainEffect> {
    let networks: Vec<&Competitor> = competitors.iter().filter(|one| one.kind == Kind::Network).collect();
    let names: BTreeSet<&str> = networks.iter().flat_map(|one| one.settings.keys()).map(String::as_str).collect();
    if names.len() < 2 {
        return Vec::new();
    }
    names.into_iter().filter_map(|name| main_effect(name, &networks)).collect()
}

/// The main effect of the setting `name`; none if it has one value, or if no combination of the others has all its values.
fn main_effect(name: &str, networks: &[&Competitor]) -> Option<MainEffect> {
    let values: BTreeSet<&str> = networks.iter().filter_map(|one| one.settings.get(name)).map(String::as_str).collect();
    if values.len() < 2 {
        return None;
    }
    // The networks of each combination of the other settings, by the value of this one.
    let mut combinations: BTreeMap<Vec<(&str, &str)>, BTreeMap<&str, &Competitor>> = BTreeMap::new();
    for &network in networks {
        let others = network.settings.iter().filter(|(other, _)| *other != name);
        let others = others.map(|(other, value)| (other.as_str(), value.as_str())).collect();
        combinations.entry(others).or_default().insert(network.settings.get(name)?, network);
    }
    combinations.retain(|_, by_value| by_value.len() == values.len());
    let all: Vec<&Competitor> = combinations.values().flat_map(|by_value| by_value.values().copied()).collect();
    let (first, others) = all.split_first()?;
    let is_judged = |subject: &str| others.iter().all(|one| one.subjects.iter().any(|it| it.subject == subject));
    let subjects: Vec<&str> =
        first.subjects.iter().map(|one| one.subject.as_str()).filter(|one| is_judged(one)).collect();
    let mut levels: Vec<(Level, Vec<SubjectFigures>)> = values
        .into_iter()
        .map(|value| {
            let with_value: Vec<&Competitor> = combinations.values().map(|by_value| by_value[value]).collect();
            let figures: Vec<SubjectFigures> = subjects.iter().map(|subject| averaged(subject, &with_value)).collect();
            let over = |figure| over_subjects(&figures, figure);
            let (macro_f1, accuracy) = (over(|one| one.macro_f1), over(|one| one.accuracy));
            (Level { value: value.to_owned(), macro_f1, accuracy }, figures)
        })
        .collect();
    levels.sort_by(|(a, _), (b, _)| b.macro_f1.mean.total_cmp(&a.macro_f1.mean));
    let sides: Vec<Side<'_>> = levels.iter().map(|(level, figures)| (level.value.as_str(), &**figures)).collect();
    let comparisons = compared(&sides, &pairs(sides.len()));
    let levels = levels.into_iter().map(|(level, _)| level).collect();
    Some(MainEffect { setting: name.to_owned(), n_combinations: combinations.len(), levels, comparisons })
}

/// The mean figures of `subject` over `networks`, all of which judge it.
fn averaged(subject: &str, networks: &[&Competitor]) -> SubjectFigures {
    let figures: Vec<&SubjectFigures> =
        networks.iter().flat_map(|one| &one.subjects).filter(|one| one.subject == subject).collect();
    let mean = |figure: fn(&SubjectFigures) -> f64| {
        figures.iter().map(|one| figure(one)).sum::<f64>() / figures.len().max(1) as f64
    };
    SubjectFigures {
        subject: subject.to_owned(),
        n_windows: figures.iter().map(|one| one.n_windows).max().unwrap_or(0),
        accuracy: mean(|one| one.accuracy),
        macro_f1: mean(|one| one.macro_f1),
        lacking: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use triax_engine::Confusion;

    use super::*;

    /// A network of these settings with the macro-F1 of each subject; its accuracy is half of that.
    fn network(settings: &[(&str, &str)], macro_f1: &[(&str, f64)]) -> Competitor {
        let subject = |&(subject, macro_f1): &(&str, f64)| SubjectFigures {
            subject: subject.to_owned(),
            n_windows: 10,
            accuracy: macro_f1 / 2.0,
            macro_f1,
            lacking: Vec::new(),
        };
        let subjects: Vec<SubjectFigures> = macro_f1.iter().map(subject).collect();
        let name = settings.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ");
        Competitor {
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..crate::summarise::competitor(name, Kind::Network, subjects, Confusion::new(2))
        }
    }

    #[test]
    fn a_main_effect_is_over_the_same_combinations_and_subjects() {
        let all = [
            network(&[("loss", "a"), ("rate", "1")], &[("s1", 0.9), ("s2", 0.7), ("s3", 0.1)]),
            network(&[("loss", "b"), ("rate", "1")], &[("s1", 0.8), ("s2", 0.6)]),
            network(&[("loss", "a"), ("rate", "2")], &[("s1", 0.7), ("s2", 0.5)]),
            network(&[("loss", "b"), ("rate", "2")], &[("s1", 0.4), ("s2", 0.2)]),
            // All trainings of b at rate 3 broke down.
            network(&[("loss", "a"), ("rate", "3")], &[("s1", 0.0), ("s2", 0.0)]),
        ];
        let effects = main_effects(&all);
        assert_eq!(effects.iter().map(|one| one.setting.as_str()).collect::<Vec<_>>(), ["loss", "rate"]);
        let [loss, rate] = &effects[..] else { panic!("{effects:?}") };
        // s3 is judged by one network only, and rate 3 has no b.
        assert_eq!(loss.n_combinations, 2);
        let means: Vec<(&str, usize, f64)> =
            loss.levels.iter().map(|one| (one.value.as_str(), one.macro_f1.n, one.macro_f1.mean)).collect();
        assert!(means[0].0 == "a" && means[0].1 == 2 && (means[0].2 - 0.7).abs() < 1e-12, "{means:?}");
        assert!(means[1].0 == "b" && (means[1].2 - 0.5).abs() < 1e-12, "{means:?}");
        let found = &loss.comparisons[0];
        assert_eq!(
            (found.a.as_str(), found.b.as_str(), found.figure.as_str(), found.n_subjects),
            ("a", "b", "macro_f1", 2)
        );
        assert!((found.difference.mean - 0.2).abs() < 1e-12 && found.difference.interval.is_some(), "{found:?}");
        // Of the rates, only loss a has all three.
        assert_eq!((rate.n_combinations, rate.levels.len(), rate.comparisons.len()), (1, 3, 2 * 3));
    }

    #[test]
    fn one_setting_that_varies_has_no_others_to_average_over() {
        let all = ["a", "b"].map(|loss| network(&[("loss", loss)], &[("s1", 0.5), ("s2", 0.7)]));
        assert!(main_effects(&all).is_empty());
    }

    #[test]
    fn sentences_count_the_comparisons_of_their_figure() {
        let all = ["a", "b", "c"].map(|loss| network(&[("loss", loss)], &[("s1", 0.5), ("s2", 0.7)]));
        let found = comparisons(&all);
        assert_eq!(found.len(), 6);
        assert!(found.iter().all(|one| one.words.contains("corrected by Holm for 3 comparisons")), "{found:?}");
    }
}
