//! The summary of a study whose trainings are all finished.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use triax_answers::Answers;
use triax_data::{Fold, Folds, UntrainedClass};
use triax_engine::{Confusion, Phase, Timings};
use triax_losses::predicted_classes;
use triax_trainer::{CrossFit, Mistake, Reliability, SubjectFigures, TemperatureScaling, worst_mistakes};

use crate::answers::{HeldOutScores, independent_groups};
use crate::baselines::BaselineFold;
use crate::calibration;
use crate::classical::{Classical, ClassicalBeside};
use crate::comparisons::{comparisons, main_effects};
use crate::ensembles::EnsembleScores;
use crate::evaluation::{TrainingFigures, subject_figures, valid_windows};
use crate::folder::StudyFolder;
use crate::grid::{Setting, Study};
use crate::stacking::{FoldScores, HeldOutWindows};
use crate::statistics::{Estimate, mean, quantile};
use crate::summary::{Band, Competitor, EpochBand, Kind, Summary, Untrained};
use crate::tables;
use crate::training_file::TrainingFile;
use crate::{Gap, StudyError};

/// The number of mistakes shown for a setting.
const MISTAKES: usize = 6;
/// The most sentences of one kind among the caveats.
const MOST_CAVEATS: usize = 6;
/// The seed of the bootstrap. It is fixed, so that an interval depends on the data only.
pub(crate) const BOOTSTRAP_SEED: u64 = 0;

/// Facts for the summary that the study does not hold.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Settings that all trainings share, by name.
    pub shared_settings: BTreeMap<String, String>,
    /// The names that the user has given to values of settings that vary: by setting and value.
    pub value_names: BTreeMap<String, BTreeMap<String, String>>,
    /// What limits the figures, beside what the study itself shows.
    pub caveats: Vec<String>,
    /// The command that repeats the study.
    pub command: String,
    /// Version of Triax.
    pub version: String,
    /// Whether classical methods are trained on the same folds.
    pub baselines: bool,
    /// The recorder of where the time goes.
    pub timings: Timings,
}

/// Summarises the study in `folder`, and writes all tables and `summary.json`. If it has baselines, they are those that were
/// trained `beside` it, or else they are trained now.
///
/// # Errors
/// A training that is missing or damaged; a baseline that fails; a disk that is full.
pub fn summarise(
    study: &Study,
    folder: &StudyFolder,
    facts: Facts,
    beside: Option<ClassicalBeside>,
) -> Result<Summary, StudyError> {
    let _statistics = facts.timings.phase(Phase::Statistics);
    let files = whole(study, folder)?;
    tables::write(study, folder, &files)?;
    tables::write_calibrations(study, folder, &files)?;
    let per_setting = study.n_trainings() / study.settings.len();
    let (mut networks, mut ensembles) = (Vec::new(), Vec::new());
    for (idx, setting) in study.settings.iter().enumerate() {
        let trainings: Vec<&TrainingFile> = (idx * per_setting..(idx + 1) * per_setting).map(|n| &files[&n]).collect();
        let ensemble = OutOfFoldScores::new(study, setting, &trainings);
        networks.extend(network(study, setting, &trainings, &ensemble)?);
        if study.seeds.len() > 1 {
            ensembles.extend(ensemble.competitor(study, setting));
        }
    }
    let (baseline_folds, gap) = if facts.baselines {
        let _baselines = facts.timings.phase(Phase::Baselines);
        let Classical { folds, gap } = beside.map_or_else(|| Classical::train(study), ClassicalBeside::finish)?;
        tables::write_baselines(&folds, folder)?;
        (folds, gap)
    } else {
        (Vec::new(), Err("it takes the baselines, which were left out; `triax data audit` trains its own".to_owned()))
    };
    let mut competitors = Vec::new();
    for mut kind in [networks, ensembles, classical(study, &baseline_folds)] {
        kind.sort_by(|a, b| b.macro_f1.mean.total_cmp(&a.macro_f1.mean));
        competitors.extend(kind);
    }
    let mut devices: Vec<String> = files.values().map(|file| file.trained.device.clone()).collect();
    devices.sort();
    devices.dedup();
    let corpus = &study.corpus;
    let all_windows: BTreeSet<u32> = (0..study.windows.len() as u32).collect();
    let judged: BTreeSet<u32> = valid_windows(&study.folds).into_iter().collect();
    let audit = StudyFolder::audit(folder.path(), study)?;
    let gap_finding = gap.as_ref().map_or_else(|why| Gap::not_measured(why), |gap| gap.finding(&audit));
    let mut summary = Summary {
        data: corpus.name.clone(),
        synthetic: corpus.synthetic,
        fingerprint: corpus.fingerprint.clone(),
        class_names: corpus.class_names.clone(),
        n_subjects: n_subjects(study, &all_windows),
        n_judged_subjects: n_subjects(study, &judged),
        n_windows: study.windows.len(),
        n_judged_windows: judged.len(),
        window: study.window,
        step: corpus.window.is_none().then_some(study.step),
        rate_hz: corpus.rate_hz,
        folds: study.protocol.to_string(),
        folds_in_words: study.protocol.in_words(),
        n_folds: study.folds.len(),
        n_seeds: study.seeds.len(),
        shared_settings: facts.shared_settings,
        comparisons: comparisons(&competitors),
        main_effects: main_effects(&competitors),
        calibrations: calibration::gains(study, &files),
        value_names: facts.value_names,
        untrained: untrained(study),
        caveats: Vec::new(),
        competitors,
        audit: audit.with(gap_finding),
        gap: gap.ok(),
        n_trainings: files.len(),
        n_broken: files.values().filter(|file| file.trained.broken.is_some()).count(),
        devices,
        version: facts.version,
        command: facts.command,
    };
    summary.caveats = [caveats(study, &summary), facts.caveats].concat();
    folder.write_json("summary.json", &summary)?;
    Ok(summary)
}

