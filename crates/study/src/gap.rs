//! The gap between random folds and folds by subject: the same method on the same windows, validated once on subjects that
//! it was trained on and once on others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use triax_data::{Audit, Corpus, Finding, Fold, Folds, HeldOut, Verdict, Windows};
use triax_engine::Engine;
use triax_losses::predicted_classes;
use triax_trainer::{FitOutcome, Job, Model, ModelResult, SubjectFigures, fit};

use crate::baselines::{Baseline, BaselineFold, ClassicalModel, ClassicalPlan, Features};
use crate::evaluation::{subject_figures, valid_windows};
use crate::grid::Study;
use crate::statistics::{Estimate, Interval};
use crate::summarise::BOOTSTRAP_SEED;
use crate::training_inputs::TrainingInputs;

/// The baseline with which a study measures the gap.
const BASELINE: Baseline = Baseline::LogisticRegression;
/// The most folds of each kind that are made for the measurement.
const FOLDS: usize = 5;
/// The name of the check in a finding.
const CHECK: &str = "gap";

/// The measured gap between random and subject-wise folds of the same windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// The method: `network`, or the name of a baseline.
    pub method: String,
    /// Name of the random folds (`random-5`).
    pub random_folds: String,
    /// Name of the folds by subject (`group-5`, `loso`).
    pub unseen_folds: String,
    /// Subjects with figures for both.
    pub n_subjects: usize,
    /// Macro-F1 of a subject, over the classes that it has.
    pub macro_f1: GapFigures,
    /// Share of a subject's windows classified correctly.
    pub accuracy: GapFigures,
}

/// One figure as an average over subjects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GapFigures {
    /// With windows held out at random.
    pub random: Estimate,
    /// With whole subjects held out.
    pub unseen: Estimate,
    /// The first less the second, subject by subject.
    pub difference: Estimate,
}

impl Gap {
    /// Trains the network of the first setting of `study`, with its first seed, on five random folds and on five groups of
    /// subjects; with fewer subjects, on as many folds as there are subjects. The folds of `study` are not used.
    ///
    /// # Errors
    /// The reason, as a sentence: fewer than two subjects, or recordings of unknown ones; a class that a fold could not
    /// learn; a training that broke down; a device that failed.
    pub fn measure(mut study: Study, engine: &dyn Engine) -> Result<Self, String> {
        let n_folds = n_subjects(&study.corpus, &study.windows)?.min(FOLDS);
        let [random, unseen] = [Folds::Random(n_folds), Folds::Groups(n_folds)];
        study.folds = [folds(random, &study)?, folds(unseen, &study)?].concat();
        study.settings.truncate(1);
        study.seeds.truncate(1);
        let predictions = train_networks(&study, engine)?;
        let judged = |folds: Range<usize>| Judged::new(&study.folds[folds.clone()], &predictions[folds].concat());
        Ok(Self::new("network", &study, (random, judged(0..n_folds)), (unseen, judged(n_folds..2 * n_folds))))
    }

    /// The gap by the baseline of `baselines`. It is trained on folds of the kind that `study` does not have, at most as
    /// many as the study has.
    pub(crate) fn from_baselines(
        study: &Study,
        features: &Features,
        baselines: &[BaselineFold],
    ) -> Result<Self, String> {
        let Study { corpus, windows, .. } = study;
        let n_subjects = n_subjects(corpus, windows)?;
        let n_folds = study.folds.len();
        let other = match study.protocol {
            Folds::LeaveOneSubjectOut | Folds::Groups(_) => Folds::Random(n_folds.min(FOLDS)),
            Folds::Random(_) => Folds::Groups(n_folds.min(n_subjects)),
            Folds::HeldOut | Folds::Predefined => {
                return Err("the study has one fold only, and `triax data audit` makes folds of its own".to_owned());
            }
        };
        let own = baselines.iter().filter(|fold| fold.baseline == BASELINE.name());
        let own: Vec<u32> = own.flat_map(|fold| fold.predictions.iter().copied()).collect();
        let own = Judged::new(&study.folds, &own);
        let other_folds = folds(other, study)?;
        let predict = |fold: &Fold| {
            let (plan, classes) = (ClassicalPlan::new(BASELINE), study.classes().len());
            let model = ClassicalModel::train(&plan, features, &windows.labels, &fold.train, classes)?;
            Ok::<_, String>(model.predict(features, &fold.valid))
        };
        let predictions = other_folds.par_iter().map(predict).collect::<Result<Vec<_>, _>>()?.concat();
        let made = Judged::new(&other_folds, &predictions);
        Ok(match other {
            Folds::Random(_) => Self::new(BASELINE.name(), study, (other, made), (study.protocol, own)),
            _ => Self::new(BASELINE.name(), study, (study.protocol, own), (other, made)),
        })
    }

