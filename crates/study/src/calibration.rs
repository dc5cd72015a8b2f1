//! What a few seconds of a held-out person give: the last layer of each network is refitted to them, and judged by the rest.
//!
//! Of each held-out subject and class, the first seconds calibrate, in the order of the recordings. Windows that overlap them
//! are taken out of the judgement, of the network as it was trained too, so that both are judged by the same windows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use triax_answers::{LastLayer, STRENGTH, TrainedFeatures, dense_step, features};
use triax_data::{Fold, Origin};
use triax_engine::{Engine, Phase};
use triax_losses::predicted_classes;
use triax_model::{Scaler, Weights};
use triax_trainer::SubjectFigures;

use crate::StudyError;
use crate::comparisons::compared;
use crate::grid::{Setting, Study, Training};
use crate::statistics::Estimate;
use crate::summarise::{mean_over_seeds, over_subjects};
use crate::summary::{Comparison, Summary};
use crate::training_file::TrainingFile;

/// How much of each class of a person calibrates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalibrationLength {
    /// As it is asked for: `10s`.
    pub name: String,
    /// The same in samples; at least a window.
    pub samples: usize,
}

/// The figures of a subject before and after a calibration, over the same windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibratedSubject {
    /// Name of the [`CalibrationLength`].
    pub length: String,
    /// As the network was trained.
    pub before: SubjectFigures,
    /// With its last layer refitted.
    pub after: SubjectFigures,
}

/// What a calibration gives the networks of a setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationGain {
    /// Name of the setting.
    pub setting: String,
    /// Name of the [`CalibrationLength`].
    pub length: String,
    /// Subjects with too little of a class to calibrate and to judge by: they are in none of these figures.
    pub left_out: Vec<String>,
    /// Macro-F1 of a subject as trained, over subjects.
    pub before_macro_f1: Estimate,
    /// Macro-F1 of a subject after the calibration.
    pub after_macro_f1: Estimate,
    /// Share of the windows classified correctly as trained.
    pub before_accuracy: Estimate,
    /// Share of the windows classified correctly after the calibration.
    pub after_accuracy: Estimate,
    /// After less before, by macro-F1 and by accuracy; none over fewer than two subjects. p-values are corrected for all
    /// settings and lengths.
    pub comparisons: Vec<Comparison>,
    /// Each subject; figures are means over seeds.
    pub subjects: Vec<CalibratedSubject>,
}

impl CalibrationGain {
    /// The comparison by macro-F1, if there is one.
    pub fn by_macro_f1(&self) -> Option<&Comparison> {
        self.comparisons.iter().find(|comparison| comparison.figure == "macro_f1")
    }

    /// What it shows by macro-F1, as sentences with this name for the setting. `summary` is that of its study.
    pub fn in_words(&self, setting: &str, summary: &Summary) -> Option<String> {
        let comparison = self.by_macro_f1()?;
        let n_comparisons = summary.calibrations.iter().filter_map(Self::by_macro_f1).count();
        let (after, before) = (format!("{setting} after {}", self.length), format!("{setting} as trained"));
        Some(comparison.in_words(&after, &before, n_comparisons))
    }
}

/// The windows of a held-out subject.
struct Person<'a> {
    name: &'a str,
    /// Where the windows that calibrate start, with their labels.
    calibrating: Vec<(Origin, u32)>,
    /// Positions in the fold's validation windows of those that judge.
    judging: Vec<usize>,
}

/// The held-out subjects of `fold` with enough of each class for `length`, and the names of those without. A subject has
/// enough if each class by which the fold judges it has all of the length, a window in it, and a window after it; and if it
/// has two classes.
fn people<'a>(study: &'a Study, fold: &Fold, length: &CalibrationLength) -> (Vec<Person<'a>>, Vec<&'a str>) {
    let mut positions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, &idx) in fold.valid.iter().enumerate() {
        positions.entry(study.subject(idx)).or_default().push(position);
    }
    let (mut enough, mut too_little) = (Vec::new(), Vec::new());
    for (name, positions) in positions {
        match person(study, fold, length, name, &positions) {
            Some(person) => enough.push(person),
            None => too_little.push(name),
        }
    }
    (enough, too_little)
}

