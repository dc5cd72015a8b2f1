//! What a network knows about its answers, from the recordings that it was trained on and from windows held out of it.

use std::collections::BTreeMap;

use triax_answers::Answers;
use triax_answers::hmm::{Bout, Dynamics};
use triax_data::{Corpus, Joining, Origin, Sequence, file_of, sequences};
use triax_trainer::{CrossFit, ProbabilityFigures, TemperatureScaling};

/// Windows that a network was trained on.
#[derive(Clone, Copy, Debug)]
pub struct TrainedOn<'a> {
    /// The recordings.
    pub corpus: &'a Corpus,
    /// Where each of their windows starts.
    pub origins: &'a [Origin],
    /// Samples of a window.
    pub window: usize,
    /// Samples from one window to the next.
    pub step: usize,
    /// Indices of the windows of the training part.
    pub train: &'a [u32],
    /// The weight of each class in the loss, if they differ.
    pub class_weights: Option<&'a [f32]>,
}

impl TrainedOn<'_> {
    /// What the training part says: the shares of the classes, as the loss weighs them, and how long activities last. Scores are
    /// taken as they are.
    pub fn answers(&self) -> Answers {
        let classes = self.corpus.classes.len();
        let origins: Vec<Origin> = self.train.iter().map(|&idx| self.origins[idx as usize]).collect();
        let windows = origins.iter().map(|origin| (self.class(origin.recording), 1.0));
        let people = sequences(self.corpus, &origins, self.step, Joining::ByPerson);
        let bouts: Vec<Vec<Bout>> = people.iter().map(|person| self.bouts(person)).collect();
        Answers {
            dynamics: Dynamics::learn(&bouts, classes),
            ..Answers::of_training(windows, classes, self.class_weights)
        }
    }

    fn class(&self, recording: u32) -> u32 {
        self.corpus.recordings[recording as usize].class
    }

    /// The bouts of a person. Neighbours in a file with the same activity are one, although there may be a gap between them.
    fn bouts(&self, person: &Sequence) -> Vec<Bout> {
        let mut bouts: Vec<(&str, Bout)> = Vec::new();
        for stretch in &person.stretches {
            let class = self.class(stretch.recording);
            let file = file_of(&self.corpus.recordings[stretch.recording as usize].source);
            let samples = (self.window + (stretch.windows.len() - 1) * self.step) as f64;
            match bouts.last_mut() {
                Some((of, last)) if *of == file && last.class == class => last.samples += samples,
                _ => bouts.push((file, Bout { class, samples, follows: stretch.follows })),
            }
        }
        bouts.into_iter().map(|(_, bout)| bout).collect()
    }
}

/// A group for each window, such that the windows of different groups are independent: its person; where there is one, or some
/// are unknown, a half of the recordings of its class. `labels` has a class for each window.
pub fn independent_groups(corpus: &Corpus, origins: &[Origin], labels: &[u32]) -> (Vec<u32>, CrossFit) {
    let mut people: BTreeMap<&str, u32> = BTreeMap::new();
    let by_person: Vec<u32> = origins
        .iter()
        .map(|&origin| {
            let next = people.len() as u32;
            *people.entry(corpus.subject_of(origin)).or_insert(next)
        })
        .collect();
    if people.len() > 1 && !people.contains_key("") {
        return (by_person, CrossFit::People);
    }
    // Recordings of a class are in turn of the one half and of the other.
    let mut recordings: BTreeMap<u32, u32> = BTreeMap::new();
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    let halves: Vec<u32> = origins
        .iter()
        .zip(labels)
        .map(|(origin, &label)| {
            *recordings.entry(origin.recording).or_insert_with(|| {
                let count = counts.entry(label).or_default();
                *count += 1;
                (*count - 1) % 2
            })
        })
        .collect();
    let judged = if halves.contains(&1) { CrossFit::Recordings } else { CrossFit::None };
    (halves, judged)
}

