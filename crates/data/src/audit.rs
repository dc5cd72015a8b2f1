//! The leakage audit: what validation could know from training that it would not know of a stranger.

use serde::{Deserialize, Serialize};

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// The findings, the gravest first; what was looked for and not found as well.
    pub findings: Vec<Finding>,
}

/// One thing that was looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked for, in a word or two.
    pub check: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, with counts, in a sentence.
    pub words: String,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Looked for, and not found.
    Sound,
    /// Could not be looked for, or worth knowing.
    Note,
    /// Figures are too good because of it.
    Leak,
}

impl Audit {
    /// Whether figures over this split are too good.
    pub fn leaks(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Leak)
    }
}

impl Audit {
    /// STAND-IN
    pub fn of(_c: &crate::Corpus, _w: &crate::Windows, _window: usize, _folds: &[(&[u32], &[u32])]) -> Self {
        Self::default()
    }
}