    /// The gap between the figures of subjects over `random` folds and over folds of `unseen` subjects, by the windows that
    /// both judge: folds by subject leave out a class that only people do whom they hold out.
    fn new(method: &str, study: &Study, mut random: (Folds, Judged), mut unseen: (Folds, Judged)) -> Self {
        random.1.0.retain(|window, _| unseen.1.0.contains_key(window));
        unseen.1.0.retain(|window, _| random.1.0.contains_key(window));
        let [by_random, by_unseen] = [&random, &unseen].map(|(_, judged)| judged.figures(study));
        let pairs: Vec<(&SubjectFigures, &SubjectFigures)> = by_unseen
            .iter()
            .filter_map(|one| Some((by_random.iter().find(|other| other.subject == one.subject)?, one)))
            .collect();
        let over = |figure: fn(&SubjectFigures) -> f64| {
            let estimate = |value: &dyn Fn(&(&SubjectFigures, &SubjectFigures)) -> f64| {
                Estimate::new(&pairs.iter().map(value).collect::<Vec<_>>(), BOOTSTRAP_SEED)
            };
            GapFigures {
                random: estimate(&|(random, _)| figure(random)),
                unseen: estimate(&|(_, unseen)| figure(unseen)),
                difference: estimate(&|(random, unseen)| figure(random) - figure(unseen)),
            }
        };
        Self {
            method: method.to_owned(),
            random_folds: random.0.to_string(),
            unseen_folds: unseen.0.to_string(),
            n_subjects: pairs.len(),
            macro_f1: over(|one| one.macro_f1),
            accuracy: over(|one| one.accuracy),
        }
    }

    /// Whether the 95 % interval of the difference lies above 0.
    pub fn is_shown(&self) -> bool {
        self.macro_f1.difference.interval.is_some_and(|interval| interval.low > 0.0)
    }

    /// The gap in a sentence.
    pub fn words(&self) -> String {
        let GapFigures { random, unseen, difference } = self.macro_f1;
        let how = format!(
            "{}, {} against {}, means over {} subjects{}{}",
            self.method.replace('_', " "),
            self.random_folds,
            self.unseen_folds,
            self.n_subjects,
            if difference.rests_on_few() { ", which are few" } else { "" },
            difference.interval.map_or_else(String::new, |Interval { low, high }| {
                format!(", 95 % interval of this one difference {low:.3} to {high:.3}, with nothing to correct")
            })
        );
        let verdict = match self.is_shown() {
            true => format!("a random split flatters by {:.3} here", difference.mean),
            false => {
                format!("the difference of {:.3} does not show that a random split flatters here", difference.mean)
            }
        };
        format!("Random windows: macro-F1 {:.3}; unseen subjects: {:.3}; {verdict} ({how}).", random.mean, unseen.mean)
    }

    /// The gap as a finding about the split of `audit`. It is a leak if the split shares subjects, since its figures are
    /// then too good by the gap.
    pub fn finding(&self, audit: &Audit) -> Finding {
        let verdict = if self.is_shown() && audit.shares_subjects() { Verdict::Leak } else { Verdict::Note };
        Finding { check: CHECK.to_owned(), verdict, words: self.words() }
    }

