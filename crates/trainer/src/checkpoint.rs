//! The checkpoint: everything that a run is resumed from, in one file.
//!
//! It is a safetensors file. Its tensors are `weights/NAME`, `moments/MOMENT/NAME`, `best/NAME` once an epoch is complete,
//! and `average/NAME` once the average of the last epochs has begun; NAME is that of the parameter. Its metadata is `format`
//! and `version`, `identity` (the job), `progress`, and `updates` (the count of the optimizer). Random numbers need no state:
//! they are functions of the seed in the plan and of the epoch and step in `progress`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, View};
use serde::de::DeserializeOwned;
use triax_engine::{Optimizer, SessionState};
use triax_model::{Network, Tensor, Weights, whole_file};

use crate::error::FolderError;
use crate::fit_plan::FitPlan;
use crate::identity::Identity;
use crate::job::Model;
use crate::progress::Progress;

const FORMAT: &str = "triax-checkpoint";
const VERSION: &str = "2";
/// Longest header that safetensors allows, with its length.
const MOST_HEADER: u64 = 100_000_008;

/// The state of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checkpoint {
    /// The job it belongs to.
    pub(crate) identity: Identity,
    /// The progress of the run.
    pub(crate) progress: Progress,
    /// Weights, moments and updates.
    pub(crate) state: SessionState,
    /// Weights of the best epoch.
    pub(crate) best: Option<Weights>,
    /// Mean of the weights so far, if the run ends with an average.
    pub(crate) average: Option<Weights>,
}

impl Checkpoint {
    /// Writes the file at `path`, as [`whole_file::write`] does.
    pub(crate) fn write(&self, path: &Path, optimizer: &Optimizer) -> Result<(), FolderError> {
        let mut groups = vec![("weights".to_owned(), &self.state.weights)];
        groups.extend(optimizer.moment_names().iter().map(|name| format!("moments/{name}")).zip(&self.state.moments));
        groups.extend(self.best.as_ref().map(|best| ("best".to_owned(), best)));
        groups.extend(self.average.as_ref().map(|average| ("average".to_owned(), average)));
        let tensors = groups.iter().flat_map(|(group, weights)| {
            weights.tensors.iter().map(move |tensor| (format!("{group}/{}", tensor.name), Values(tensor)))
        });
        let json = |result: serde_json::Result<String>| result.expect("counts and bits are valid JSON");
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("version".to_owned(), VERSION.to_owned()),
            ("identity".to_owned(), json(serde_json::to_string(&self.identity))),
            ("progress".to_owned(), json(serde_json::to_string(&self.progress))),
            ("updates".to_owned(), self.state.updates.to_string()),
        ]);
        safetensors::serialize(tensors, Some(metadata))
            .map_err(io::Error::other)
            .and_then(|bytes| whole_file::write(path, &bytes))
            .map_err(|source| FolderError::Io { action: "write", path: path.to_owned(), source })
    }

    /// Reads a file that [`Checkpoint::write`] has written.
    ///
    /// The shapes must be those of `network`, and the moments and the average those of `plan`. The caller compares the job
    /// before, with [`Checkpoint::read_identity`].
    pub(crate) fn read(path: &Path, network: &Network, plan: &FitPlan) -> Result<Self, FolderError> {
        let bytes = read_bytes(path, network, plan)?;
        let file = File::parse(path, &bytes)?;
        let weights = |group: &str| -> Result<Weights, FolderError> {
            let tensors = network.parameters().iter().map(|parameter| {
                let name = format!("{group}/{}", parameter.name);
                let view = file.tensors.tensor(&name).map_err(|reason| file.damaged(reason))?;
                if view.dtype() != Dtype::F32 || view.shape() != parameter.shape {
                    return Err(file.damaged(format!("tensor `{name}` is not of the network")));
                }
                let values = view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
                Ok(Tensor { name: parameter.name.clone(), shape: parameter.shape.clone(), values })
            });
            Ok(Weights { tensors: tensors.collect::<Result<_, _>>()? })
        };
        let progress: Progress = file.metadata("progress")?;
        let best_is_known = match progress.best {
            Some(best) => (1..=progress.epochs).contains(&best.epoch),
            None => progress.epochs == 0,
        };
        if !best_is_known {
            return Err(file.damaged("the best epoch is none of those trained"));
        }
        let moments = plan.training.optimizer.moment_names().iter().map(|name| weights(&format!("moments/{name}")));
        Ok(Self {
            identity: file.metadata("identity")?,
            state: SessionState {
                weights: weights("weights")?,
                moments: moments.collect::<Result<_, _>>()?,
                updates: file.metadata("updates")?,
            },
            best: progress.best.map(|_| weights("best")).transpose()?,
            average: (plan.n_averaged(progress.epochs) > 0).then(|| weights("average")).transpose()?,
            progress,
        })
    }

    /// Reads the identity of the job alone. A file that is too long for `network` and `plan` is refused.
    pub(crate) fn read_identity(path: &Path, network: &Network, plan: &FitPlan) -> Result<Identity, FolderError> {
        File::parse(path, &read_bytes(path, network, plan)?)?.metadata("identity")
    }

    /// Checks that the training of `model` can be in this state.
    ///
    /// # Errors
    /// The first number that cannot be, as a sentence.
    pub(crate) fn check(&self, model: &Model<'_>) -> Result<(), String> {
        self.progress.check(model.plan, model.train.len())?;
        let n_steps = (self.progress.epochs * model.steps_per_epoch() + self.progress.steps) as u64;
        match self.state.updates {
            updates if updates == n_steps => Ok(()),
            updates => Err(format!("{updates} updates cannot be after {n_steps} steps")),
        }
    }
}

