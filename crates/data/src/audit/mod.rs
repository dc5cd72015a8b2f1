//! The leakage audit: looks for what makes validation figures too good.
//!
//! | module | looks for |
//! |---|---|
//! | `sides` | subjects, recordings and classes on both sides of a split |
//! | `rows`, with the index of `runs` | rows and whole windows on both sides |
//! | `channels` | channels that tell the class or the subject by themselves |
//! | `preprocessing` | values and scalers that were standardised with what validates |

mod channels;
mod preprocessing;
mod rows;
mod runs;
mod sides;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Corpus, Origin, Recording};

pub use preprocessing::ScalerInUse;

/// The result of an audit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// One finding for each check, the most serious first. A check that found nothing wrong has one as well.
    pub findings: Vec<Finding>,
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the check, in a word or two.
    pub check: String,
    /// How serious it is.
    pub verdict: Verdict,
    /// The outcome with counts, in a sentence.
    pub words: String,
}

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong.
    Sound,
    /// The outcome is worth knowing but harmless.
    Note,
    /// Nothing was found, and the data does not let the check exclude that something is there.
    NotExcluded,
    /// Validation figures are too good because of it.
    Leak,
}

impl Verdict {
    /// The verdict in a word or two, for people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Note => "note",
            Self::NotExcluded => "not excluded",
            Self::Leak => "leak",
        }
    }
}

/// The most names that a finding lists.
const MOST_NAMED: usize = 6;

impl Audit {
    /// Audits `folds` of the windows that were cut from `corpus` at `origins`, of `window` rows each. A fold is its training
    /// windows and its validation windows, by index into `origins`; a split is a single fold.
    pub fn new(corpus: &Corpus, origins: &[Origin], window: usize, folds: &[(&[u32], &[u32])]) -> Self {
        let checks = Checks { corpus, origins, window, folds };
        let findings = vec![
            checks.samples(),
            checks.subjects(),
            checks.recordings(),
            checks.duplicates(),
            checks.channels(),
            checks.preprocessing(),
            checks.classes(),
        ];
        Self { findings }.sorted()
    }

    /// Adds the check whether each scaler was fitted to the training windows of its fold and no others. Windows have `window`
    /// samples.
    pub fn with_scalers(self, window: usize, scalers: &[ScalerInUse<'_>]) -> Self {
        self.with(preprocessing::scaler(window, scalers))
    }

    /// Adds a finding.
    pub fn with(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self.sorted()
    }

    /// Whether anything makes the figures too good.
    pub fn leaks(&self) -> bool {
        self.has(Verdict::Leak)
    }

    /// Whether a check could not exclude what it looks for.
    pub fn is_open(&self) -> bool {
        self.has(Verdict::NotExcluded)
    }

    /// Whether a subject is in training and in validation.
    pub fn shares_subjects(&self) -> bool {
        self.findings.iter().any(|finding| finding.check == sides::SUBJECTS && finding.verdict == Verdict::Leak)
    }

    fn has(&self, verdict: Verdict) -> bool {
        self.findings.iter().any(|finding| finding.verdict == verdict)
    }

    fn sorted(mut self) -> Self {
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
        self
    }
}

fn finding(check: &str, verdict: Verdict, words: impl Into<String>) -> Finding {
    Finding { check: check.to_owned(), verdict, words: words.into() }
}

fn sound(check: &str, words: impl Into<String>) -> Finding {
    finding(check, Verdict::Sound, words)
}

fn note(check: &str, words: impl Into<String>) -> Finding {
    finding(check, Verdict::Note, words)
}

fn not_excluded(check: &str, words: impl Into<String>) -> Finding {
    finding(check, Verdict::NotExcluded, words)
}

fn leak(check: &str, words: impl Into<String>) -> Finding {
    finding(check, Verdict::Leak, words)
}

/// The first names, and how many more there are.
fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.into_iter().collect();
    let more = format!("and {} more", names.len().saturating_sub(MOST_NAMED));
    if names.len() > MOST_NAMED {
        names.truncate(MOST_NAMED);
        names.push(&more);
    }
    names.join(", ")
}

/// The checks of an audit, and the data that they read. Each module implements those that it is about.
struct Checks<'a> {
    corpus: &'a Corpus,
    origins: &'a [Origin],
    window: usize,
    folds: &'a [(&'a [u32], &'a [u32])],
}

impl<'a> Checks<'a> {
    fn origin(&self, idx: u32) -> Origin {
        self.origins[idx as usize]
    }

    fn recording(&self, idx: u32) -> &'a Recording {
        &self.corpus.recordings[self.origin(idx).recording as usize]
    }

    /// The window (window, channels), as it was read.
    fn values(&self, idx: u32) -> &'a [f32] {
        self.corpus.values_at(self.origin(idx), self.window)
    }

    /// The index of each window.
    fn indices(&self) -> std::ops::Range<u32> {
        0..self.origins.len() as u32
    }

    /// Validation windows, over all folds.
    fn n_valid(&self) -> usize {
        self.folds.iter().map(|(_, valid)| valid.len()).sum()
    }

    /// Whether the source came as windows, so that it does not say which were cut from one recording.
    fn came_as_windows(&self) -> bool {
        self.corpus.window.is_some()
    }

    /// The values of `key` that training and validation windows of a fold have in common, over all folds.
    fn on_both_sides<T: Ord>(&self, key: impl Fn(u32) -> T) -> BTreeSet<T> {
        let mut both = BTreeSet::new();
        for (train, valid) in self.folds {
            let trained: BTreeSet<T> = train.iter().map(|&idx| key(idx)).collect();
            both.extend(valid.iter().map(|&idx| key(idx)).filter(|key| trained.contains(key)));
        }
        both
    }
}
