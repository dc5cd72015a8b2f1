//! Ensembles: models of one or several kinds that predict together, in a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use triax_data::Notice;
use triax_model::whole_file;
use triax_trainer::RunFolder;

use crate::predictor::{Predictor, PredictorOptions, PredictorOrigin};
use crate::run::Run;
use crate::{Error, WhichWeights};

/// Name of the file.
const FILE: &str = "ensemble.json";
/// Folder of the weight files of the members, in that of the ensemble.
const MEMBERS: &str = "members";
/// The most members.
const MOST_MEMBERS: usize = 1000;

/// The contents of `ensemble.json`: models whose probabilities are averaged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// The models; two at least.
    pub members: Vec<EnsembleMember>,
}

/// A model of an ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnsembleMember {
    /// Its weight file, relative to the folder of the ensemble.
    pub weights: PathBuf,
    /// How much its probabilities count. Weights need not add up to 1.
    pub weight: f64,
    /// What its scores are divided by before their softmax.
    #[serde(default = "one")]
    pub temperature: f64,
}

/// A run or a weight file that an ensemble is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberSource {
    /// The run or the weight file.
    pub path: PathBuf,
    /// As [`EnsembleMember::weight`].
    pub weight: f64,
    /// As [`EnsembleMember::temperature`]; none takes that which the model was written with.
    pub temperature: Option<f64>,
}

/// A model that an ensemble is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMember {
    /// The bytes of its weight file.
    pub file: Vec<u8>,
    /// As [`EnsembleMember::weight`].
    pub weight: f64,
    /// As [`EnsembleMember::temperature`]. That of margins should be fitted to windows that the model was not trained on.
    pub temperature: f64,
}

fn one() -> f64 {
    1.0
}

impl Ensemble {
    /// Whether the folder `path` holds an ensemble.
    pub fn is_in(path: &Path) -> bool {
        path.join(FILE).exists()
    }

    /// Reads the ensemble in the folder `path`.
    ///
    /// # Errors
    /// A file that cannot be read, or does not describe an ensemble.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = path.join(FILE);
        let wrong = |problem: String| Error::Input(format!("{}: {problem}", file.display()));
        let bytes =
            whole_file::read(&file, whole_file::MOST_SETTINGS).map_err(|source| Error::io("read", &file, source))?;
        let ensemble: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        check(ensemble.members.iter().map(|member| (member.weight, member.temperature))).map_err(wrong)?;
        match ensemble.members.iter().find(|member| member.weights.is_absolute()) {
            Some(member) => Err(wrong(format!("{} is no path relative to its folder", member.weights.display()))),
            None => Ok(ensemble),
        }
    }

    /// Makes an ensemble of the models of the runs or weight files `parts` in the new folder `out`: copies of their weight files, and `ensemble.json`. Where all of them are runs on the same data with the same split, the
    /// folder gets the `config.json` of the first of them, which says what they were validated with.
    ///
    /// # Errors
    /// Fewer than two members; weights that are negative or 0 in sum; members that cannot be read, are no single models, or do
    /// not suit each other; a folder that is not empty.
    pub fn make(parts: &[MemberSource], out: &Path) -> Result<Vec<Notice>, Error> {
        check(parts.iter().map(|part| (part.weight, part.temperature.unwrap_or_else(one)))).map_err(Error::Usage)?;
        let mut opened = Vec::new();
        for MemberSource { path, .. } in parts {
            let options = PredictorOptions { weights: WhichWeights::Last, ..PredictorOptions::default() };
            let predictor = Predictor::open_with(path, &options)?;
            if matches!(predictor.origin, PredictorOrigin::Study(_)) || predictor.members().len() > 1 {
                let problem = "has several models: name runs or weight files of one model each";
                return Err(Error::Usage(format!("{} {problem}", path.display())));
            }
            opened.push(predictor);
        }
        for (part, other) in parts.iter().zip(&opened).skip(1) {
            if let Some(difference) = opened[0].members()[0].difference(&other.members()[0], false) {
                let [first, path] = [&parts[0], part].map(|part| part.path.display());
                return Err(Error::Input(format!("{first} and {path} do not suit each other: {difference}")));
            }
        }
        let mut notices = Vec::new();
        match common_run(&opened) {
            Some(run) => drop(RunFolder::create(out, &run.folder.config()?)?),
            None => {
                make_empty(out)?;
                let problem =
                    "its models are not all runs on the same data with the same split: `triax evaluate` takes --data.";
                notices.push(Notice::Note(problem.to_owned()));
            }
        }
        let member = |(predictor, part): (&Predictor, &MemberSource)| {
            let temperature = match part.temperature {
                Some(temperature) => temperature,
                None => predictor.answers()?.map_or_else(one, |answers| answers.temperature.value()),
            };
            Ok(NewMember { file: predictor.members()[0].to_bytes(), weight: part.weight, temperature })
        };
        let members: Vec<NewMember> = opened.iter().zip(parts).map(member).collect::<Result<_, Error>>()?;
        Self::write(&members, out)?;
        Ok(notices)
    }

    /// Writes an ensemble of `members` into the folder `out`, which is there. Whether they suit each other is seen when it is
    /// opened.
    ///
    /// # Errors
    /// Weights as for [`Ensemble::make`], a temperature that is not above 0; an error of the system.
    pub fn write(members: &[NewMember], out: &Path) -> Result<(), Error> {
        check(members.iter().map(|member| (member.weight, member.temperature))).map_err(Error::Usage)?;
        let folder = out.join(MEMBERS);
        fs::create_dir_all(&folder).map_err(|source| Error::io("create", &folder, source))?;
        let mut ensemble = Self { members: Vec::new() };
        for (n, &NewMember { ref file, weight, temperature }) in members.iter().enumerate() {
            let name = Path::new(MEMBERS).join(format!("{}.safetensors", n + 1));
            let path = out.join(&name);
            whole_file::write(&path, file).map_err(|source| Error::io("write", &path, source))?;
            ensemble.members.push(EnsembleMember { weights: name, weight, temperature });
        }
        let path = out.join(FILE);
        whole_file::write_json(&path, &ensemble).map_err(|source| Error::io("write", &path, source))
    }
}