/// The subject called `name`, whose validation windows are at `positions`; none with too little.
fn person<'a>(
    study: &Study,
    fold: &Fold,
    length: &CalibrationLength,
    name: &'a str,
    positions: &[usize],
) -> Option<Person<'a>> {
    let label = |position: usize| study.windows.labels[fold.valid[position] as usize];
    let classes: BTreeSet<u32> = positions.iter().map(|&position| label(position)).collect();
    // Rows that calibrate, from the start of each recording.
    let mut taken: BTreeMap<u32, usize> = BTreeMap::new();
    let mut calibrating = Vec::new();
    for &class in &classes {
        let (mut missing, n_before) = (length.samples, calibrating.len());
        let own = study.corpus.recordings.iter().enumerate();
        for (recording, rows) in own.filter(|(_, it)| it.subject == name && it.class == class) {
            let rows = missing.min(study.corpus.n_rows(rows));
            missing -= rows;
            taken.insert(recording as u32, rows);
            let starts = rows.checked_sub(study.window).map(|last| (0..=last).step_by(dense_step(study.window)));
            let origin = |start: usize| Origin { recording: recording as u32, start: start as u32 };
            calibrating.extend(starts.into_iter().flatten().map(|start| (origin(start), class)));
        }
        if missing > 0 || calibrating.len() == n_before {
            return None;
        }
    }
    let judges = |position: &usize| {
        let origin = study.windows.origins[fold.valid[*position] as usize];
        origin.start as usize >= taken[&origin.recording]
    };
    let judging: Vec<usize> = positions.iter().copied().filter(judges).collect();
    let judged: BTreeSet<u32> = judging.iter().map(|&position| label(position)).collect();
    (classes.len() > 1 && judged == classes).then_some(Person { name, calibrating, judging })
}

/// A trained network whose last layer is refitted.
#[derive(Clone, Copy)]
pub(crate) struct CalibratedNetwork<'a> {
    pub weights: &'a Weights,
    pub scaler: Option<&'a Scaler>,
    /// What is known of the windows that it was trained on.
    pub features: Option<&'a TrainedFeatures>,
}

