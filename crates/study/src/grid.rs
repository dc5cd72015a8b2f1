//! The trainings of a study: settings × folds × seeds, each with a number.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use triax_answers::Answers;
use triax_data::{Audit, Corpus, Fold, Folds, ScalerInUse, UntrainedClass, Windows, fit_scaler};
use triax_engine::WindowSet;
use triax_losses::{Loss, balanced_class_weights};
use triax_model::{InitialWeights, Network, Preparation, Scaler};
use triax_trainer::FitPlan;

use crate::answers::TrainedOn;
use crate::baselines::ClassicalPlan;
use crate::calibration::CalibrationLength;

/// The most classes that a command line is spelled out with.
const MOST_ACTIVITIES: usize = 12;

/// One point of the grid.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The settings that vary with their values, as `loss=hinge, dropout=0.3`; a fixed name if none varies.
    pub name: String,
    /// The settings that vary, each with its value here.
    pub values: BTreeMap<String, String>,
    /// The network.
    pub network: Network,
    /// The plan of each training, without its seed and its balanced class weights.
    pub plan: FitPlan,
    /// The classical model that is trained in place of the network, if there is one. Network and plan then have no effect.
    pub classical: Option<ClassicalPlan>,
    /// Whether class weights balance the classes of each fold's training part.
    pub balances_classes: bool,
    /// Whether channels are standardised, by each fold's training part.
    pub standardises: bool,
    /// What becomes of each window by itself.
    pub preparation: Preparation,
    /// The windows as this setting prepares them; see [`window_set()`](crate::window_set()).
    pub windows: WindowSet,
    /// What its trainings start from, if that is not drawn from their seeds alone.
    pub initial: Option<InitialWeights>,
    /// Further metadata of its weight files.
    pub extra: BTreeMap<String, String>,
}

/// Everything that decides the results of a study.
#[derive(Clone, Debug)]
pub struct Study {
    /// The recordings.
    pub corpus: Arc<Corpus>,
    /// All windows of the corpus, as the sensors measured them.
    pub windows: Windows,
    /// Samples of a window.
    pub window: usize,
    /// Samples from one window to the next.
    pub step: usize,
    /// How windows are held out.
    pub protocol: Folds,
    /// The folds of that protocol.
    pub folds: Vec<Fold>,
    /// The settings to compare.
    pub settings: Vec<Setting>,
    /// The seeds of each setting and fold.
    pub seeds: Vec<u64>,
    /// How much of each held-out person calibrates each network; mostly none.
    pub calibrations: Vec<CalibrationLength>,
}

/// One training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Training {
    /// Its number, from 0.
    pub number: usize,
    /// Index of its setting.
    pub setting: usize,
    /// Index of its fold.
    pub fold: usize,
    /// Its seed.
    pub seed: u64,
}

/// A share of a study, for one of several machines: every `n_shares`-th training. In JSON it is the text `I/N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Share {
    /// The number of this share, from 1.
    pub part: usize,
    /// Number of shares.
    pub n_shares: usize,
}

impl Setting {
    /// What the scores of its models are: those of this loss.
    pub fn loss(&self) -> Loss {
        self.classical.map_or(self.plan.training.loss, |plan| plan.method.loss())
    }

    /// The epochs of each training; none of a classical model.
    pub fn epochs(&self) -> usize {
        if self.classical.is_some() { 0 } else { self.plan.epochs }
    }
}

impl Study {
    /// The most trainings of a study. The names of their files have as many digits.
    pub const MOST_TRAININGS: usize = 100_000;

    /// The number of trainings.
    pub fn n_trainings(&self) -> usize {
        self.settings.len() * self.folds.len() * self.seeds.len()
    }

    /// The training of this number.
    pub fn training(&self, number: usize) -> Training {
        let (n_folds, n_seeds) = (self.folds.len(), self.seeds.len());
        Training {
            number,
            setting: number / (n_folds * n_seeds),
            fold: number / n_seeds % n_folds,
            seed: self.seeds[number % n_seeds],
        }
    }