/// Scores of windows that a network was not trained on.
#[derive(Clone, Copy, Debug)]
pub struct HeldOutScores<'a> {
    /// (n_windows, classes), all finite.
    pub scores: &'a [f32],
    /// The class of each window.
    pub labels: &'a [u32],
    /// Index of the group of each window. A group is judged by what the others say.
    pub groups: &'a [u32],
    /// What the groups are.
    pub judged: CrossFit,
}

impl HeldOutScores<'_> {
    /// Number of groups.
    pub fn n_groups(&self) -> usize {
        self.groups.iter().max().map_or(0, |&last| last as usize + 1)
    }

    /// What is known about each group without its own windows, from the base of its networks. None if nothing can be.
    pub fn cross_fitted(&self, bases: &[Answers]) -> Option<Vec<Answers>> {
        match self.judged {
            CrossFit::None | CrossFit::Before => None,
            CrossFit::People | CrossFit::Recordings | CrossFit::Folds => {
                Answers::cross_fitted(bases, self.scores, self.labels, self.groups)
            }
        }
    }

    /// The probabilities (n_windows, classes), each window's by what is known about its group.
    pub fn probabilities(&self, of_groups: &[Answers]) -> Vec<f64> {
        let classes = self.scores.len() / self.labels.len().max(1);
        let rows = self.scores.chunks_exact(classes.max(1)).zip(self.groups);
        rows.flat_map(|(row, &group)| of_groups[group as usize].temperature.probabilities(row, classes)).collect()
    }

    /// How well probabilities hold before and after a temperature; `of_groups` is what is known about each group without it.
    /// None without windows.
    pub fn temperature_scaling(&self, fitted: &Answers, of_groups: Option<&[Answers]>) -> Option<TemperatureScaling> {
        if self.labels.is_empty() {
            return None;
        }
        let classes = fitted.priors.len();
        let figures = |probabilities: &[f64]| ProbabilityFigures::new(probabilities, self.labels, classes);
        let plain = vec![Answers::unknown(classes); self.n_groups()];
        Some(TemperatureScaling {
            temperature: fitted.temperature.value(),
            n_windows: self.labels.len() as u64,
            judged: if of_groups.is_some() { self.judged } else { CrossFit::None },
            before: figures(&self.probabilities(&plain)),
            after: of_groups.map(|of_groups| figures(&self.probabilities(of_groups))),
        })
    }

    /// `base` fitted to all of the windows, for people who come later, and how well that holds for people whom it was not
    /// fitted to.
    pub fn fit(&self, base: &Answers) -> (Answers, Option<TemperatureScaling>) {
        let fitted = if self.labels.is_empty() { base.clone() } else { base.fitted(self.scores, self.labels) };
        let of_groups = self.cross_fitted(&vec![base.clone(); self.n_groups()]);
        let scaling = self.temperature_scaling(&fitted, of_groups.as_deref());
        (fitted, scaling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use triax_data::{Recording, RepairLog};

    /// Recordings of (subject, class, start in seconds, rows) at 10 Hz in one file.
    fn corpus(recordings: &[(&str, u32, f64, usize)]) -> Corpus {
        let recording = |&(subject, class, start, rows): &(&str, u32, f64, usize)| Recording {
            subject: subject.to_owned(),
            class,
            times: (0..rows).map(|row| start + row as f64 / 10.0).collect(),
            stamps: None,
            values: vec![0.0; rows],
            part: None,
            source: "f:2".to_owned(),
        };
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        Corpus {
            name: "test".to_owned(),
            synthetic: false,
            channels: vec!["x".to_owned()],
            classes: names.clone(),
            class_names: names,
            rate_hz: Some(10.0),
            recordings: recordings.iter().map(recording).collect(),
            repairs: RepairLog::default(),
            columns: Vec::new(),
            notices: Vec::new(),
            window: None,
            fingerprint: String::new(),
        }
    }

    #[test]
    fn durations_are_those_of_the_training_part() {
        // The second recording goes on with the same activity after a gap; the third follows directly.
        let corpus = corpus(&[
            ("p", 0, 0.0, 40),
            ("p", 0, 99.0, 20),
            ("p", 1, 101.0, 10),
            ("q", 1, 0.0, 30),
            ("q", 2, 500.0, 30),
        ]);
        let windows = triax_data::cut(&corpus, 10, 5).unwrap();
        let of = |subject: &str| -> Vec<u32> {
            (0..windows.len() as u32)
                .filter(|&idx| corpus.subject_of(windows.origins[idx as usize]) == subject)
                .collect()
        };
        let train = of("p");
        let on = |train, class_weights| TrainedOn {
            corpus: &corpus,
            origins: &windows.origins,
            window: 10,
            step: 5,
            train,
            class_weights,
        };
        let found = on(&train, None).answers();
        let dynamics = found.dynamics.unwrap();
        assert_eq!(dynamics.durations, [60.0, 10.0, 35.0]);
        assert_eq!((dynamics.n_changes, dynamics.next[0][1]), (1, 2.0 / 3.0));
        // 7 + 3 windows of a, one of b, and one more of each.
        assert_eq!(found.priors, [11.0 / 14.0, 2.0 / 14.0, 1.0 / 14.0]);
        let weighed = on(&train, Some(&[1.0, 2.0, 7.0])).answers().priors;
        assert_eq!(weighed, [0.5, 4.0 / 22.0, 7.0 / 22.0]);
        assert_eq!(on(&of("q"), None).answers().dynamics.unwrap().n_changes, 0);
    }

    #[test]
    fn people_are_judged_by_each_other_and_one_by_halves_of_the_recordings() {
        let several = corpus(&[("p", 0, 0.0, 20), ("q", 0, 0.0, 20), ("p", 1, 9.0, 10)]);
        let windows = triax_data::cut(&several, 10, 10).unwrap();
        let (groups, judged) = independent_groups(&several, &windows.origins, &windows.labels);
        assert_eq!((groups, judged), (vec![0, 0, 1, 1, 0], CrossFit::People));
        let one = corpus(&[("", 0, 0.0, 20), ("", 1, 5.0, 10), ("", 0, 9.0, 10), ("", 1, 20.0, 10)]);
        let windows = triax_data::cut(&one, 10, 10).unwrap();
        let (groups, judged) = independent_groups(&one, &windows.origins, &windows.labels);
        assert_eq!((groups, judged), (vec![0, 0, 0, 1, 1], CrossFit::Recordings));
        let (_, judged) = independent_groups(&one, &windows.origins[..3], &windows.labels[..3]);
        assert_eq!(judged, CrossFit::None);
    }

    #[test]
    fn figures_after_are_not_of_windows_that_the_temperature_has_seen() {
        let scores = [4.0, 0.0, 0.0, 4.0, 4.0, 0.0, 0.0, 4.0, 4.0, 0.0, 0.0, 4.0_f32];
        let labels = [0, 1, 0, 0, 1, 1];
        let held_out = |groups, judged| HeldOutScores { scores: &scores, labels: &labels, groups, judged };
        let base = Answers::unknown(2);
        let (fitted, scaling) = held_out(&[0, 0, 0, 1, 1, 1], CrossFit::People).fit(&base);
        let scaling = scaling.unwrap();
        assert_eq!((scaling.judged, scaling.n_windows), (CrossFit::People, 6));
        assert_eq!(scaling.temperature, fitted.temperature.value());
        // The first three are all right, and the temperature of the others says that half of them are wrong.
        let after = scaling.after.unwrap();
        let of_others = base.fitted(&scores[6..], &labels[3..]).temperature.probabilities(&scores[..6], 2);
        let of_first = base.fitted(&scores[..6], &labels[..3]).temperature.probabilities(&scores[6..], 2);
        assert_eq!(after, ProbabilityFigures::new(&[of_others, of_first].concat(), &labels, 2));
        let (_, scaling) = held_out(&[0; 6], CrossFit::None).fit(&base);
        assert_eq!(scaling.map(|found| (found.judged, found.after)), Some((CrossFit::None, None)));
        let none = HeldOutScores { scores: &[], labels: &[], groups: &[], judged: CrossFit::None };
        assert_eq!(none.fit(&base), (base, None));
    }
}