/// The bytes of a file that is no longer than a checkpoint can be: weights, moments, best weights and average.
fn read_bytes(path: &Path, network: &Network, plan: &FitPlan) -> Result<Vec<u8>, FolderError> {
    let n_values = network.n_parameters() * (plan.training.optimizer.moment_names().len() + 3);
    whole_file::read(path, 4 * n_values as u64 + MOST_HEADER).map_err(|source| FolderError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })
}

/// A parsed checkpoint file.
struct File<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl<'a> File<'a> {
    fn parse(path: &'a Path, bytes: &'a [u8]) -> Result<Self, FolderError> {
        let parsed =
            SafeTensors::read_metadata(bytes).and_then(|header| Ok((header, SafeTensors::deserialize(bytes)?)));
        let damaged = |reason: String| FolderError::Damaged { path: path.to_owned(), reason };
        let ((_, header), tensors) = parsed.map_err(|reason| damaged(format!("no whole checkpoint: {reason}")))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let has = |key: &str, value: &str| metadata.get(key).is_some_and(|found| found == value);
        if !has("format", FORMAT) {
            return Err(damaged("no checkpoint of Triax".into()));
        }
        if !has("version", VERSION) {
            return Err(damaged(format!("a checkpoint of another version of Triax, this one reads version {VERSION}")));
        }
        Ok(Self { path, tensors, metadata })
    }

    fn metadata<T: DeserializeOwned>(&self, key: &str) -> Result<T, FolderError> {
        let text = self.metadata.get(key).ok_or_else(|| self.damaged(format!("metadata `{key}` is missing")))?;
        serde_json::from_str(text).map_err(|reason| self.damaged(format!("metadata `{key}`: {reason}")))
    }

    fn damaged(&self, reason: impl ToString) -> FolderError {
        FolderError::Damaged { path: self.path.to_owned(), reason: reason.to_string() }
    }
}

/// A tensor's values as safetensors wants them.
struct Values<'a>(&'a Tensor);

