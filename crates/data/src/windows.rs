//! Windows: stretches of equal length, cut from recordings and never across two of them.

use std::sync::Arc;

use crate::{Corpus, DataError, SplitError};

/// Where a window came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// Index into [`Corpus::recordings`].
    pub recording: u32,
    /// Row of that recording on which the window starts.
    pub start: u32,
}

/// Windows with their labels and origins, in the order of the recordings. A clone shares their memory.
///
/// A split or a fold names windows by their index, and copies none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windows {
    /// (n_windows, window, channels), row-major.
    pub values: Arc<[f32]>,
    /// Class of each window: an index into [`Corpus::classes`].
    pub labels: Arc<[u32]>,
    /// Where each window was cut.
    pub origins: Arc<[Origin]>,
}

impl Windows {
    /// Number of windows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Class of each of the windows at `indices`.
    pub fn labels_at(&self, indices: &[u32]) -> Vec<u32> {
        indices.iter().map(|&idx| self.labels[idx as usize]).collect()
    }

    /// A copy of the windows at `indices`, in that order.
    pub fn select(&self, indices: &[u32]) -> Self {
        let n_values = self.values.len() / self.len().max(1);
        let selected = indices.iter().map(|&idx| &self.values[idx as usize * n_values..][..n_values]);
        Self {
            values: concatenated(selected, n_values),
            labels: self.labels_at(indices).into(),
            origins: indices.iter().map(|&idx| self.origins[idx as usize]).collect(),
        }
    }

    /// Number of the windows at `indices` in each of `n_classes` classes.
    pub(crate) fn class_counts(&self, indices: &[u32], n_classes: usize) -> Vec<usize> {
        let mut counts = vec![0; n_classes];
        indices.iter().for_each(|&idx| counts[self.labels[idx as usize] as usize] += 1);
        counts
    }
}

/// Cuts the whole corpus into windows of `window` rows, a new one every `step` rows. Recordings shorter than a window give
/// none.
///
/// Windows overlap where `step` is less than `window`, so this is a copy: the one that samples take on the host on their way
/// from the corpus to a session.
///
/// # Errors
/// A window or step of 0, a window other than the one an already windowed source has, no recording long enough, more windows
/// than a 32-bit index reaches.
pub fn cut(corpus: &Corpus, window: usize, step: usize) -> Result<Windows, DataError> {
    let origins = origins(corpus, window, step)?;
    let values = origins.iter().map(|&origin| corpus.values_at(origin, window));
    Ok(Windows {
        values: concatenated(values, window * corpus.channels.len()),
        labels: origins.iter().map(|origin| corpus.recordings[origin.recording as usize].class).collect(),
        origins: origins.into(),
    })
}

/// All `windows`, each of `n_values` values, one after the other.
fn concatenated<'a>(windows: impl ExactSizeIterator<Item = &'a [f32]>, n_values: usize) -> Arc<[f32]> {
    // The memory is taken once and filled where it lies. Collecting values of unknown number would go through a `Vec`, and
    // copy all of them a second time.
    let mut values: Arc<[f32]> = std::iter::repeat_n(0.0, windows.len() * n_values).collect();
    let filled = Arc::get_mut(&mut values).expect("memory that nobody shares yet");
    filled.chunks_exact_mut(n_values.max(1)).zip(windows).for_each(|(place, window)| place.copy_from_slice(window));
    values
}

/// Where the windows of the whole corpus start.
fn origins(corpus: &Corpus, window: usize, step: usize) -> Result<Vec<Origin>, SplitError> {
    if window == 0 {
        return Err(SplitError::ZeroWindow);
    }
    if step == 0 {
        return Err(SplitError::ZeroStep);
    }
    if let Some(given) = corpus.window
        && given != window
    {
        return Err(SplitError::OtherWindow { source_window: given, window });
    }
    let mut origins = Vec::new();
    for (recording, n_rows) in row_counts(corpus).enumerate() {
        let recording = u32::try_from(recording).map_err(|_| SplitError::TooManyRows)?;
        u32::try_from(n_rows).map_err(|_| SplitError::TooManyRows)?;
        let last_start = n_rows.checked_sub(window);
        let starts = last_start.into_iter().flat_map(|last| (0..=last).step_by(step));
        origins.extend(starts.map(|start| Origin { recording, start: start as u32 }));
    }
    if origins.is_empty() {
        let longest = row_counts(corpus).max().unwrap_or(0);
        return Err(SplitError::TooFewRows { window, longest, n_recordings: corpus.recordings.len() });
    }
    if u32::try_from(origins.len()).is_err() {
        return Err(SplitError::TooManyWindows { n_windows: origins.len() });
    }
    Ok(origins)
}