    /// The finding that the gap was not measured, and why.
    pub fn not_measured(why: &str) -> Finding {
        let why = why.trim_end_matches('.');
        let words = format!("How much a random split flatters was not measured: {why}.");
        Finding { check: CHECK.to_owned(), verdict: Verdict::Note, words }
    }
}

/// The class that is predicted for each window that some fold judges.
struct Judged(BTreeMap<u32, u32>);

impl Judged {
    /// The `predictions` for the validation windows of `folds`, fold after fold.
    fn new(folds: &[Fold], predictions: &[u32]) -> Self {
        Self(valid_windows(folds).into_iter().zip(predictions.iter().copied()).collect())
    }

    fn figures(&self, study: &Study) -> Vec<SubjectFigures> {
        let (indices, predictions): (Vec<u32>, Vec<u32>) = self.0.iter().unzip();
        subject_figures(study, &indices, &predictions)
    }
}

/// The number of subjects with a window.
fn n_subjects(corpus: &Corpus, windows: &Windows) -> Result<usize, String> {
    let subjects: BTreeSet<&str> = windows.origins.iter().map(|&origin| corpus.subject_of(origin)).collect();
    match subjects.iter().filter(|subject| !subject.is_empty()).count() {
        0 => Err("the data does not say who was recorded".to_owned()),
        _ if subjects.contains("") => Err("the data does not say of every recording who it is of".to_owned()),
        1 => Err("there is one subject only".to_owned()),
        n => Ok(n),
    }
}

fn folds(which: Folds, study: &Study) -> Result<Vec<Fold>, String> {
    let seed = study.seeds.first().copied().unwrap_or_default();
    // Neither kind of folds holds out chosen subjects.
    let folds = which.make(&study.corpus, &study.windows, study.window, &HeldOut::default(), seed);
    folds.map_err(|error| format!("{which}: {error}"))
}