/// The number of subjects with one of the `windows`, as far as they are known.
fn n_subjects(study: &Study, windows: &BTreeSet<u32>) -> usize {
    let subjects: BTreeSet<&str> = windows.iter().map(|&idx| study.subject(idx)).collect();
    subjects.iter().filter(|subject| !subject.is_empty()).count()
}

/// The classes that folds cannot judge.
fn untrained(study: &Study) -> Vec<Untrained> {
    let of_fold = |fold: &Fold| {
        let describe = |one: &UntrainedClass| Untrained {
            fold: fold.name.clone(),
            class: study.corpus.class_names[one.class].clone(),
            subjects: one.subjects.clone(),
            n_windows: one.n_windows,
        };
        fold.untrained.iter().map(describe).collect::<Vec<_>>()
    };
    study.folds.iter().flat_map(of_fold).collect()
}

/// See [`Summary::caveats`].
fn caveats(study: &Study, summary: &Summary) -> Vec<String> {
    let n_judged = summary.n_judged_subjects;
    let mut caveats: Vec<String> = match n_judged {
        0 => vec!["Who was recorded is unknown: all windows count as one, and there is no interval.".to_owned()],
        1 => vec!["One subject was judged: there is no interval, and nothing can be compared.".to_owned()],
        _ if summary.competitors.iter().any(|one| one.macro_f1.rests_on_few()) => {
            vec![format!(
                "Judged by {n_judged} subjects: an interval over fewer than five is far too narrow, and no difference can be \
                 shown."
            )]
        }
        _ => Vec::new(),
    };
    let in_part = |one: &&Competitor| n_judged > 0 && one.macro_f1.n < n_judged;
    let partly = summary.competitors.iter().filter(in_part).map(|one| {
        let n = one.macro_f1.n;
        format!("{} is judged by {n} of {n_judged} subjects: all trainings for the others broke down.", one.name)
    });
    caveats.extend(cut(partly.collect()));
    caveats.extend(cut(study.untrained_in_words()));
    caveats.extend(cut(calibration::without_people(study)));
    let best = summary.competitors.iter().find(|one| one.macro_f1.n == n_judged).or(summary.competitors.first());
    caveats.extend(best.and_then(|best| SubjectFigures::lacking_in_words(&best.subjects)));
    caveats
}

/// The first of `sentences`, and how many more there are.
pub fn cut(mut sentences: Vec<String>) -> Vec<String> {
    let n_more = sentences.len().saturating_sub(MOST_CAVEATS);
    if n_more > 0 {
        sentences.truncate(MOST_CAVEATS);
        sentences.push(format!("So it is with {n_more} more."));
    }
    sentences
}

impl Summary {
    /// Whether the figures are of subjects that no network was trained on.
    pub fn is_about_strangers(&self) -> bool {
        self.folds
            .parse()
            .is_ok_and(|folds| matches!(folds, Folds::LeaveOneSubjectOut | Folds::Groups(_) | Folds::HeldOut))
    }
}

