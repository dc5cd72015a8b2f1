//! Small corpora for tests of windows and splits: every value names its recording, row and channel.

use crate::{Corpus, Recording, RepairLog};
use proptest::prelude::*;

/// The value at a place: exact in f32 for recordings and rows below 1000 and channels below 10.
pub fn row_value(recording: usize, row: usize, channel: usize) -> f32 {
    (recording * 10_000 + row * 10 + channel) as f32
}

/// A corpus of recordings given as (subject, class, rows).
pub fn corpus_of(recordings: &[(&str, u32, usize)], channels: usize) -> Corpus {
    let n_classes = recordings.iter().map(|r| r.1 + 1).max().unwrap_or(0);
    let recording = |(idx, &(subject, class, n_rows)): (usize, &(&str, u32, usize))| Recording {
        subject: subject.to_owned(),
        class,
        times: Vec::new(),
        stamps: None,
        values: (0..n_rows * channels).map(|at| row_value(idx, at / channels, at % channels)).collect(),
        part: None,
        source: format!("test:{idx}"),
    };
    Corpus {
        name: "test".to_owned(),
        synthetic: false,
        channels: (0..channels).map(|c| format!("c{c}")).collect(),
        classes: (0..n_classes).map(|c| format!("class{c}")).collect(),
        class_names: (0..n_classes).map(|c| format!("class{c}")).collect(),
        rate_hz: Some(20.0),
        recordings: recordings.iter().enumerate().map(recording).collect(),
        repairs: RepairLog::default(),
        columns: Vec::new(),
        notices: Vec::new(),
        window: None,
        fingerprint: String::new(),
    }
}

/// Corpora of up to 24 recordings of up to 40 rows, by up to five subjects in up to three classes.
pub fn corpus_strategy() -> impl Strategy<Value = Corpus> {
    let recordings = prop::collection::vec((0usize..5, 0u32..3, 1usize..40), 1..24);
    (recordings, 1usize..4).prop_map(|(recordings, channels)| {
        let subjects = ["ann", "bob", "cem", "dot", "eve"];
        let named: Vec<_> = recordings.iter().map(|&(subject, class, rows)| (subjects[subject], class, rows)).collect();
        corpus_of(&named, channels)
    })
}