/// Makes the folder `path`, which must not hold anything.
fn make_empty(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::io("create", path, source);
    fs::create_dir_all(path).map_err(failed)?;
    match fs::read_dir(path).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(Error::Usage(format!("{} is not empty: name a new folder", path.display()))),
    }
}

/// Rejects weights that no mean can have, and temperatures that are none.
fn check(members: impl Iterator<Item = (f64, f64)>) -> Result<(), String> {
    let (weights, temperatures): (Vec<f64>, Vec<f64>) = members.unzip();
    if weights.len() < 2 {
        return Err(format!("an ensemble has two models at least, and this one has {}", weights.len()));
    }
    if weights.len() > MOST_MEMBERS {
        return Err(format!("an ensemble has at most {MOST_MEMBERS} models, and this one has {}", weights.len()));
    }
    if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
        return Err(format!("a weight is {weight}; it must be a number of at least 0"));
    }
    if let Some(temperature) = temperatures.iter().find(|one| !(**one > 0.0 && (**one as f32).is_normal())) {
        return Err(format!("a temperature is {temperature}; it must be a number above 0"));
    }
    match weights.iter().sum::<f64>() {
        0.0 => Err("all weights are 0".to_owned()),
        sum if sum.is_finite() => Ok(()),
        _ => Err("the weights are too large to be added up".to_owned()),
    }
}

/// The first of the runs, if all models are of runs on the same data with the same split.
fn common_run(opened: &[Predictor]) -> Option<&Run> {
    let runs: Option<Vec<&Run>> = opened
        .iter()
        .map(|predictor| match &predictor.origin {
            PredictorOrigin::Run(run) => Some(&**run),
            PredictorOrigin::Study(_) | PredictorOrigin::File => None,
        })
        .collect();
    let runs = runs?;
    let data = |run: &Run| {
        let (data, split) = (&run.record.data, &run.record.split);
        let subjects = (split.train_subjects.clone(), split.valid_subjects.clone());
        (data.fingerprint.clone(), split.plan.clone(), split.step, subjects, run.settings.training.seed)
    };
    runs.iter().all(|run| data(run) == data(runs[0])).then_some(runs[0])
}