/// Runs all trainings of `study`, and returns the predicted class of each validation window, for each training.
fn train_networks(study: &Study, engine: &dyn Engine) -> Result<Vec<Vec<u32>>, String> {
    let mut inputs = TrainingInputs::prepare(study, 0..study.n_trainings());
    for inputs in &mut inputs {
        // Early stopping would choose the epoch by the validation windows, which makes figures too good.
        inputs.plan.early_stopping = None;
        inputs.plan.log_steps = false;
    }
    let models: Vec<Model<'_>> = inputs.iter().map(|inputs| inputs.model(study)).collect();
    let job = Job {
        engine,
        windows: &study.settings[0].windows,
        classes: study.classes(),
        models: &models,
        at_once: None,
        planned: None,
        follows_validation: false,
        wants_scores: true,
    };
    let outcome = fit(&job, &mut ()).map_err(|error| error.to_string())?;
    let (FitOutcome::Finished(results) | FitOutcome::Interrupted(results)) = outcome;
    let predict = |result: ModelResult| {
        let trained = result.end.map_err(|breakdown| breakdown.to_string())?;
        Ok(predicted_classes(&trained.scores.unwrap_or_default(), study.classes().len()))
    };
    results.into_iter().map(predict).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use triax_data::{Recording, RepairLog, cut};

    use super::*;
    use crate::baselines;

    /// Subjects whose two classes differ in sign on one axis: each subject on an axis of its own, or all on the same
    /// (`alike`).
    fn corpus(n_subjects: usize, alike: bool) -> Corpus {
        let recording = |subject: usize, class: u32| {
            let axis = if alike { 0 } else { subject };
            let value = |row: usize, channel: usize| {
                let noise = ((row * 7 + channel * 3 + subject) % 11) as f32 * 0.02;
                let level = if class == 0 { 1.0 } else { -1.0 };
                if channel == axis { level + noise } else { noise }
            };
            Recording {
                subject: format!("s{subject}"),
                class,
                times: Vec::new(),
                stamps: None,
                values: (0..80).flat_map(|row| (0..n_subjects).map(move |channel| value(row, channel))).collect(),
                part: None,
                source: format!("test:{subject}"),
            }
        };
        Corpus {
            name: "test".into(),
            synthetic: true,
            channels: (0..n_subjects).map(|channel| channel.to_string()).collect(),
            classes: vec!["up".into(), "down".into()],
            class_names: vec!["up".into(), "down".into()],
            rate_hz: Some(20.0),
            recordings: (0..n_subjects).flat_map(|subject| [0, 1].map(|class| recording(subject, class))).collect(),
            repairs: RepairLog::default(),
            columns: Vec::new(),
            notices: Vec::new(),
            window: None,
            fingerprint: String::new(),
        }
    }

    /// A study of `corpus` by its subjects, or with `protocol`.
    fn study(corpus: &Corpus, protocol: Folds) -> Study {
        let mut study = Study {
            windows: cut(corpus, 16, 8).unwrap(),
            corpus: Arc::new(corpus.clone()),
            window: 16,
            step: 8,
            protocol,
            folds: Vec::new(),
            settings: Vec::new(),
            seeds: vec![0],
            calibrations: Vec::new(),
        };
        study.folds = folds(protocol, &study).unwrap_or_default();
        study
    }

    fn measured(corpus: &Corpus, protocol: Folds) -> Result<Gap, String> {
        let study = study(corpus, protocol);
        let features = baselines::features(&study);
        Gap::from_baselines(&study, &features, &baselines::train(&study, &features).unwrap())
    }

    #[test]
    fn a_signal_of_each_subjects_own_is_a_gap() {
        for (n, protocol, names) in
            [(4, Folds::LeaveOneSubjectOut, ("random-4", "loso")), (6, Folds::Random(3), ("random-3", "group-3"))]
        {
            let gap = measured(&corpus(n, false), protocol).unwrap();
            assert_eq!((gap.random_folds.as_str(), gap.unseen_folds.as_str(), gap.n_subjects), (names.0, names.1, n));
            assert!(gap.macro_f1.random.mean > 0.95, "{gap:?}");
            assert!(gap.macro_f1.unseen.mean < 0.75 && gap.is_shown(), "{gap:?}");
            assert!(gap.words().contains("a random split flatters by 0."), "{}", gap.words());
            assert_eq!(gap, measured(&corpus(n, false), protocol).unwrap(), "not the same twice");
        }
    }

    #[test]
    fn a_signal_that_subjects_share_is_no_gap() {
        let gap = measured(&corpus(4, true), Folds::Groups(2)).unwrap();
        assert!(gap.macro_f1.unseen.mean > 0.95 && !gap.is_shown(), "{gap:?}");
        assert!(gap.words().contains("does not show that a random split flatters"), "{}", gap.words());
    }

    #[test]
    fn a_gap_counts_as_a_leak_where_the_split_shares_subjects() {
        let corpus = corpus(4, false);
        let gap = measured(&corpus, Folds::LeaveOneSubjectOut).unwrap();
        for (which, verdict) in [(Folds::Random(2), Verdict::Leak), (Folds::LeaveOneSubjectOut, Verdict::Note)] {
            assert_eq!(gap.finding(&study(&corpus, which).audit(&[])).verdict, verdict, "{which}");
        }
    }

    #[test]
    fn what_cannot_be_measured_says_why() {
        let why = |corpus: &Corpus| measured(corpus, Folds::Random(2)).unwrap_err();
        assert!(why(&corpus(1, true)).contains("one subject only"));
        let mut unknown = corpus(3, true);
        unknown.recordings[0].subject.clear();
        assert!(why(&unknown).contains("not say of every recording"));
        unknown.recordings.iter_mut().for_each(|recording| recording.subject.clear());
        assert!(why(&unknown).contains("does not say who"));
        let mut apart = corpus(2, true);
        apart.recordings[0].class = 1;
        assert!(why(&apart).starts_with("group-2: "));
        let one_fold = Study { protocol: Folds::HeldOut, ..study(&corpus(2, true), Folds::Groups(2)) };
        assert!(
            Gap::from_baselines(&one_fold, &baselines::features(&one_fold), &[]).unwrap_err().contains("one fold only")
        );
    }
}