/// The figures of each held-out subject with enough of each class, before and after each calibration of the study, for a
/// network. `scores` (n_valid, classes) are its scores of the fold's validation windows.
///
/// # Errors
/// A device that fails; features that are not finite.
pub(crate) fn calibrated(
    study: &Study,
    training: Training,
    engine: &dyn Engine,
    CalibratedNetwork { weights, scaler, features: trained }: CalibratedNetwork<'_>,
    scores: &[f32],
) -> Result<Vec<CalibratedSubject>, StudyError> {
    if study.calibrations.is_empty() {
        return Ok(Vec::new());
    }
    let _scoring = engine.timings().phase(Phase::Scoring);
    let (setting, fold) = (&study.settings[training.setting], &study.folds[training.fold]);
    let all: Vec<(&CalibrationLength, Person<'_>)> = study
        .calibrations
        .iter()
        .flat_map(|length| people(study, fold, length).0.into_iter().map(move |person| (length, person)))
        .collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |problem: String| StudyError::Calibration { number: training.number, problem };
    // Features of the validation windows, then of those that calibrate, one person after the other.
    let mut values = setting.windows.values_at(&fold.valid);
    let calibrating = all.iter().flat_map(|(_, person)| &person.calibrating);
    let mut dense: Vec<f32> = Vec::new();
    calibrating.for_each(|(origin, _)| dense.extend(study.corpus.values_at(*origin, study.window)));
    values.extend(&*setting.preparation.apply(dense.into(), study.window, study.channels()).map_err(failed)?);
    let features =
        features(&setting.network, weights, |network, weights| engine.scores(network, weights, scaler, &values))?;
    let layer = LastLayer::of(weights);
    let (n_features, n_classes) = (layer.n_features(), layer.classes());
    let (of_valid, mut of_dense) = features.split_at(fold.valid.len() * n_features);
    let mut found = Vec::new();
    for (length, Person { name, calibrating, judging }) in all {
        let (own, others) = of_dense.split_at(calibrating.len() * n_features);
        of_dense = others;
        let labels: Vec<u32> = calibrating.iter().map(|(_, label)| *label).collect();
        let refitted =
            layer.refitted(own, &labels, trained, STRENGTH).map_err(|problem| failed(problem.to_string()))?;
        let rows = |of: &[f32], width: usize| -> Vec<f32> {
            judging.iter().flat_map(|position| of[position * width..][..width].iter().copied()).collect()
        };
        let figures = |scores: &[f32]| {
            let indices: Vec<u32> = judging.iter().map(|&position| fold.valid[position]).collect();
            let (labels, subjects) = (study.labels(&indices), vec![name; indices.len()]);
            let predictions = predicted_classes(scores, n_classes);
            SubjectFigures::by_subject(&predictions, &labels, &subjects, &study.corpus.class_names).remove(0)
        };
        found.push(CalibratedSubject {
            length: length.name.clone(),
            before: figures(&rows(scores, n_classes)),
            after: figures(&refitted.scores(&rows(of_valid, n_features))),
        });
    }
    Ok(found)
}

/// Checks that `found` are the calibrations of the study by a network that was trained in `fold`.
///
/// # Errors
/// The first difference, as a sentence.
pub(crate) fn check(study: &Study, fold: &Fold, found: &[CalibratedSubject]) -> Result<(), String> {
    let wanted = study.calibrations.iter().flat_map(|length| {
        let people = people(study, fold, length).0;
        people.into_iter().map(|person| (length.name.clone(), person.name.to_owned(), person.judging.len() as u64))
    });
    let there = found.iter().map(|it| (it.length.clone(), it.before.subject.clone(), it.before.n_windows));
    let is_share = |value: f64| (0.0..=1.0).contains(&value);
    let is_sound = |it: &CalibratedSubject| {
        let figures = [&it.before, &it.after];
        figures[0].subject == figures[1].subject
            && figures[0].n_windows == figures[1].n_windows
            && figures.iter().all(|figures| is_share(figures.accuracy) && is_share(figures.macro_f1))
    };
    if !wanted.eq(there) {
        return Err("it was calibrated otherwise than the study calibrates".to_owned());
    }
    match found.iter().find(|it| !is_sound(it)) {
        Some(it) => Err(format!("its figures of {} after {} cannot be", it.before.subject, it.length)),
        None => Ok(()),
    }
}

/// The lengths of which nobody has enough, as a sentence each.
pub(crate) fn without_people(study: &Study) -> Vec<String> {
    let has_nobody =
        |length: &&CalibrationLength| study.folds.iter().all(|fold| people(study, fold, length).0.is_empty());
    let words = |length: &CalibrationLength| {
        format!("Nobody has {} of each class and a window after them: that calibration has no figures.", length.name)
    };
    study.calibrations.iter().filter(has_nobody).map(words).collect()
}

/// What each calibration gives each setting, from `files`, the trainings of the study in the order of their numbers.
pub(crate) fn gains(study: &Study, files: &BTreeMap<usize, TrainingFile>) -> Vec<CalibrationGain> {
    let of_setting = |setting: &Setting, length: &CalibrationLength| {
        let own = files.values().filter(|file| file.trained.setting == setting.name);
        let subjects = || own.clone().flat_map(|file| &file.trained.calibrated).filter(|it| it.length == length.name);
        let before = mean_over_seeds(subjects().map(|it| it.before.clone()));
        let after = mean_over_seeds(subjects().map(|it| it.after.clone()));
        (before, after)
    };
    let left_out = |length: &CalibrationLength| -> Vec<String> {
        let names = study.folds.iter().flat_map(|fold| people(study, fold, length).1);
        names.map(str::to_owned).collect()
    };
    let (mut gains, mut names, mut figures) = (Vec::new(), Vec::new(), Vec::new());
    for setting in &study.settings {
        for length in &study.calibrations {
            let (before, after) = of_setting(setting, length);
            if before.is_empty() {
                continue;
            }
            gains.push(CalibrationGain {
                setting: setting.name.clone(),
                length: length.name.clone(),
                left_out: left_out(length),
                before_macro_f1: over_subjects(&before, |one| one.macro_f1),
                after_macro_f1: over_subjects(&after, |one| one.macro_f1),
                before_accuracy: over_subjects(&before, |one| one.accuracy),
                after_accuracy: over_subjects(&after, |one| one.accuracy),
                comparisons: Vec::new(),
                subjects: before
                    .iter()
                    .zip(&after)
                    .map(|(before, after)| CalibratedSubject {
                        length: length.name.clone(),
                        before: before.clone(),
                        after: after.clone(),
                    })
                    .collect(),
            });
            names.extend([format!("{} after {}", setting.name, length.name), format!("{} as trained", setting.name)]);
            figures.extend([after, before]);
        }
    }
    let sides: Vec<(&str, &[SubjectFigures])> =
        names.iter().zip(&figures).map(|(name, figures)| (name.as_str(), &**figures)).collect();
    let pairs: Vec<(usize, usize)> = (0..gains.len()).map(|gain| (2 * gain, 2 * gain + 1)).collect();
    for comparison in compared(&sides, &pairs) {
        let gain = gains.iter_mut().find(|gain| comparison.a == format!("{} after {}", gain.setting, gain.length));
        gain.expect("a pair of each gain").comparisons.push(comparison);
    }
    gains
}

#[cfg(test)]
mod tests {
    use triax_data::{Corpus, Folds, HeldOut, Recording, RepairLog, cut};

    use super::*;

    /// Recordings of (subject, class, rows), in windows of 8, one every 4 rows; each subject is held out in turn.
    fn study(recordings: &[(&str, u32, usize)]) -> Study {
        let recording = |&(subject, class, rows): &(&str, u32, usize)| Recording {
            subject: subject.into(),
            class,
            times: Vec::new(),
            stamps: None,
            values: vec![class as f32; rows],
            part: None,
            source: "test:1".into(),
        };
        let corpus = Corpus {
            name: "test".into(),
            synthetic: true,
            channels: vec!["x".into()],
            classes: vec!["up".into(), "down".into()],
            class_names: vec!["up".into(), "down".into()],
            rate_hz: None,
            recordings: recordings.iter().map(recording).collect(),
            repairs: RepairLog::default(),
            columns: Vec::new(),
            notices: Vec::new(),
            window: None,
            fingerprint: String::new(),
        };
        let windows = cut(&corpus, 8, 4).unwrap();
        let folds = Folds::LeaveOneSubjectOut.make(&corpus, &windows, 8, &HeldOut::default(), 0).unwrap();
        Study {
            folds,
            windows,
            corpus: std::sync::Arc::new(corpus),
            window: 8,
            step: 4,
            protocol: Folds::LeaveOneSubjectOut,
            settings: Vec::new(),
            seeds: vec![0],
            calibrations: Vec::new(),
        }
    }

    fn length(samples: usize) -> CalibrationLength {
        CalibrationLength { name: samples.to_string(), samples }
    }

    #[test]
    fn the_first_rows_of_each_class_calibrate_and_windows_that_overlap_them_do_not_judge() {
        // Class 0 of `a` comes in two recordings, the first of which calibrates as a whole.
        let study = study(&[("a", 0, 10), ("a", 0, 24), ("a", 1, 29), ("b", 0, 24), ("b", 1, 24)]);
        let (people, too_little) = people(&study, &study.folds[0], &length(20));
        assert!(too_little.is_empty());
        let [Person { name, calibrating, judging }] = &people[..] else { panic!("one subject is held out") };
        assert_eq!(*name, "a");
        // A window of 8 starts on every row of 10 and of 10 rows, and of 20 of the other class.
        let starts = |recording: u32| -> Vec<u32> {
            calibrating.iter().filter(|(it, _)| it.recording == recording).map(|(it, _)| it.start).collect()
        };
        assert_eq!([starts(0), starts(1)], [[0, 1, 2]; 2]);
        assert_eq!(starts(2), (0..=12).collect::<Vec<u32>>());
        assert!(calibrating.iter().all(|(origin, label)| *label == u32::from(origin.recording == 2)));
        let judged = judging.iter().map(|&position| study.windows.origins[study.folds[0].valid[position] as usize]);
        let judged: Vec<(u32, u32)> = judged.map(|origin| (origin.recording, origin.start)).collect();
        assert_eq!(judged, [(1, 12), (1, 16), (2, 20)]);
    }

    #[test]
    fn subjects_with_too_little_are_left_out_by_name() {
        let recordings = [("a", 0, 40), ("a", 1, 40), ("b", 0, 40), ("b", 1, 23), ("c", 0, 40), ("c", 1, 40)];
        let study = study(&recordings);
        let who = |fold: usize, samples: usize| -> (Vec<&str>, Vec<&str>) {
            let (people, too_little) = people(&study, &study.folds[fold], &length(samples));
            (people.iter().map(|person| person.name).collect(), too_little)
        };
        assert_eq!(who(0, 16), (vec!["a"], vec![]));
        // 23 rows: 16 that calibrate, and no window after them.
        assert_eq!(who(1, 16), (vec![], vec!["b"]));
        assert_eq!(who(0, 41), (vec![], vec!["a"]));
    }
}
