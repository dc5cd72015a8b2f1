//! How well a predictor does on recordings.

use std::collections::BTreeMap;

use triax_data::{Corpus, Fold, Folds, SplitPlan, Windows};
use triax_trainer::Metrics;

use crate::predictor::{PredictorOrigin, StudyOrigin};
use crate::recordings::{read_corpus, split_plan};
use crate::settings::{DataSource, FormatChoice, Settings, SplitSettings, declare::named};
use crate::text::{grouped, listed};
use crate::{Error, Notice, Predictor, study};

named! {
    /// A part of the windows.
    pub enum Part {
        /// The held-out windows
        Valid = "valid",
        /// The windows trained on
        Train = "train",
        /// Both
        All = "all",
    }
}

/// What to judge a predictor by. By default, what its origin knows: the validation part of a run's own data, the folds of a
/// study's own data.
#[derive(Clone, Debug, Default)]
pub struct EvaluateOptions {
    /// Recordings; those of the run or study where absent.
    pub data: Option<DataSource>,
    /// Their format; that of the run's data where absent.
    pub format: Option<FormatChoice>,
    /// Which windows; the validation part of the run's own data or of a split that is asked for, else all.
    pub part: Option<Part>,
    /// How to split the data; as in the run where absent, and the data is the same.
    pub split: Option<SplitSettings>,
    /// Samples from one window to the next; as in training where absent.
    pub step: Option<usize>,
    /// Seed of the split and of the synthetic set; that of the run where absent, or 0.
    pub seed: Option<u64>,
}

/// How a predictor did.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Name of the data.
    pub data: String,
    /// Whether a program made it.
    pub synthetic: bool,
    /// SHA-256 of its content.
    pub fingerprint: String,
    /// What to show for each class.
    pub class_names: Vec<String>,
    /// Which windows were judged, in words.
    pub judged: String,
    /// How many.
    pub n_windows: usize,
    /// The figures.
    pub metrics: Metrics,
    /// What a user should know before believing them.
    pub notices: Vec<Notice>,
}

/// Windows to judge a predictor by, and what they are.
struct Chosen {
    corpus: Corpus,
    parts: Vec<WindowsToJudge>,
    judged: String,
    notices: Vec<Notice>,
}

/// Windows, and which networks judge them.
struct WindowsToJudge {
    /// As the sensors gave them.
    windows: Windows,
    /// The fold of a study whose networks judge; all networks where absent.
    fold: Option<String>,
}

/// Judges `predictor` by the windows that `options` name.
///
/// # Errors
/// Recordings that cannot be read, split or recognised; scores that are not finite.
pub fn evaluate(predictor: &Predictor, options: &EvaluateOptions) -> Result<Evaluation, Error> {
    let loss = predictor.loss()?;
    let Chosen { corpus, parts, judged, mut notices } = choose(options, predictor)?;
    let (mut scores, mut labels) = (Vec::new(), Vec::new());
    for part in parts {
        let part_scores = match &part.fold {
            None => Some(predictor.scores(&part.windows.values)?),
            Some(fold) => predictor.scores_of_fold(fold, &part.windows.values)?,
        };
        match part_scores {
            Some(part_scores) => {
                scores.extend(part_scores);
                labels.extend(part.windows.labels.iter());
            }
            None => {
                let (fold, n_windows) = (part.fold.unwrap_or_default(), grouped(part.windows.len()));
                notices.push(Notice::Note(format!(
                    "all networks of fold {fold} broke down: its {n_windows} windows are left out."
                )));
            }
        }
    }
    let metrics = Metrics::from_scores(&scores, &labels, loss, predictor.classes())?;
    Ok(Evaluation {
        data: corpus.name,
        synthetic: corpus.synthetic,
        fingerprint: corpus.fingerprint,
        class_names: corpus.class_names,
        judged,
        n_windows: labels.len(),
        metrics,
        notices,
    })
}