impl View for Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.0.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        self.0.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
    }
    fn data_len(&self) -> usize {
        size_of_val(self.0.values.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use triax_engine::{Augmentation, StepResult, TrainingPlan};
    use triax_losses::Loss;
    use triax_model::{ConvSpec, DenseSpec, NetworkSpec};

    use super::*;
    use crate::identity::tests::identity;
    use crate::sampling::Sampling;
    use crate::schedule::Schedule;

    fn network() -> Network {
        let convs = vec![ConvSpec::plain(2, 3, 1, None)];
        let spec = NetworkSpec {
            window: 8,
            channels: 2,
            convs,
            global_pool: None,
            dropout: 0.0,
            hidden: DenseSpec::relu([3]),
            classes: 3,
        };
        Network::new(spec).unwrap()
    }

    fn plan() -> FitPlan {
        FitPlan {
            training: TrainingPlan {
                loss: Loss::Hinge,
                optimizer: Optimizer::adam(),
                batch_size: 4,
                clip_norm: Some(0.1),
                class_weights: None,
                label_smoothing: 0.0,
                augmentation: Augmentation::default(),
                seed: u64::MAX,
            },
            epochs: 3,
            shuffle: true,
            learning_rate: 0.1,
            schedule: Schedule::PLATEAU,
            early_stopping: None,
            sampling: Sampling::Shuffle,
            average_last: Some(2),
            log_steps: true,
        }
    }

    fn checkpoint(n_epochs: usize) -> Checkpoint {
        let (network, plan) = (network(), plan());
        let mut weights = Weights::glorot_uniform(&network, 1);
        // Values that a detour through decimals or through arithmetic could lose.
        let odd = [-0.0, f32::MIN_POSITIVE / 3.0, f32::MAX, 1.0 + f32::EPSILON];
        weights.tensors[0].values[..4].copy_from_slice(&odd);
        let mut progress = Progress::new(&plan);
        for epoch in 0..n_epochs {
            progress.sums.add(&[StepResult { loss: 1.0 / 3.0, correct: 1, gradient_norm: 1.0 }], 0, 4, 3);
            progress.end_epoch(&plan, 1.0 / (epoch as f64 + 3.0));
        }
        progress.history_bytes = 17;
        Checkpoint {
            identity: identity(&["a", "b \"quoted\"", "ç"]),
            best: progress.best.map(|_| Weights::glorot_uniform(&network, 4)),
            average: (n_epochs > 1).then(|| Weights::glorot_uniform(&network, 5)),
            progress,
            state: SessionState {
                moments: [2, 3].map(|seed| Weights::glorot_uniform(&network, seed)).into(),
                weights,
                updates: u64::MAX,
            },
        }
    }

    fn bits(weights: &Weights) -> Vec<u32> {
        weights.tensors.iter().flat_map(|tensor| tensor.values.iter().map(|value| value.to_bits())).collect()
    }

    #[test]
    fn a_checkpoint_comes_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        for n_epochs in [0, 1, 2] {
            let written = checkpoint(n_epochs);
            written.write(&path, &Optimizer::adam()).unwrap();
            let read = Checkpoint::read(&path, &network(), &plan()).unwrap();
            assert_eq!(read, written);
            assert_eq!(bits(&read.state.weights), bits(&written.state.weights));
            assert_eq!(Checkpoint::read_identity(&path, &network(), &plan()).unwrap(), written.identity);
        }
    }

    #[test]
    fn a_torn_checkpoint_is_refused_wherever_it_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        checkpoint(1).write(&path, &Optimizer::adam()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(97).chain([1, 7, 8, 9, whole.len() - 1]) {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = Checkpoint::read(&path, &network(), &plan()).unwrap_err().to_string();
            assert!(error.contains("checkpoint.safetensors: "), "{error}");
        }
    }

    #[test]
    fn files_of_another_kind_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let read = || Checkpoint::read(&path, &network(), &plan()).unwrap_err().to_string();
        assert!(read().contains("cannot read"), "{}", read());
        std::fs::write(&path, b"\x7fELF and so on and so forth").unwrap();
        assert!(read().contains("no whole checkpoint"), "{}", read());
        let other = safetensors::serialize(std::iter::empty::<(&str, Values<'_>)>(), None).unwrap();
        std::fs::write(&path, other).unwrap();
        assert!(read().contains("no checkpoint of Triax"), "{}", read());
        let mut inconsistent = checkpoint(2);
        inconsistent.progress.epochs = 1;
        inconsistent.write(&path, &Optimizer::adam()).unwrap();
        assert!(read().contains("the best epoch is none"), "{}", read());
        checkpoint(0).write(&path, &Optimizer::sgd()).unwrap(); // which leaves the moments out
        assert!(read().contains("moments/m/conv1.kernel"), "{}", read());
    }
}