    /// Names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.corpus.classes
    }

    /// Number of the sensors' channels.
    pub fn channels(&self) -> usize {
        self.corpus.channels.len()
    }

    /// Subject of a window.
    pub fn subject(&self, window_idx: u32) -> &str {
        self.corpus.subject_of(self.windows.origins[window_idx as usize])
    }

    /// What the windows at `train` say about the answers of networks that `setting` trains on them.
    pub fn trained_on(&self, setting: &Setting, train: &[u32]) -> Answers {
        let balanced =
            setting.balances_classes.then(|| balanced_class_weights(&self.labels(train), self.classes().len()));
        let given = setting.plan.training.class_weights.as_deref();
        let weights = balanced.as_deref().or(given).filter(|_| setting.classical.is_none());
        let on = TrainedOn {
            corpus: &self.corpus,
            origins: &self.windows.origins,
            window: self.window,
            step: self.step,
            train,
            class_weights: weights,
        };
        on.answers()
    }

    /// Labels of the windows at `indices`.
    pub fn labels(&self, indices: &[u32]) -> Vec<u32> {
        self.windows.labels_at(indices)
    }

    /// The classes that a fold cannot judge because only subjects do them whom it holds out, as a sentence each.
    pub fn untrained_in_words(&self) -> Vec<String> {
        let words = |one: &UntrainedClass| {
            let (who, class) = (and(&one.subjects), &self.corpus.class_names[one.class]);
            let (does, them) = if one.subjects.len() == 1 { ("does", who.as_str()) } else { ("do", "them") };
            let windows = if one.n_windows == 1 { "window is" } else { "windows are" };
            let others = self.classes().iter().enumerate().filter(|&(class, _)| class != one.class);
            let others: Vec<&str> = others.map(|(_, name)| name.as_str()).collect();
            let others = if others.len() > MOST_ACTIVITIES { String::new() } else { format!(" {}", others.join(",")) };
            format!(
                "Nobody but {who} {does} {class}: the networks judged on {them} have never seen it, and its {} {windows} not \
                 judged. Leave it out with --activities{others}.",
                one.n_windows
            )
        };
        self.folds.iter().flat_map(|fold| &fold.untrained).map(words).collect()
    }

    /// The scaler of a setting in a fold, from the fold's training windows alone.
    pub fn scaler(&self, setting: &Setting, fold: &Fold) -> Option<Scaler> {
        let values = &setting.windows.windows;
        let channels = setting.network.spec().channels;
        setting.standardises.then(|| fit_scaler(values, &fold.train, self.window, channels))
    }

    /// The scalers of its trainings: for each fold, one for each way in which settings normalise the windows.
    pub fn scalers(&self) -> Vec<(Training, Scaler)> {
        let mut scalers = Vec::new();
        for (idx, setting) in self.settings.iter().enumerate() {
            let is_same =
                |other: &Setting| other.standardises && Arc::ptr_eq(&other.windows.windows, &setting.windows.windows);
            if self.settings[..idx].iter().any(is_same) {
                continue;
            }
            let first = idx * self.folds.len() * self.seeds.len();
            let numbers = (0..self.folds.len()).map(|fold| first + fold * self.seeds.len());
            let trainings = numbers.map(|number| self.training(number));
            scalers.extend(trainings.filter_map(|training| {
                self.scaler(setting, &self.folds[training.fold]).map(|scaler| (training, scaler))
            }));
        }
        scalers
    }

    /// Audits the folds, and the `scalers` of trainings.
    pub fn audit(&self, scalers: &[(Training, Scaler)]) -> Audit {
        let folds: Vec<(&[u32], &[u32])> = self.folds.iter().map(|fold| (&*fold.train, &*fold.valid)).collect();
        let used = scalers.iter().map(|(training, scaler)| {
            let (train, valid) = folds[training.fold];
            let setting = &self.settings[training.setting];
            let (values, channels) = (&setting.windows.windows, setting.network.spec().channels);
            ScalerInUse { scaler, values, channels, train, valid }
        });
        Audit::new(&self.corpus, &self.windows.origins, self.window, &folds)
            .with_scalers(self.window, &used.collect::<Vec<_>>())
    }

    /// The plan of one training.
    pub fn plan(&self, training: Training) -> FitPlan {
        let setting = &self.settings[training.setting];
        let mut plan = setting.plan.clone();
        plan.training.seed = training.seed;
        if setting.balances_classes {
            let labels = self.labels(&self.folds[training.fold].train);
            plan.training.class_weights = Some(balanced_class_weights(&labels, self.classes().len()));
        }
        plan
    }
}

/// `a`, `a and b`, `a, b and c`.
fn and(names: &[String]) -> String {
    match names {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        names => names.concat(),
    }
}

impl Share {
    /// The whole study.
    pub const WHOLE: Self = Self { part: 1, n_shares: 1 };

    /// Whether the training of this number belongs to this share.
    pub fn has(self, number: usize) -> bool {
        number % self.n_shares == self.part - 1
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.n_shares)
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(part, n_shares)| Some((part.parse().ok()?, n_shares.parse().ok()?)));
        match numbers {
            Some((part, n_shares)) if (1..=n_shares).contains(&part) => Ok(Self { part, n_shares }),
            _ => Err("write I/N, with I from 1 to N, such as 1/3".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_cover_everything_once() {
        for bad in ["", "0/3", "4/3", "1", "a/b", "1/0"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
        let shares: Vec<Share> = (1..=3).map(|part| format!("{part}/3").parse().unwrap()).collect();
        for number in 0..20 {
            assert_eq!(shares.iter().filter(|share| share.has(number)).count(), 1);
            assert!(Share::WHOLE.has(number));
        }
    }
}