/// The windows that the options ask for.
fn choose(options: &EvaluateOptions, predictor: &Predictor) -> Result<Chosen, Error> {
    let mut settings = match &predictor.origin {
        PredictorOrigin::Run(run) => run.settings.clone(),
        PredictorOrigin::Study(study) => study.description.first_settings()?,
        PredictorOrigin::File if options.data.is_some() => Settings::default(),
        PredictorOrigin::File => {
            return Err(Error::Usage("a weight file does not know its data: name it with --data".to_owned()));
        }
    };
    if let Some(data) = &options.data {
        settings.data.data = data.clone();
        settings.data.format = FormatChoice(None);
    }
    settings.data.format = options.format.unwrap_or(settings.data.format);
    settings.data.step = options.step.or(predictor.step).unwrap_or(settings.data.step);
    settings.training.seed = options.seed.unwrap_or(settings.training.seed);

    let corpus = read_corpus(&settings.data.data, settings.data.format, settings.training.seed)?;
    let mut notices = predictor.check(&corpus)?;
    let is_data_of = |fingerprint: &str| match settings.data.activities.as_slice() {
        [] => corpus.fingerprint == fingerprint,
        activities => {
            corpus.clone().select_activities(activities).is_ok_and(|chosen| chosen.fingerprint == fingerprint)
        }
    };
    let own = match &predictor.origin {
        PredictorOrigin::Study(study) if is_data_of(&study.summary.fingerprint) => {
            return fold_by_fold(options, study, corpus, notices);
        }
        PredictorOrigin::Run(run) => Some(run).filter(|run| is_data_of(&run.record.data.fingerprint)),
        PredictorOrigin::Study(_) | PredictorOrigin::File => None,
    };
    let (corpus, left_out) = with_classes(corpus, predictor.classes())?;
    if !left_out.is_empty() {
        let names: Vec<String> = left_out.keys().cloned().collect();
        let n_recordings: usize = left_out.values().sum();
        notices.push(Notice::Note(format!(
            "left out {} recordings of activities that the network does not know: {}.",
            grouped(n_recordings),
            listed(&names, 8)
        )));
    }

    let (window, step, seed) = (predictor.spec().window, settings.data.step, settings.training.seed);
    let part = options.part.unwrap_or(if own.is_some() || options.split.is_some() { Part::Valid } else { Part::All });
    if part == Part::All {
        let windows = triax_data::cut(&corpus, window, step)?;
        let judged = match own {
            Some(_) => "all of the run's data, what it was trained on included",
            None => "all of the data",
        };
        let all = WindowsToJudge { windows, fold: None };
        return Ok(Chosen { corpus, parts: vec![all], judged: judged.to_owned(), notices });
    }
    let plan = match (&options.split, own) {
        (Some(split), _) => split_plan(split, &corpus),
        (None, Some(run)) => run.record.split.plan.clone(),
        (None, None) => {
            let problem = "this is not the data of the run, so it has no parts: add --split, or use --part all";
            return Err(Error::Usage(problem.to_owned()));
        }
    };
    let split = triax_data::cut(&corpus, window, step)
        .and_then(|windows| triax_data::split(&corpus, &windows, window, &plan, seed).map(|split| (windows, split)));
    let (windows, split) =
        split.map_err(|error| Error::from(error).while_doing(format!("cannot split {}", corpus.name)))?;
    let (indices, subjects) = match part {
        Part::Train => (&split.train, &split.train_subjects),
        _ => (&split.valid, &split.valid_subjects),
    };
    let how = match plan {
        SplitPlan::Subject(_) => format!("subjects {}", listed(subjects, 6)),
        SplitPlan::Random { .. } => "picked at random".to_owned(),
        SplitPlan::Predefined => "as the data comes".to_owned(),
    };
    let is_own_split = own.is_some_and(|run| {
        run.record.split.plan == plan && run.settings.training.seed == seed && run.settings.data.step == step
    });
    let judged = match (part, is_own_split) {
        (Part::Train, true) => format!("the run's training part ({how})"),
        (Part::Train, false) => format!("the training part of a new split ({how})"),
        (_, true) => format!("the run's validation part ({how})"),
        (_, false) => format!("the validation part of a new split ({how})"),
    };
    if own.is_some() && !is_own_split {
        let problem = "this is not the split of the run: the network may have been trained on these windows.";
        notices.push(Notice::Warning(problem.to_owned()));
    }
    if part == Part::Valid && split.shared_windows > 0 {
        notices.push(Notice::Warning(format!(
            "{} of these windows share samples with the training part: the figures are too good.",
            grouped(split.shared_windows)
        )));
    }
    let part = WindowsToJudge { windows: windows.select(indices), fold: None };
    Ok(Chosen { corpus, parts: vec![part], judged, notices })
}

/// The data of a study, each fold's windows for the networks of that fold.
fn fold_by_fold(
    options: &EvaluateOptions,
    origin: &StudyOrigin,
    corpus: Corpus,
    mut notices: Vec<Notice>,
) -> Result<Chosen, Error> {
    if options.part.is_some() || options.split.is_some() || options.step.is_some() {
        let problem = "a study's own data is judged fold by fold: leave --part, --split and --step out";
        return Err(Error::Usage(problem.to_owned()));
    }
    let study = study::rebuild(&origin.description, &origin.path, corpus)?;
    let to_judge = |fold: &Fold| {
        let fold_name = Some(fold.name.clone());
        WindowsToJudge { windows: study.windows.select(&fold.valid), fold: fold_name }
    };
    let parts = study.folds.iter().map(to_judge).collect();
    let unseen = if origin.summary.is_about_strangers() {
        "which have not trained on its subject"
    } else {
        "which have not trained on it"
    };
    if let Folds::Random(_) = study.protocol {
        let folds = study.protocol.in_words();
        notices.push(Notice::Warning(format!("these folds are no test on unseen people: {folds}.")));
    }
    let judged = format!("the study's own data, each window by the networks of its fold as one, {unseen}");
    Ok(Chosen { parts, judged, corpus: study.corpus, notices })
}

/// Gives `corpus` the classes of a network, in its order, and leaves out the recordings of other activities; says how many
/// of each.
fn with_classes(mut corpus: Corpus, classes: &[String]) -> Result<(Corpus, BTreeMap<String, usize>), Error> {
    let mut left_out = BTreeMap::new();
    let position: Vec<Option<u32>> =
        corpus.classes.iter().map(|name| classes.iter().position(|class| class == name).map(|at| at as u32)).collect();
    corpus.recordings.retain_mut(|recording| {
        let old = recording.class as usize;
        match position[old] {
            Some(new) => recording.class = new,
            None => *left_out.entry(corpus.class_names[old].clone()).or_default() += 1,
        }
        position[old].is_some()
    });
    if corpus.recordings.is_empty() {
        return Err(Error::Input(format!(
            "{} has none of the network's activities: it has {}, the network knows {}",
            corpus.name,
            corpus.classes.join(", "),
            classes.join(", ")
        )));
    }
    let name_of = |class: &String| {
        let old = corpus.classes.iter().position(|name| name == class);
        old.map_or_else(|| class.clone(), |old| corpus.class_names[old].clone())
    };
    corpus.class_names = classes.iter().map(name_of).collect();
    corpus.classes = classes.to_vec();
    Ok((corpus, left_out))
}