/// The individual networks of a setting; none if all of them broke down.
fn network(
    study: &Study,
    setting: &Setting,
    files: &[&TrainingFile],
    ensemble: &OutOfFoldScores,
) -> Result<Option<Competitor>, StudyError> {
    let (n_classes, loss) = (study.classes().len(), setting.loss());
    let (mut confusion, mut parts) = (Confusion::new(n_classes), Vec::new());
    // The judged windows and their predictions of each seed, over all folds.
    let mut by_seed: BTreeMap<u64, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
    for file in files {
        let training = study.training(file.trained.number);
        if let Some(figures) = TrainingFigures::from_file(study, training, file)? {
            let valid = &study.folds[training.fold].valid;
            parts.push(Reliability::from_scores(&file.scores, &study.labels(valid), n_classes, loss));
            confusion += &figures.metrics.confusion;
            let (indices, predictions) = by_seed.entry(training.seed).or_default();
            indices.extend(valid);
            predictions.extend(figures.predictions);
        }
    }
    if parts.is_empty() {
        return Ok(None);
    }
    let figures = by_seed.values().flat_map(|(indices, predictions)| subject_figures(study, indices, predictions));
    let subjects = mean_over_seeds(figures);
    let (answers, temperature_scaling) = ensemble.answers(study, setting);
    Ok(Some(Competitor {
        answers: Some(answers),
        temperature_scaling,
        curves: curves(files),
        reliability: Reliability::pooled(&parts),
        mistakes: ensemble.mistakes(study),
        settings: setting.values.clone(),
        ..competitor(setting.name.clone(), Kind::Network, subjects, confusion)
    }))
}

/// What was found of a setting on folds that hold people out.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The figures of each person, as the mean over seeds.
    pub figures: Vec<SubjectFigures>,
    /// The scores for the windows of each fold.
    pub folds: Vec<FoldScores>,
}

/// What each setting of the finished study in `folder` comes to; or how a training broke down, for a setting that has no
/// network in one of the folds.
///
/// # Errors
/// A training that is missing or damaged.
pub fn judged(study: &Study, folder: &StudyFolder) -> Result<Vec<Result<Judged, String>>, StudyError> {
    let mut files = whole(study, folder)?;
    let n_seeds = study.seeds.len();
    let windows: Vec<Arc<HeldOutWindows>> =
        (0..study.folds.len()).map(|fold| Arc::new(HeldOutWindows::of_fold(study, fold))).collect();
    let mut of_setting = |setting: usize| -> Result<Result<Judged, String>, StudyError> {
        let (mut all, mut folds) = (Vec::new(), Vec::new());
        for (fold, windows) in windows.iter().enumerate() {
            let (mut seeds, mut how) = (Vec::new(), String::new());
            for n in 0..n_seeds {
                let number = (setting * study.folds.len() + fold) * n_seeds + n;
                let file = files.remove(&number).expect("no training is missing");
                match TrainingFigures::from_file(study, study.training(number), &file)? {
                    Some(figures) => {
                        all.extend(subject_figures(study, &study.folds[fold].valid, &figures.predictions));
                        seeds.push(file.scores);
                    }
                    None => how = file.trained.broken.unwrap_or_default(),
                }
            }
            if seeds.is_empty() {
                return Ok(Err(how));
            }
            folds.push(FoldScores { windows: windows.clone(), seeds });
        }
        Ok(Ok(Judged { figures: mean_over_seeds(all), folds }))
    };
    (0..study.settings.len()).map(&mut of_setting).collect()
}

/// The trainings of `study`, none of which is missing.
fn whole(study: &Study, folder: &StudyFolder) -> Result<BTreeMap<usize, TrainingFile>, StudyError> {
    let files = folder.trainings(study)?;
    match (0..study.n_trainings()).find(|number| !files.contains_key(number)) {
        None => Ok(files),
        Some(first) => {
            let (n_missing, n_trainings) = (study.n_trainings() - files.len(), study.n_trainings());
            Err(StudyError::Incomplete { n_missing, n_trainings, first })
        }
    }
}

/// The combined scores of all seeds of a setting for each validation window, fold after fold.
struct OutOfFoldScores {
    /// Indices of the windows.
    indices: Vec<u32>,
    /// The number of each window's fold, from 0, among those with scores.
    folds: Vec<u32>,
    /// (n_windows, classes)
    scores: Vec<f32>,
}