/// How many recordings are too short for a window, and so give none.
pub(crate) fn n_short_recordings(corpus: &Corpus, window: usize) -> usize {
    row_counts(corpus).filter(|&n_rows| n_rows < window).count()
}

/// Rows of each recording.
fn row_counts(corpus: &Corpus) -> impl Iterator<Item = usize> {
    let channels = corpus.channels.len().max(1);
    corpus.recordings.iter().map(move |recording| recording.values.len() / channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_corpora::{corpus_of, corpus_strategy, row_value};
    use proptest::prelude::*;

    #[test]
    fn a_recording_gives_every_window_that_fits_and_no_more() {
        let corpus = corpus_of(&[("a", 0, 10), ("a", 1, 3), ("b", 0, 4)], 2);
        let windows = cut(&corpus, 4, 3).unwrap();
        let starts: Vec<_> = windows.origins.iter().map(|o| (o.recording, o.start)).collect();
        assert_eq!(starts, [(0, 0), (0, 3), (0, 6), (2, 0)]);
        assert_eq!(*windows.labels, [0, 0, 0, 0]);
        assert_eq!(n_short_recordings(&corpus, 4), 1);
    }

    #[test]
    fn windows_are_selected_in_the_order_asked_for() {
        let corpus = corpus_of(&[("a", 0, 6), ("a", 1, 5)], 2);
        let windows = cut(&corpus, 4, 1).unwrap();
        let selected = windows.select(&[4, 0, 4]);
        let copied: Vec<f32> = [4, 0, 4].iter().flat_map(|idx| &windows.values[idx * 8..][..8]).copied().collect();
        assert_eq!(*selected.values, copied);
        assert_eq!(*selected.labels, [1, 0, 1]);
        assert_eq!(selected.origins[1], Origin { recording: 0, start: 0 });
        assert_eq!(windows.class_counts(&[4, 0, 4], 2), [1, 2]);
        assert!(windows.select(&[]).is_empty());
    }

    #[test]
    fn an_already_windowed_source_takes_only_its_own_window() {
        let mut corpus = corpus_of(&[("a", 0, 128), ("b", 1, 128)], 9);
        corpus.window = Some(128);
        assert_eq!(cut(&corpus, 128, 60).unwrap().len(), 2);
        let message = cut(&corpus, 120, 60).unwrap_err().to_string();
        assert!(message.contains("--window 128"), "{message}");
    }

    #[test]
    fn a_window_or_step_of_nothing_is_refused() {
        let corpus = corpus_of(&[("a", 0, 8)], 1);
        assert!(matches!(cut(&corpus, 0, 1), Err(DataError::Split(SplitError::ZeroWindow))));
        assert!(matches!(cut(&corpus, 4, 0), Err(DataError::Split(SplitError::ZeroStep))));
        let message = cut(&corpus, 9, 1).unwrap_err().to_string();
        assert!(message.contains("longest has 8"), "{message}");
    }

    proptest! {
        #[test]
        fn windows_never_cross_a_boundary(corpus in corpus_strategy(), window in 1usize..12, step in 1usize..9) {
            let Ok(windows) = cut(&corpus, window, step) else {
                prop_assert!(row_counts(&corpus).all(|n_rows| n_rows < window));
                return Ok(());
            };
            // Every value of the test corpus names its recording, row and channel.
            let channels = corpus.channels.len();
            for (i, origin) in windows.origins.iter().enumerate() {
                prop_assert_eq!(origin.start as usize % step, 0);
                prop_assert_eq!(windows.labels[i], corpus.recordings[origin.recording as usize].class);
                for (at, value) in windows.values[i * window * channels..][..window * channels].iter().enumerate() {
                    let (row, channel) = (origin.start as usize + at / channels, at % channels);
                    prop_assert_eq!(*value, row_value(origin.recording as usize, row, channel));
                }
            }
            let expected: usize = row_counts(&corpus).filter(|&n| n >= window).map(|n| (n - window) / step + 1).sum();
            prop_assert_eq!(windows.len(), expected);
        }
    }
}
