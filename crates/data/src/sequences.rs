//! Sequences: windows that follow each other, over the recordings of one person.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use triax_model::random::{Purpose, Stream};

use crate::time::GAP;
use crate::{Corpus, Origin};

/// Which recordings are one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// Those of one person that follow each other in time, without a gap. A recording ends where the activity changes, and a
    /// sequence goes on there.
    WithoutGaps,
    /// All of a person, one after the other in the order of time (within a file; files in the order in which they were read).
    ByPerson,
}

/// Windows that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Who was recorded; empty where that is unknown.
    pub subject: String,
    /// Its stretches, in order. There is at least one.
    pub stretches: Vec<Stretch>,
}

/// Windows of one recording at even distances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Positions of its windows among those that were asked for. There is at least one.
    pub windows: Vec<usize>,
    /// Index of the recording.
    pub recording: u32,
    /// Whether it follows the stretch before it without a gap.
    pub follows: bool,
}

impl Sequence {
    /// Positions of all of its windows, in order.
    pub fn windows(&self) -> impl Iterator<Item = usize> {
        self.stretches.iter().flat_map(|stretch| stretch.windows.iter().copied())
    }

    /// The same windows in pieces of at most `n_windows` (at least 1), in an order drawn for the sequence number `index`: as
    /// many changes as if each activity lasted no longer than a piece.
    pub fn in_pieces(self, n_windows: usize, index: u64) -> Self {
        let pieces = self.stretches.into_iter().flat_map(|stretch| {
            let recording = stretch.recording;
            let cut: Vec<Vec<usize>> = stretch.windows.chunks(n_windows.max(1)).map(<[usize]>::to_vec).collect();
            cut.into_iter().map(move |windows| Stretch { windows, recording, follows: false })
        });
        let mut stretches: Vec<Stretch> = pieces.collect();
        Stream::new(0, Purpose::Pieces, index).shuffle(&mut stretches);
        Self { stretches, ..self }
    }
}

/// The sequences of the windows at `origins`, one every `step` samples. Where windows are missing, as in a random split, a
/// stretch ends, and without [`Joining::ByPerson`] a sequence does.
pub fn sequences(corpus: &Corpus, origins: &[Origin], step: usize, joining: Joining) -> Vec<Sequence> {
    let mut windows: Vec<usize> = (0..origins.len()).collect();
    windows.sort_by_key(|&window| origins[window]);
    let mut of_recording: HashMap<u32, Range<usize>> = HashMap::new();
    for (at, &window) in windows.iter().enumerate() {
        of_recording.entry(origins[window].recording).or_insert(at..at).end = at + 1;
    }
    let mut all: Vec<Sequence> = Vec::new();
    for recordings in people(corpus) {
        let mut before: Option<u32> = None;
        let mut is_new = true;
        for recording in recordings {
            let follows = before.is_some_and(|before| follows(corpus, before, recording));
            before = Some(recording);
            let Some(range) = of_recording.get(&recording) else {
                // What is missing is a gap.
                before = None;
                continue;
            };
            let is_next = |a: &usize, b: &usize| origins[*b].start as usize == origins[*a].start as usize + step;
            for (n, stretch) in windows[range.clone()].chunk_by(is_next).enumerate() {
                let follows = follows && n == 0;
                let stretch = Stretch { windows: stretch.to_vec(), recording, follows };
                match all.last_mut() {
                    Some(last) if !is_new && (follows || joining == Joining::ByPerson) => last.stretches.push(stretch),
                    _ => all.push(Sequence {
                        subject: corpus.recordings[recording as usize].subject.clone(),
                        stretches: vec![stretch],
                    }),
                }
                is_new = false;
            }
        }
    }
    all
}

/// The recordings of each person, in the order of their first appearance; those of nobody known are of one. Files stay in
/// their order, and the recordings of a file are in the order of time.
fn people(corpus: &Corpus) -> Vec<Vec<u32>> {
    let (mut files, mut subjects) = (HashMap::new(), HashMap::new());
    let mut people: BTreeMap<usize, Vec<(usize, u32)>> = BTreeMap::new();
    for (idx, recording) in corpus.recordings.iter().enumerate() {
        let (n_files, n_subjects) = (files.len(), subjects.len());
        let file = *files.entry(file_of(&recording.source)).or_insert(n_files);
        let subject = *subjects.entry(recording.subject.as_str()).or_insert(n_subjects);
        people.entry(subject).or_default().push((file, idx as u32));
    }
    let start = |idx: u32| corpus.recordings[idx as usize].times.first().copied().unwrap_or(f64::NEG_INFINITY);
    let in_order = |mut recordings: Vec<(usize, u32)>| {
        recordings.sort_by(|a, b| a.0.cmp(&b.0).then(start(a.1).total_cmp(&start(b.1))).then(a.1.cmp(&b.1)));
        recordings.into_iter().map(|(_, idx)| idx).collect()
    };
    people.into_values().map(in_order).collect()
}

