//! Audits of what leaks from training into validation, for recordings, a run or a study.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use triax_data::{Audit, Corpus, Folds, Verdict};
use triax_engine::CpuEngine;
use triax_model::WeightFile;
use triax_study::baselines::ClassicalFile;
use triax_study::{Gap, Study, StudyFolder};

use crate::recordings::{Recordings, TrainingData};
use crate::run::Run;
use crate::settings::Settings;
use crate::{Error, Notice, study};

/// An audit and its subject.
pub struct SplitAudit {
    /// Description of the split or the folds.
    pub audited: String,
    /// The recordings.
    pub corpus: Corpus,
    /// Samples per window.
    pub window: usize,
    /// Number of windows, over all parts.
    pub n_windows: usize,
    /// Number of folds; 1 for a split.
    pub n_folds: usize,
    /// The audit's findings.
    pub audit: Audit,
    /// Settings of the training or the study.
    settings: Settings,
}

impl SplitAudit {
    /// Audits the split that a training with `settings` would use. With `folds`, audits the folds that a study would
    /// use.
    ///
    /// # Errors
    /// Recordings that cannot be read or split.
    pub fn for_data(settings: Settings, folds: Option<Folds>) -> Result<Self, Error> {
        if let Some(folds) = folds {
            let study = study::with_one_setting(folds, settings.clone())?;
            let audit = study.audit(&study.scalers());
            return Ok(Self::from_study("the folds of a study", study, settings, audit));
        }
        let data = Recordings::read(&settings.data, settings.training.seed)?.split(&settings)?;
        let audit = data.audit(data.scaler.as_ref());
        Ok(Self::from_split("the split of a training", data, settings, audit))
    }

    /// Audits the split and the scaler of the run in the folder `path`.
    ///
    /// # Errors
    /// A folder that does not hold a run; data that has changed.
    pub fn for_run(path: &Path) -> Result<Self, Error> {
        let run = Run::open(path)?;
        let data = Recordings::read(&run.settings.data, run.settings.training.seed)?.split(&run.settings)?;
        run.check_data(&data.corpus.fingerprint, "audited", "restore the data")?;
        let Run { folder, settings, .. } = run;
        let run_is_classical = settings.training.classical().is_some();
        let weights = [folder.last_path(), folder.best_path()].into_iter().find(|file| file.exists());
        // A classical model scales its features, and no channel.
        let stored = weights.filter(|file| !ClassicalFile::is_at(file)).map(WeightFile::read).transpose()?;
        let audit = data.audit(match &stored {
            Some(file) => file.scaler.as_ref(),
            None if run_is_classical => None,
            None => data.scaler.as_ref(),
        });
        Ok(Self::from_split("the split of the run", data, settings, audit))
    }

    /// Audits the folds of the study in the folder `path`, and the scalers in the weights that it has kept.
    ///
    /// # Errors
    /// A folder that does not hold a study; data that has changed.
    pub fn for_study(path: &Path) -> Result<Self, Error> {
        let (study, first) = study::read_again(path)?;
        let audit = StudyFolder::audit(path, &study)?;
        Ok(Self::from_study("the folds of the study", study, first, audit))
    }

    fn from_split(what: &str, data: TrainingData, settings: Settings, audit: Audit) -> Self {
        Self {
            audited: format!("{what}: {}", data.split_in_words()),
            window: data.window,
            n_windows: data.windows.len(),
            n_folds: 1,
            corpus: data.corpus,
            settings,
            audit,
        }
    }

    fn from_study(what: &str, study: Study, settings: Settings, audit: Audit) -> Self {
        Self {
            audited: format!("{what}: {}", study.protocol.in_words()),
            window: study.window,
            n_windows: study.windows.len(),
            n_folds: study.folds.len(),
            corpus: Arc::unwrap_or_clone(study.corpus),
            settings,
            audit,
        }
    }

    /// Measures how much a random split flatters. Trains the network on random windows and for unseen subjects, on the
    /// CPU, with up to ten trainings.
    ///
    /// # Errors
    /// The reason why it cannot be measured, as a sentence.
    pub fn measure_gap(self) -> Result<Gap, String> {
        // The measurement makes its own folds, so any folds do here.
        let study = study::with_one_setting(Folds::Random(2), self.settings).map_err(|error| error.in_full())?;
        Gap::measure(study, &CpuEngine::<f32>::new())
    }

    /// The audit as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        // Unknown subjects have no number.
        let n_subjects = Some(self.corpus.subjects().len()).filter(|&n| n > 0);
        json!({
            "data": self.corpus.name,
            "synthetic": self.corpus.synthetic,
            "fingerprint": self.corpus.fingerprint,
            "audited": self.audited,
            "window": self.window,
            "n_windows": self.n_windows,
            "n_subjects": n_subjects,
            "n_folds": self.n_folds,
            "leaks": self.audit.leaks(),
            "not_excluded": self.audit.is_open(),
            "findings": self.audit.findings,
        })
    }
}

/// What a training says of an audit before its first epoch: each leak, and what could not be excluded.
pub(crate) fn notices(audit: &Audit) -> Vec<Notice> {
    let told = audit.findings.iter().filter_map(|finding| match finding.verdict {
        Verdict::Leak => Some(Notice::Warning(finding.words.clone())),
        Verdict::NotExcluded => Some(Notice::Note(finding.words.clone())),
        Verdict::Note | Verdict::Sound => None,
    });
    let so = audit.leaks().then(|| {
        Notice::Warning("the validation figures will be too good: docs/audit.md says why, and what to do.".to_owned())
    });
    told.chain(so).collect()
}
