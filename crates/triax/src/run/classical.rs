//! The training of a classical model in a folder of its own.

use std::path::Path;

use triax_data::Audit;
use triax_engine::{NotFinite, Phase, Timings};
use triax_model::whole_file;
use triax_study::baselines::{ClassicalFile, ClassicalModel, ClassicalPlan, Features};
use triax_trainer::{Contents as _, Figures, Metrics, RunFolder, Summary};

use super::contents::RunContents;
use super::{Outcome, Record, notices, report};
use crate::recordings::{Recordings, TrainingData};
use crate::settings::Settings;
use crate::{Error, Notice};

/// The training of a classical model that is ready to run: the data is read, and the folder exists. It has no epochs and is
/// over in moments, so that nothing of it is resumed.
pub struct ClassicalTraining {
    /// The settings, completed from the data.
    pub settings: Settings,
    /// The data that it trains on.
    pub data: TrainingData,
    /// The audit of its split.
    pub audit: Audit,
    /// The method, and how it is regularised.
    pub plan: ClassicalPlan,
    /// The folder of the run.
    pub folder: RunFolder,
    /// Notices that the user should read before trusting the metrics.
    pub notices: Vec<Notice>,
    timings: Timings,
}

impl ClassicalTraining {
    /// Prepares a new training in the folder `out`, which is created. Reads the recordings that the settings name, and splits
    /// them. `timings` records where the time goes.
    ///
    /// # Errors
    /// Invalid settings, or those of a network; recordings that cannot be read or split; a folder that is not empty.
    pub fn new(settings: Settings, out: &Path, timings: &Timings) -> Result<Self, Error> {
        settings.check()?;
        let reading = timings.phase(Phase::Reading);
        let recordings = Recordings::read(&settings.data, settings.training.seed)?;
        drop(reading);
        Self::start(recordings, settings, out, timings)
    }

    /// Like [`ClassicalTraining::new`], with recordings that were read before. Their source, activities and window replace those
    /// in `settings`.
    ///
    /// # Errors
    /// As [`ClassicalTraining::new`].
    pub fn with_recordings(recordings: Recordings, mut settings: Settings, out: &Path) -> Result<Self, Error> {
        settings.check()?;
        recordings.describe_in(&mut settings)?;
        Self::start(recordings, settings, out, &Timings::off())
    }

    fn start(recordings: Recordings, mut settings: Settings, out: &Path, timings: &Timings) -> Result<Self, Error> {
        let _preparing = timings.phase(Phase::Preparing);
        let Some(plan) = settings.training.classical() else {
            return Err(Error::Usage("`model` is network, and only a classical model is trained here".to_owned()));
        };
        let data = recordings.split(&settings)?;
        settings.data.window.get_or_insert(data.window.into());
        let audit = data.audit(None);
        let unused = settings.note_without_effect(&settings.without_effect());
        let notices = data.corpus.notices.iter().cloned().chain(unused).chain(notices(&data, &audit)).collect();
        let folder = RunFolder::create(out, &Record::of_data(&data).with_settings(&settings))?;
        Ok(Self { settings, data, audit, plan, folder, notices, timings: timings.clone() })
    }

    /// Trains, and writes the files of a run. `history.jsonl` is empty, since there are no epochs; `best.safetensors` and
    /// `last.safetensors` are the same.
    ///
    /// # Errors
    /// An optimisation that fails; scores that are not finite; a disk that is full.
    pub fn run(&self) -> Result<Outcome, Error> {
        let Self { settings, data, audit, plan, folder, timings, .. } = self;
        let training = timings.phase(Phase::Training);
        let TrainingData { corpus, window, split, windows, .. } = data;
        let (n_channels, n_classes) = (data.channels.len(), corpus.classes.len());
        let features = Features::of(plan.features, &windows.windows, *window, n_channels, corpus.rate_hz);
        let model = ClassicalModel::train(plan, &features, &windows.labels, &split.train, n_classes)
            .map_err(|problem| Error::Input(format!("{} cannot be trained: {problem}", plan.method.name())))?;
        let loss = plan.method.loss();
        let judge = |indices: &[u32]| -> Result<Option<(Metrics, Vec<f32>)>, Error> {
            if indices.is_empty() {
                return Ok(None);
            }
            let scores = model.scores(&features, indices);
            if let Some(problem) = NotFinite::find(&scores, n_classes) {
                return Err(Error::Input(problem.to_string()));
            }
            let labels: Vec<u32> = indices.iter().map(|&idx| windows.labels[idx as usize]).collect();
            Ok(Some((Metrics::from_scores(&scores, &labels, loss, &corpus.classes)?, scores)))
        };
        let Some((trained, _)) = judge(&split.train)? else { unreachable!("it was trained on windows") };
        let (validation, scores) = judge(&split.valid)?.unzip();
        drop(training);
        let contents = RunContents::new(data, settings.data.step, loss, None);
        let judged = scores.as_deref().map(|scores| contents.judged(scores)).unwrap_or_default();
        let figures = Figures {
            epoch: 0,
            loss: trained.loss,
            accuracy: trained.accuracy,
            validation,
            temperature_scaling: judged.temperature_scaling,
        };
        let summary = Summary { epochs: 0, stopped_early: false, best: figures.clone(), last: figures };

        let files = timings.phase(Phase::Files);
        let extra = contents.metadata().iter().chain(&judged.metadata);
        let extra = extra.map(|(key, value)| (key.clone(), value.clone())).collect();
        let (window, channels, rate_hz, classes) = (*window, n_channels, corpus.rate_hz, corpus.classes.clone());
        let file = ClassicalFile { model, window, channels, rate_hz, classes, extra };
        let write = |path: &Path, bytes: &[u8]| {
            whole_file::write(path, bytes).map_err(|source| Error::io("write", path, source))
        };
        write(&folder.history_path(), &[])?;
        file.write(folder.best_path())?;
        file.write(folder.last_path())?;
        let metrics = folder.metrics_path();
        whole_file::write_json(&metrics, &summary).map_err(|source| Error::io("write", &metrics, source))?;
        drop(files);

        let _report = timings.phase(Phase::Report);
        let of_run = report::OfRun {
            settings,
            data,
            audit,
            folder,
            loss,
            model: format!(
                "{} on {} features: {}",
                plan.method.name().replace('_', " "),
                plan.features.count(channels),
                file.model.in_words()
            ),
            device: "the processor".to_owned(),
        };
        let report = report::write(&of_run, &summary, &scores.unwrap_or_default());
        Ok(Outcome::Finished { summary: Box::new(summary), report, events: Ok(()) })
    }
}