/// Whether recording `next` goes on where `before` ends. Without times, neighbours of one file do: windows of an array, or rows
/// whose activity changes.
fn follows(corpus: &Corpus, before: u32, next: u32) -> bool {
    let (a, b) = (&corpus.recordings[before as usize], &corpus.recordings[next as usize]);
    if file_of(&a.source) != file_of(&b.source) {
        return false;
    }
    match (a.times.last(), b.times.first(), corpus.rate_hz) {
        (Some(end), Some(start), Some(rate)) => (0.0..=GAP / rate).contains(&(start - end)),
        (None, None, _) => next == before + 1,
        _ => false,
    }
}

/// The file or array in the place of a recording: `file:line`, or `array[index]`.
pub fn file_of(source: &str) -> &str {
    let without_index = source.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
    without_index.or_else(|| source.rsplit_once(':')).map_or(source, |(file, _)| file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut;
    use crate::test_corpora::corpus_of;

    /// Recordings of (subject, class, file, start in seconds, rows) at 10 Hz, in this order.
    fn corpus(recordings: &[(&str, u32, &str, f64, usize)]) -> Corpus {
        let plain: Vec<_> = recordings.iter().map(|&(subject, class, _, _, rows)| (subject, class, rows)).collect();
        let mut corpus = Corpus { rate_hz: Some(10.0), ..corpus_of(&plain, 1) };
        for (recording, &(_, _, file, start, rows)) in corpus.recordings.iter_mut().zip(recordings) {
            recording.times = (0..rows).map(|row| start + row as f64 / 10.0).collect();
            recording.source = format!("{file}:2");
        }
        corpus
    }

    /// Recording, windows, and whether it follows the one before.
    type Found = (u32, usize, bool);

    /// The subject of each sequence, and its stretches.
    fn found(corpus: &Corpus, joining: Joining) -> Vec<(String, Vec<Found>)> {
        let windows = cut(corpus, 4, 2).unwrap();
        let all = sequences(corpus, &windows.origins, 2, joining);
        let of = |one: &Stretch| (one.recording, one.windows.len(), one.follows);
        all.iter().map(|one| (one.subject.clone(), one.stretches.iter().map(of).collect())).collect()
    }

    #[test]
    fn a_sequence_goes_on_where_the_activity_changes_and_ends_at_a_gap() {
        let corpus =
            corpus(&[("a", 0, "f", 0.0, 8), ("a", 1, "f", 0.8, 6), ("a", 0, "f", 99.0, 4), ("b", 0, "g", 0.0, 4)]);
        let parts = [
            ("a".to_owned(), vec![(0, 3, false), (1, 2, true)]),
            ("a".to_owned(), vec![(2, 1, false)]),
            ("b".to_owned(), vec![(3, 1, false)]),
        ];
        assert_eq!(found(&corpus, Joining::WithoutGaps), parts);
        let joined = [("a".to_owned(), vec![(0, 3, false), (1, 2, true), (2, 1, false)]), parts[2].clone()];
        assert_eq!(found(&corpus, Joining::ByPerson), joined);
    }

    #[test]
    fn recordings_of_a_file_are_in_the_order_of_time_and_files_in_their_own() {
        let corpus =
            corpus(&[("a", 0, "f", 50.0, 4), ("b", 0, "f", 0.0, 4), ("a", 1, "f", 7.0, 4), ("a", 0, "e", 0.0, 4)]);
        let order: Vec<u32> = found(&corpus, Joining::ByPerson)[0].1.iter().map(|stretch| stretch.0).collect();
        assert_eq!(order, [2, 0, 3]);
    }

    #[test]
    fn pieces_are_the_same_windows_in_another_order() {
        let corpus = corpus(&[("a", 0, "f", 0.0, 40), ("a", 1, "f", 4.0, 30)]);
        let windows = cut(&corpus, 4, 2).unwrap();
        let whole = sequences(&corpus, &windows.origins, 2, Joining::ByPerson).remove(0);
        let pieces = whole.clone().in_pieces(3, 0);
        assert_eq!(pieces, whole.clone().in_pieces(3, 0), "the order is always the same");
        assert_ne!(pieces.stretches, whole.clone().in_pieces(3, 1).stretches);
        assert!(pieces.stretches.iter().all(|piece| piece.windows.len() <= 3 && piece.windows.is_sorted()));
        assert!(!pieces.windows().is_sorted());
        let mut all: Vec<usize> = pieces.windows().collect();
        all.sort_unstable();
        assert_eq!(all, whole.windows().collect::<Vec<_>>());
    }

    #[test]
    fn missing_windows_are_a_gap() {
        let corpus = corpus(&[("a", 0, "f", 0.0, 12), ("a", 1, "f", 1.2, 4), ("a", 0, "f", 1.6, 4)]);
        let windows = cut(&corpus, 4, 2).unwrap();
        assert_eq!(windows.len(), 7);
        // The second window of the first recording, and the second recording, are not there.
        let origins: Vec<Origin> = [6, 0, 2, 3, 4].map(|window: usize| windows.origins[window]).to_vec();
        let all = sequences(&corpus, &origins, 2, Joining::WithoutGaps);
        let positions: Vec<Vec<usize>> = all.iter().map(|one| one.windows().collect()).collect();
        assert_eq!(positions, [vec![1], vec![2, 3, 4], vec![0]]);
    }
}
