//! What the files of a run say that its training does not know: where its data comes from, and what its answers are worth.

use std::collections::BTreeMap;

use triax_answers::{Answers, TrainedFeatures};
use triax_engine::{Engine, EngineError, NotFinite};
use triax_losses::Loss;
use triax_model::Weights;
use triax_study::{HeldOutScores, TrainedNetwork, TrainedOn, independent_groups};
use triax_trainer::{Contents, CrossFit, Judged};

use crate::recordings::{TrainingData, data_extra, weight_file_extra};
use crate::settings::Length;

/// The contents of a run's files.
pub struct RunContents<'a> {
    metadata: BTreeMap<String, String>,
    /// What the training part says about the answers.
    trained: Answers,
    /// Label of each validation window, and its group.
    labels: Vec<u32>,
    groups: Vec<u32>,
    judged: CrossFit,
    /// The network that is trained, if it is one, and on what.
    network: Option<(TrainedNetwork<'a>, &'a dyn Engine)>,
}

impl<'a> RunContents<'a> {
    /// Those of a run on `data` with `loss`, and with these weights of the classes in it; `step` is the setting.
    pub fn new(data: &TrainingData, step: Length, loss: Loss, class_weights: Option<&[f32]>) -> Self {
        let of_data = data_extra(&data.corpus, data.window, (step, data.step));
        let trained = TrainedOn {
            corpus: &data.corpus,
            origins: &data.origins,
            window: data.window,
            step: data.step,
            train: &data.split.train,
            class_weights,
        };
        let labels = data.valid_labels();
        let origins: Vec<_> = data.split.valid.iter().map(|&idx| data.origins[idx as usize]).collect();
        let (groups, judged) = independent_groups(&data.corpus, &origins, &labels);
        Self {
            metadata: weight_file_extra(&of_data, &data.preparation, loss),
            trained: trained.answers(),
            labels,
            groups,
            judged,
            network: None,
        }
    }

    /// These, with what the network says of the windows that it is trained on.
    pub fn of_network(self, network: TrainedNetwork<'a>, engine: &'a dyn Engine) -> Self {
        Self { network: Some((network, engine)), ..self }
    }
}

impl Contents for RunContents<'_> {
    fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    fn judged(&self, scores: &[f32]) -> Judged {
        let Self { trained, labels, groups, judged, .. } = self;
        judged_by(&HeldOutScores { scores, labels, groups, judged: *judged }, trained)
    }

    fn learnt(&self, weights: &Weights) -> Result<BTreeMap<String, String>, EngineError> {
        let features = match self.network {
            Some((network, engine)) => network.features(engine, weights)?,
            None => None,
        };
        let entry = features.and_then(|features| features.to_json().ok());
        Ok(entry.map(|text| (TrainedFeatures::KEY.to_owned(), text)).into_iter().collect())
    }
}

/// What a weight file says about the answers of its network, by those of its training part and the scores of windows held out of
/// it; nothing if one of these is not finite.
pub fn judged_by(held_out: &HeldOutScores<'_>, trained: &Answers) -> Judged {
    if NotFinite::find(held_out.scores, trained.priors.len()).is_some() {
        return Judged::default();
    }
    let (answers, temperature_scaling) = held_out.fit(trained);
    let entry = answers.to_json().ok().map(|text| (triax_answers::KEY.to_owned(), text));
    Judged { metadata: entry.into_iter().collect(), temperature_scaling }
}
