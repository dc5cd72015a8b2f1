//! The summary of a study whose trainings are all finished.

use std::collections::BTreeMap;

use triax_data::Folds;
use triax_engine::{Confusion, Phase, Timings};
use triax_losses::predicted_classes;
use triax_trainer::{Mistake, Reliability, SubjectFigures, worst_mistakes};

use crate::baselines::BaselineFold;
use crate::classical::{Classical, ClassicalBeside};
use crate::evaluation::{EnsembleScores, TrainingFigures, subject_figures, valid_windows};
use crate::folder::StudyFolder;
use crate::grid::{Setting, Study};
use crate::statistics::{Estimate, holm, mean, quantile, signed_rank, words};
use crate::summary::{Band, Comparison, Competitor, EpochBand, Kind, Summary};
use crate::tables;
use crate::training_file::TrainingFile;
use crate::{Gap, StudyError};

/// The number of mistakes shown for a setting.
const MISTAKES: usize = 6;
/// The most settings of which every pair is compared; with more, only the best is compared with every other.
const MOST_FOR_PAIRS: usize = 8;
/// The seed of the bootstrap. It is fixed, so that an interval depends on the data only.
pub(crate) const BOOTSTRAP_SEED: u64 = 0;

/// Facts for the summary that the study does not hold.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Settings that all trainings share, by name.
    pub shared_settings: BTreeMap<String, String>,
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
    let files = folder.trainings(study)?;
    if let Some(first) = (0..study.n_trainings()).find(|number| !files.contains_key(number)) {
        let (n_missing, n_trainings) = (study.n_trainings() - files.len(), study.n_trainings());
        return Err(StudyError::Incomplete { n_missing, n_trainings, first });
    }
    tables::write(study, folder, &files)?;
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
    let mut subjects: Vec<&str> = (0..study.windows.len() as u32).map(|idx| study.subject(idx)).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let audit = StudyFolder::audit(folder.path(), study)?;
    let gap_finding = gap.as_ref().map_or_else(|why| Gap::not_measured(why), |gap| gap.finding(&audit));
    let summary = Summary {
        data: corpus.name.clone(),
        synthetic: corpus.synthetic,
        fingerprint: corpus.fingerprint.clone(),
        class_names: corpus.class_names.clone(),
        n_subjects: subjects.len(),
        n_windows: study.windows.len(),
        window: study.window,
        step: corpus.window.is_none().then_some(study.step),
        rate_hz: corpus.rate_hz,
        folds: study.protocol.to_string(),
        folds_in_words: study.protocol.in_words(),
        n_folds: study.folds.len(),
        n_seeds: study.seeds.len(),
        shared_settings: facts.shared_settings,
        comparisons: comparisons(&competitors),
        competitors,
        audit: audit.with(gap_finding),
        gap: gap.ok(),
        n_trainings: files.len(),
        n_broken: files.values().filter(|file| file.trained.broken.is_some()).count(),
        devices,
        version: facts.version,
        command: facts.command,
    };
    folder.write_json("summary.json", &summary)?;
    Ok(summary)
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
    let (mut all, mut parts) = (Vec::new(), Vec::new());
    let n_classes = study.classes().len();
    for file in files {
        let training = study.training(file.trained.number);
        if let Some(figures) = TrainingFigures::from_file(study, training, file)? {
            let labels = study.labels(&study.folds[training.fold].valid);
            parts.push(Reliability::from_scores(&file.scores, &labels, n_classes));
            all.push(figures);
        }
    }
    if all.is_empty() {
        return Ok(None);
    }
    let mut confusion = Confusion::new(n_classes);
    all.iter().for_each(|figures| confusion += &figures.metrics.confusion);
    let subjects = mean_over_seeds(all.into_iter().flat_map(|figures| figures.subjects));
    Ok(Some(Competitor {
        curves: curves(files),
        reliability: Some(Reliability::pooled(&parts)),
        mistakes: ensemble.mistakes(study),
        settings: setting.values.clone(),
        ..competitor(setting.name.clone(), Kind::Network, subjects, confusion)
    }))
}

/// The combined scores of all seeds of a setting for each validation window, fold after fold.
struct OutOfFoldScores {
    /// Indices of the windows.
    indices: Vec<u32>,
    /// (n_windows, classes)
    scores: Vec<f32>,
}