impl OutOfFoldScores {
    /// The combined scores of the trainings of `setting`, without those that broke down. `files` are in the order of
    /// their numbers.
    fn new(study: &Study, setting: &Setting, files: &[&TrainingFile]) -> Self {
        let mut all = Self { indices: Vec::new(), folds: Vec::new(), scores: Vec::new() };
        let mut n_folds = 0;
        for (fold, files) in study.folds.iter().zip(files.chunks_exact(study.seeds.len())) {
            let sound: Vec<&[f32]> =
                files.iter().filter(|file| file.trained.broken.is_none()).map(|file| &*file.scores).collect();
            if !sound.is_empty() {
                all.indices.extend(&fold.valid);
                all.folds.resize(all.indices.len(), n_folds);
                n_folds += 1;
                let mut ensemble = EnsembleScores::new(setting.loss(), study.classes().len());
                sound.iter().for_each(|scores| ensemble.add(scores));
                all.scores.extend(ensemble.scores());
            }
        }
        all
    }

    /// The ensemble of the setting as a competitor; none if all of its trainings broke down.
    fn competitor(&self, study: &Study, setting: &Setting) -> Option<Competitor> {
        if self.indices.is_empty() {
            return None;
        }
        let (n_classes, labels) = (study.classes().len(), study.labels(&self.indices));
        let predicted = predicted_classes(&self.scores, n_classes);
        let name = format!("{} × {} seeds", setting.name, study.seeds.len());
        let subjects = subject_figures(study, &self.indices, &predicted);
        let (answers, temperature_scaling) = self.answers(study, setting);
        Some(Competitor {
            answers: Some(answers),
            temperature_scaling,
            reliability: Some(Reliability::from_scores(&self.scores, &labels, n_classes, setting.loss())),
            mistakes: self.mistakes(study),
            settings: setting.values.clone(),
            ..competitor(name, Kind::Ensemble, subjects, Confusion::from_predictions(n_classes, &labels, &predicted))
        })
    }

    /// What the networks know about their answers, and how well that holds: each fold by what the others say; with a single
    /// fold, each person by the others.
    fn answers(&self, study: &Study, setting: &Setting) -> (Answers, Option<TemperatureScaling>) {
        let all: Vec<u32> = (0..study.windows.len() as u32).collect();
        let labels = study.labels(&self.indices);
        let (groups, judged) = if study.folds.len() > 1 {
            (self.folds.clone(), CrossFit::Folds)
        } else {
            let origins: Vec<_> = self.indices.iter().map(|&idx| study.windows.origins[idx as usize]).collect();
            independent_groups(&study.corpus, &origins, &labels)
        };
        let held_out = HeldOutScores { scores: &self.scores, labels: &labels, groups: &groups, judged };
        held_out.fit(&study.trained_on(setting, &all))
    }

    /// The worst mistakes, at most one of each recording.
    fn mistakes(&self, study: &Study) -> Vec<Mistake> {
        let labels = study.labels(&self.indices);
        let origin = |window: usize| study.windows.origins[self.indices[window] as usize];
        let worst = worst_mistakes(&self.scores, &labels, study.classes().len(), MISTAKES, |w| origin(w).recording);
        let len = study.window * study.channels();
        let mistake = |wrong: triax_trainer::WrongWindow| Mistake {
            subject: study.corpus.subject_of(origin(wrong.window)).to_owned(),
            source: study.corpus.place_of(origin(wrong.window)),
            label: labels[wrong.window] as usize,
            prediction: wrong.prediction,
            margin: wrong.margin,
            values: study.windows.values[self.indices[wrong.window] as usize * len..][..len].to_vec(),
            channels: study.corpus.channels.clone(),
        };
        worst.into_iter().map(mistake).collect()
    }
}

/// The classical methods.
fn classical(study: &Study, folds: &[BaselineFold]) -> Vec<Competitor> {
    let method = |folds: &[BaselineFold]| {
        let indices = valid_windows(&study.folds);
        let predicted: Vec<u32> = folds.iter().flat_map(|fold| fold.predictions.iter().copied()).collect();
        let confusion = Confusion::from_predictions(study.classes().len(), &study.labels(&indices), &predicted);
        let subjects = subject_figures(study, &indices, &predicted);
        competitor(folds[0].baseline.to_owned(), Kind::Baseline, subjects, confusion)
    };
    folds.chunk_by(|a, b| a.baseline == b.baseline).map(method).collect()
}

