//! Candidates, and what was found of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Block, Values};
use crate::statistics::{Estimate, mean};

/// The score of each person: macro-F1 over the windows of this person.
pub type Scores = BTreeMap<String, f64>;

/// The seed of the bootstrap. It is fixed, so that an interval depends on the scores only.
pub(super) const BOOTSTRAP_SEED: u64 = 0;

/// A candidate that was judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Its number, from 0, in the order in which candidates were drawn.
    pub number: usize,
    /// The generation that it was drawn in, from 1.
    pub generation: usize,
    /// Where it comes from.
    pub origin: Origin,
    /// Its value of each setting that is searched.
    pub values: Values,
    /// The score of each person with each seed.
    pub scores: BTreeMap<String, Vec<f64>>,
    /// The number of folds that it was judged on.
    pub n_folds: usize,
    /// Its mean score over the people of the first block, which every candidate is judged by.
    pub first: Option<f64>,
    /// Why it was judged no further.
    pub dropped: Option<Drop>,
}

/// Where a candidate comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It always takes part, and has this name.
    Given(String),
    /// It was drawn at random.
    Drawn,
    /// It was drawn near the candidate of this number.
    Near(usize),
}

/// Why a candidate was judged no further.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drop {
    /// It was worse than the best of its race.
    Worse {
        /// The generation, from 1.
        generation: usize,
        /// The block of folds after which it was dropped, from 1.
        block: usize,
        /// The p-value of the one-sided test.
        p: f64,
    },
    /// The budget did not reach for it, and others were better.
    Budget,
    /// Its training broke down.
    Broken(String),
}

/// What a search has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Searched {
    /// The number of generations, without the last judgement of the elite.
    pub n_generations: usize,
    /// What it could spend.
    pub budget: u64,
    /// What it has spent.
    pub used: u64,
    /// The number of the best candidate; none if every training broke down.
    pub best: Option<usize>,
    /// All candidates, by their numbers.
    pub candidates: Vec<Tried>,
}

impl Tried {
    pub(super) fn new(number: usize, generation: usize, origin: Origin, values: Values) -> Self {
        Self { number, generation, origin, values, scores: BTreeMap::new(), n_folds: 0, first: None, dropped: None }
    }

    /// Adds the scores of a block.
    pub(super) fn add(&mut self, block: &Block, scores: Scores) {
        if self.first.is_none() {
            self.first = Some(mean(&scores.values().copied().collect::<Vec<_>>()));
        }
        if block.seed == 0 {
            self.n_folds += block.folds.len();
        }
        for (person, score) in scores {
            let of_person = self.scores.entry(person).or_default();
            // Each seed is one block of all folds, or several of some.
            debug_assert_eq!(of_person.len() as u64, block.seed);
            of_person.push(score);
        }
    }

    /// The score of each person, as the mean over seeds.
    pub fn by_person(&self) -> Scores {
        self.scores.iter().map(|(who, scores)| (who.clone(), mean(scores))).collect()
    }

    /// The mean over people, each counting once; 0 if nobody was judged.
    pub fn mean(&self) -> f64 {
        mean(&self.by_person().into_values().collect::<Vec<_>>())
    }

    /// The mean over people with its interval.
    pub fn estimate(&self) -> Estimate {
        Estimate::new(&self.by_person().into_values().collect::<Vec<_>>(), BOOTSTRAP_SEED)
    }

    /// The number of seeds that it was judged with.
    pub fn n_seeds(&self) -> usize {
        self.scores.values().map(Vec::len).max().unwrap_or(0)
    }
}

impl Searched {
    /// The candidates, the best first: those judged by more people before others, then by their mean.
    pub fn ranked(&self) -> Vec<&Tried> {
        let mut all: Vec<&Tried> = self.candidates.iter().collect();
        let is_best = |one: &Tried| Some(one.number) == self.best;
        all.sort_by(|a, b| {
            let by_people = b.scores.len().cmp(&a.scores.len());
            is_best(b).cmp(&is_best(a)).then(by_people).then(b.mean().total_cmp(&a.mean()))
        });
        all
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(name) => f.write_str(name),
            Self::Drawn => f.write_str("drawn"),
            Self::Near(number) => write!(f, "near {number}"),
        }
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worse { p, .. } => write!(f, "worse than the best (p = {p:.3})"),
            Self::Budget => f.write_str("not among the best when the budget ended"),
            Self::Broken(how) => write!(f, "broke down: {how}"),
        }
    }
}