impl OutOfFoldScores {
    /// The combined scores of the trainings of `setting`, without those that broke down. `files` are in the order of
    /// their numbers.
    fn new(study: &Study, setting: &Setting, files: &[&TrainingFile]) -> Self {
        let mut all = Self { indices: Vec::new(), scores: Vec::new() };
        for (fold, files) in study.folds.iter().zip(files.chunks_exact(study.seeds.len())) {
            let sound: Vec<&[f32]> =
                files.iter().filter(|file| file.trained.broken.is_none()).map(|file| &*file.scores).collect();
            if !sound.is_empty() {
                all.indices.extend(&fold.valid);
                let mut ensemble = EnsembleScores::new(setting.plan.training.loss, study.classes().len());
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
        Some(Competitor {
            reliability: Some(Reliability::from_scores(&self.scores, &labels, n_classes)),
            mistakes: self.mistakes(study),
            settings: setting.values.clone(),
            ..competitor(name, Kind::Ensemble, subjects, Confusion::from_predictions(n_classes, &labels, &predicted))
        })
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
        let subjects = mean_over_seeds(folds.iter().flat_map(|fold| fold.subjects.iter().cloned()));
        competitor(folds[0].baseline.to_owned(), Kind::Baseline, subjects, confusion)
    };
    folds.chunk_by(|a, b| a.baseline == b.baseline).map(method).collect()
}

/// A competitor with the figures that every kind has.
fn competitor(name: String, kind: Kind, subjects: Vec<SubjectFigures>, confusion: Confusion) -> Competitor {
    let over = |figure: fn(&SubjectFigures) -> f64| {
        Estimate::new(&subjects.iter().map(figure).collect::<Vec<_>>(), BOOTSTRAP_SEED)
    };
    Competitor {
        name,
        kind,
        settings: BTreeMap::new(),
        accuracy: over(|one| one.accuracy),
        macro_f1: over(|one| one.macro_f1),
        pooled_macro_f1: confusion.macro_f1(),
        recall: (0..confusion.n_classes()).map(|class| confusion.recall(class)).collect(),
        subjects,
        confusion,
        curves: Vec::new(),
        reliability: None,
        mistakes: Vec::new(),
    }
}

/// The mean figures of each subject, in the order of first appearance, which is that of the folds.
fn mean_over_seeds(all: impl IntoIterator<Item = SubjectFigures>) -> Vec<SubjectFigures> {
    let mut subjects: Vec<(SubjectFigures, f64)> = Vec::new();
    for one in all {
        match subjects.iter_mut().find(|(known, _)| known.subject == one.subject) {
            Some((sum, n)) => {
                sum.accuracy += one.accuracy;
                sum.macro_f1 += one.macro_f1;
                // A subject that several folds judge, as random ones do, has windows in each.
                sum.n_windows = sum.n_windows.max(one.n_windows);
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

/// Compares networks with each other, and the best network with every ensemble and baseline, over the subjects that
/// both have.
fn comparisons(competitors: &[Competitor]) -> Vec<Comparison> {
    let n_networks = competitors.iter().filter(|one| one.kind == Kind::Network).count();
    let mut pairs: Vec<(usize, usize)> = match n_networks {
        0 => return Vec::new(),
        2..=MOST_FOR_PAIRS => (0..n_networks).flat_map(|a| (a + 1..n_networks).map(move |b| (a, b))).collect(),
        _ => (1..n_networks).map(|b| (0, b)).collect(),
    };
    pairs.extend((n_networks..competitors.len()).map(|b| (0, b)));
    type Figure = fn(&SubjectFigures) -> f64;
    let figures: [(&str, Figure); 2] = [("macro_f1", |one| one.macro_f1), ("accuracy", |one| one.accuracy)];
    let mut comparisons = Vec::new();
    for (figure, value) in figures {
        let mut compared: Vec<Comparison> = pairs
            .iter()
            .filter_map(|&(a, b)| {
                let (a, b) = (&competitors[a], &competitors[b]);
                let other = |one: &SubjectFigures| b.subjects.iter().find(|other| other.subject == one.subject);
                let differences: Vec<f64> =
                    a.subjects.iter().filter_map(|one| Some(value(one) - value(other(one)?))).collect();
                if differences.len() < 2 {
                    return None;
                }
                let test = signed_rank(&differences);
                Some(Comparison {
                    a: a.name.clone(),
                    b: b.name.clone(),
                    figure: figure.to_owned(),
                    n_subjects: differences.len(),
                    difference: Estimate::new(&differences, BOOTSTRAP_SEED),
                    effect: test.effect,
                    p: test.p,
                    p_holm: test.p,
                    words: String::new(),
                })
            })
            .collect();
        let corrected = holm(&compared.iter().map(|one| one.p).collect::<Vec<_>>());
        for (one, p_holm) in compared.iter_mut().zip(corrected) {
            one.p_holm = p_holm;
            let named = if figure == "macro_f1" { "macro-F1" } else { figure };
            one.words = words(&one.a, &one.b, named, &one.difference, p_holm, one.n_subjects);
        }
        comparisons.extend(compared);
    }
    comparisons
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
        };
        let found = mean_over_seeds([one("a", 0.5), one("b", 1.0), one("a", 1.0)]);
        assert_eq!(found, [one("a", 0.75), one("b", 1.0)]);
    }
}