/// A competitor with the figures that every kind has.
pub(crate) fn competitor(name: String, kind: Kind, subjects: Vec<SubjectFigures>, confusion: Confusion) -> Competitor {
    let over = |figure| over_subjects(&subjects, figure);
    Competitor {
        name,
        kind,
        settings: BTreeMap::new(),
        accuracy: over(|one| one.accuracy),
        macro_f1: over(|one| one.macro_f1),
        pooled_macro_f1: confusion.macro_f1(),
        recall: (0..confusion.n_classes())
            .map(|class| (confusion.support(class) > 0).then(|| confusion.recall(class)))
            .collect(),
        subjects,
        confusion,
        curves: Vec::new(),
        reliability: None,
        temperature_scaling: None,
        answers: None,
        mistakes: Vec::new(),
    }
}

/// The mean of a figure over `subjects`, each counting once, with its interval.
pub fn over_subjects(subjects: &[SubjectFigures], figure: fn(&SubjectFigures) -> f64) -> Estimate {
    Estimate::new(&sample(subjects).map(figure).collect::<Vec<_>>(), BOOTSTRAP_SEED)
}

/// The subjects that a mean is over: those with a name. Where none has one, all windows are one.
pub(crate) fn sample(subjects: &[SubjectFigures]) -> impl Iterator<Item = &SubjectFigures> {
    let unknown = subjects.iter().all(|one| one.subject.is_empty());
    subjects.iter().filter(move |one| unknown || !one.subject.is_empty())
}

/// The mean figures of each subject over all that there are of it, in the order of first appearance.
pub(crate) fn mean_over_seeds(all: impl IntoIterator<Item = SubjectFigures>) -> Vec<SubjectFigures> {
    let mut subjects: Vec<(SubjectFigures, f64)> = Vec::new();
    for one in all {
        match subjects.iter_mut().find(|(known, _)| known.subject == one.subject) {
            Some((sum, n)) => {
                sum.accuracy += one.accuracy;
                sum.macro_f1 += one.macro_f1;
                // Where a training broke down, a seed has fewer windows of a subject.
                sum.n_windows = sum.n_windows.max(one.n_windows);
                if sum.lacking != one.lacking {
                    sum.lacking.retain(|class| one.lacking.contains(class));
                }
                *n += 1.0;
            }
            None => subjects.push((one, 1.0)),
        }
    }
    let mean = |(sum, n): (SubjectFigures, f64)| SubjectFigures {
        accuracy: sum.accuracy / n,
        macro_f1: sum.macro_f1 / n,
        ..sum
    };
    subjects.into_iter().map(mean).collect()
}

/// The curves of training, each epoch over all files that reached it.
fn curves(files: &[&TrainingFile]) -> Vec<EpochBand> {
    let n_epochs = files.iter().map(|file| file.trained.history.len()).max().unwrap_or(0);
    let at = |epoch: usize| {
        let all: Vec<_> = files.iter().filter_map(|file| file.trained.history.get(epoch)).collect();
        EpochBand {
            epoch: epoch + 1,
            loss: band(all.iter().map(|figures| figures.loss)).expect("an epoch that somebody got to"),
            accuracy: band(all.iter().map(|figures| figures.accuracy)).expect("an epoch that somebody got to"),
            valid_loss: band(all.iter().filter_map(|figures| figures.val_loss)),
            valid_accuracy: band(all.iter().filter_map(|figures| figures.val_accuracy)),
        }
    };
    (0..n_epochs).map(at).collect()
}

/// The band of `values`; none without values.
fn band(values: impl Iterator<Item = f64>) -> Option<Band> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let quantile = |share: f64| quantile(&values, share);
    (!values.is_empty()).then(|| Band { mean: mean(&values), low: quantile(0.05), high: quantile(0.95) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_numpys_quantiles() {
        // numpy 2.4: np.quantile([1, 2, 4, 8], [0.05, 0.95]) -> [1.15, 7.4]
        let found = band([8.0, 1.0, 4.0, 2.0].into_iter()).unwrap();
        assert!((found.low - 1.15).abs() < 1e-12 && (found.high - 7.4).abs() < 1e-12, "{found:?}");
        assert_eq!(found.mean, 3.75);
        assert_eq!(band(std::iter::empty()), None);
    }

    #[test]
    fn figures_of_a_subject_are_means_over_seeds() {
        let one = |subject: &str, accuracy| SubjectFigures {
            subject: subject.into(),
            n_windows: 4,
            accuracy,
            macro_f1: accuracy / 2.0,
            lacking: Vec::new(),
        };
        let found = mean_over_seeds([one("a", 0.5), one("b", 1.0), one("a", 1.0)]);
        assert_eq!(found, [one("a", 0.75), one("b", 1.0)]);
    }
}
