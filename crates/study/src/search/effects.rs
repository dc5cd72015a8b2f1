//! What mattered: the mean effect of each value of each setting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tried::BOOTSTRAP_SEED;
use super::{Origin, Searched, Tried};
use crate::statistics::Estimate;

/// The fewest candidates with a value of which something is said.
const FEWEST: usize = 3;

/// The effects of all settings, the one that mattered most first.
pub type Effects = Vec<Effect>;

/// What the values of a setting gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The setting.
    pub setting: String,
    /// Its values that at least three candidates had, the best first.
    pub levels: Vec<Level>,
}

/// What a value gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The value.
    pub value: String,
    /// The mean difference of the candidates with this value to all candidates that have the setting, with the bootstrap
    /// interval over candidates. All other settings vary at random, so they add to its width.
    pub difference: Estimate,
}

/// The effects of the settings over the candidates that were drawn at random, by their score on the first block of folds,
/// which all were judged by. Later candidates are near the best, and would say little.
pub fn effects(searched: &Searched) -> Effects {
    let random: Vec<&Tried> = searched.candidates.iter().filter(|one| one.origin == Origin::Drawn).collect();
    let mut by_setting: BTreeMap<&str, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for (one, score) in random.iter().filter_map(|one| Some((one, one.first?))) {
        for (setting, value) in &one.values {
            by_setting.entry(setting).or_default().entry(value).or_default().push(score);
        }
    }
    let mut effects: Effects = by_setting.into_iter().filter_map(|(setting, levels)| effect(setting, levels)).collect();
    let spread = |one: &Effect| one.levels[0].difference.mean - one.levels[one.levels.len() - 1].difference.mean;
    effects.sort_by(|a, b| spread(b).total_cmp(&spread(a)));
    effects
}

/// The effect of a setting by the scores of its values; none if fewer than two were drawn often enough.
fn effect(setting: &str, levels: BTreeMap<&str, Vec<f64>>) -> Option<Effect> {
    let (sum, n) = levels.values().flatten().fold((0.0, 0.0), |(sum, n), score| (sum + score, n + 1.0));
    let level = |(value, scores): (&str, Vec<f64>)| {
        let differences: Vec<f64> = scores.iter().map(|score| score - sum / n).collect();
        Level { value: value.to_owned(), difference: Estimate::new(&differences, BOOTSTRAP_SEED) }
    };
    let often = levels.into_iter().filter(|(_, scores)| scores.len() >= FEWEST);
    let mut levels: Vec<Level> = often.map(level).collect();
    levels.sort_by(|a, b| b.difference.mean.total_cmp(&a.difference.mean));
    (levels.len() > 1).then(|| Effect { setting: setting.to_owned(), levels })
}
