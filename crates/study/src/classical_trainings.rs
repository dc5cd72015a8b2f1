//! The trainings of the classical settings of a study, on threads of this process beside its fleets.

use std::ops::ControlFlow;
use std::sync::mpsc::SyncSender;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use triax_engine::device::DeviceInfo;

use crate::baselines::{ClassicalFile, ClassicalModel, ClassicalPlan, FeatureSet, Features};
use crate::grid::{Study, Training};
use crate::training_file::{Trained, TrainingFile};
use crate::writer::{Ended, Kept};

/// Trains classical settings.
pub(crate) struct ClassicalTrainings<'a> {
    pub study: &'a Study,
    pub keeps_weights: bool,
    /// Whether to stop before the next training.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
}

/// A classical setting in a fold: the seeds draw nothing, so that one model is that of all of them.
struct InFold<'a> {
    plan: ClassicalPlan,
    features: &'a Features,
    seeds: &'a [Training],
}

impl ClassicalTrainings<'_> {
    /// Runs the trainings of these numbers that are of a classical setting, and sends them to be written.
    pub fn train(&self, numbers: Vec<usize>, sender: &SyncSender<Vec<Ended>>) -> ControlFlow<()> {
        let study = self.study;
        let trainings: Vec<(ClassicalPlan, Training)> = numbers
            .into_iter()
            .map(|number| study.training(number))
            .filter_map(|training| Some((study.settings[training.setting].classical?, training)))
            .collect();
        // Settings that read the same windows in the same way share their features.
        let plan_of = |training: &Training| study.settings[training.setting].classical.expect("a classical setting");
        // Those that its windows have been prepared to.
        let channels_of = |training: &Training| study.settings[training.setting].network.spec().channels;
        let key = |training: &Training| {
            (study.settings[training.setting].windows.windows.as_ptr(), plan_of(training).features)
        };
        let mut features: Vec<((*const f32, FeatureSet), Features)> = Vec::new();
        for (plan, training) in &trainings {
            if !features.iter().any(|(known, _)| *known == key(training)) {
                let windows = &study.settings[training.setting].windows.windows;
                let (window, channels, rate_hz) = (study.window, channels_of(training), study.corpus.rate_hz);
                features.push((key(training), Features::of(plan.features, windows, window, channels, rate_hz)));
            }
        }
        let only: Vec<Training> = trainings.iter().map(|(_, training)| *training).collect();
        let features_of =
            |training: &Training| &features.iter().find(|(known, _)| *known == key(training)).expect("made above").1;
        let in_folds: Vec<InFold<'_>> = only
            .chunk_by(|a, b| (a.setting, a.fold) == (b.setting, b.fold))
            .map(|seeds| InFold { plan: plan_of(&seeds[0]), features: features_of(&seeds[0]), seeds })
            .collect();
        let train = |in_fold: &InFold<'_>| {
            // Nobody receives after an error, which is that of the study.
            let is_over = (self.is_stopped)() || sender.send(self.train_in(in_fold)).is_err();
            if is_over { Err(()) } else { Ok(()) }
        };
        match in_folds.par_iter().try_for_each(train) {
            Ok(()) => ControlFlow::Continue(()),
            Err(()) => ControlFlow::Break(()),
        }
    }

    /// Trains one model, and returns the files of its seeds.
    fn train_in(&self, &InFold { plan, features, seeds }: &InFold<'_>) -> Vec<Ended> {
        let Self { study, keeps_weights, .. } = *self;
        let (setting, fold) = (&study.settings[seeds[0].setting], &study.folds[seeds[0].fold]);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let clock = Instant::now();
        let n_classes = study.classes().len();
        let model = ClassicalModel::train(&plan, features, &study.windows.labels, &fold.train, n_classes);
        let scores = model.as_ref().map_or_else(|_| Vec::new(), |model| model.scores(features, &fold.valid));
        let seconds = clock.elapsed().as_secs_f64() / seeds.len() as f64;
        let device = format!("{} (classical)", DeviceInfo::cpu().name);
        let kept = model.as_ref().ok().filter(|_| keeps_weights).map(|model| ClassicalFile {
            model: model.clone(),
            window: study.window,
            channels: setting.network.spec().channels,
            rate_hz: study.corpus.rate_hz,
            classes: study.classes().to_vec(),
            extra: setting.extra.clone(),
        });
        let ended = |training: &Training| {
            let trained = Trained {
                number: training.number,
                setting: setting.name.clone(),
                fold: fold.name.clone(),
                seed: training.seed,
                fingerprint: study.corpus.fingerprint.clone(),
                device: device.clone(),
                started,
                seconds,
                history: Vec::new(),
                broken: model.as_ref().err().cloned(),
                calibrated: Vec::new(),
            };
            let weights = kept.clone().map(Kept::Classical);
            Ended { file: TrainingFile { trained, scores: scores.clone() }, weights }
        };
        seeds.iter().map(ended).collect()
    }
}
