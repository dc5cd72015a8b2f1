//! A trained network made to know one person, from a few seconds of recordings.
//!
//! The result is a weight file, not a run folder: like an imported network, it has no split and no history of its own, and
//! every command that takes a run takes it.

use std::time::{Duration, Instant};

use serde_json::json;
use triax_answers::{LastLayer, STRENGTH, TrainedFeatures, aligned, dense_step, features};
use triax_data::{Corpus, Windows};
use triax_losses::predicted_classes;
use triax_model::WeightFile;

use crate::evaluate::with_classes;
use crate::predictor::{NetworkMember, PredictorOrigin};
use crate::settings::{DataSettings, DataSource, Entries, FormatChoice, Length};
use crate::text::listed;
use crate::{Error, Notice, Predictor};

/// Key in the metadata of a weight file: what it was calibrated from, and with, as JSON.
const CALIBRATED: &str = "calibrated";
/// Key in it: the fingerprint of the recordings that the network was trained on.
const TRAINED_ON: &str = "trained_on";

/// How to calibrate a network.
#[derive(Clone, Debug)]
pub struct CalibrateOptions {
    /// Recordings of the person.
    pub data: DataSource,
    /// Format of the recordings. By default, it is found out.
    pub format: Option<FormatChoice>,
    /// Settings that say what tables mean, instead of those of the run: of [`DataSettings::OF_TABLES`].
    pub tables: Entries,
    /// How strongly the last layer is pulled to the run's own, above 0. By default [`STRENGTH`].
    pub strength: Option<f64>,
    /// From one window to the next in the recordings. By default, a twentieth of a window.
    pub step: Option<Length>,
    /// Whether the activities are unknown: then the scaler is moved towards the person's channels, and the last layer stays.
    pub unlabelled: bool,
}

impl CalibrateOptions {
    /// Calibration with the labelled recordings in `data`, and defaults.
    pub fn new(data: DataSource) -> Self {
        Self { data, format: None, tables: Entries::new(), strength: None, step: None, unlabelled: false }
    }
}

/// A calibrated network.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The network as a weight file.
    pub file: WeightFile,
    /// Name of the recordings.
    pub data: String,
    /// Their windows.
    pub n_windows: usize,
    /// Each class of the network, in its order; none if the activities are unknown.
    pub classes: Vec<CalibratedClass>,
    /// The time that it took, recordings in memory: the features of the windows and the last layer.
    pub took: Duration,
    /// The part of it that the last layer took.
    pub fitting: Duration,
    /// Notices that the user should read.
    pub notices: Vec<Notice>,
}

/// What a class was calibrated with.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibratedClass {
    /// Its name, as shown.
    pub name: String,
    /// Seconds of its recordings, or samples where their rate is unknown.
    pub recorded: f64,
    /// Windows of its recordings; 0 for a class that stays as it was.
    pub n_windows: usize,
    /// Those of them that the network had right before. It is a test on unseen windows, of the network as it was.
    pub right_before: usize,
    /// Those that it has right now. It is no test: these are the windows that it was calibrated with.
    pub right_after: usize,
}

/// Calibrates the network of `predictor` with the recordings of a person.
///
/// With labels, the last layer is refitted in closed form ([`LastLayer::refitted`]) to windows that overlap; classes of which
/// nothing was recorded stay. Without labels, the scaler is moved towards the person's channels ([`aligned`]).
///
/// # Errors
/// Several networks; recordings that cannot be read, do not suit the network, are shorter than a window, or have fewer than two
/// of its activities; without labels, a network without a scaler.
pub fn calibrate(predictor: &Predictor, options: &CalibrateOptions) -> Result<Calibration, Error> {
    let [member] = predictor.members() else {
        return Err(Error::Usage(format!(
            "one network is calibrated, and this study has {}: name one of the files in its folder weights/",
            predictor.members().len()
        )));
    };
    let Some(member) = member.network() else {
        return Err(Error::Usage(format!(
            "a network is calibrated, by its last layer, and this is a model of {}: train a network",
            member.kind()
        )));
    };
    if options.unlabelled && options.strength.is_some() {
        return Err(Error::Usage(
            "--strength belongs to recordings with activities: leave out --unlabelled".to_owned(),
        ));
    }
    if let Some(name) = options.tables.keys().find(|name| !DataSettings::OF_TABLES.contains(&name.as_str())) {
        return Err(Error::Usage(format!("`{name}` does not say what a table means")));
    }
    let (corpus, mut notices) = read(predictor, options)?;
    let window = predictor.spec().window;
    let (step, rounded) = match (corpus.window, options.step) {
        (Some(window), _) => (window, None),
        (None, None) => (dense_step(window), None),
        (None, Some(step)) => step.samples("step", corpus.rate_hz.or(predictor.rate_hz), window)?,
    };
    notices.extend(rounded);
    check_lengths(predictor, &corpus)?;
    let windows = triax_data::cut(&corpus, window, step)?;
    let started = Instant::now();
    let (mut file, classes, fitting) = match options.unlabelled {
        true => (with_scaler(member, &windows)?, Vec::new(), Duration::ZERO),
        false => {
            let refitted = with_last_layer(predictor, member, &corpus, &windows, options.strength)?;
            notices.extend(unchanged(&refitted.1, predictor, &corpus));
            refitted
        }
    };
    let took = started.elapsed();
    if let Some(answers) = predictor.answers()? {
        // The temperature was that of the network's own scores.
        let text = answers.unfitted().to_json().map_err(|problem| Error::Input(problem.to_string()))?;
        file.extra.insert(triax_answers::KEY.to_owned(), text);
    }
    file.extra.insert(CALIBRATED.to_owned(), record(predictor, &corpus, &classes, options).to_string());
    Ok(Calibration { file, data: corpus.name, n_windows: windows.len(), classes, took, fitting, notices })
}

/// The recordings as the network reads them, with its classes if they have labels.
fn read(predictor: &Predictor, options: &CalibrateOptions) -> Result<(Corpus, Vec<Notice>), Error> {
    let mut settings = predictor.settings_for(Some(&options.data), &options.tables)?;
    settings.data.format = options.format.unwrap_or(settings.data.format);
    let mut read_options = predictor.read_options(&settings, &options.tables);
    read_options.unlabelled = options.unlabelled;
    let mut corpus = predictor.read(&settings.data.data, read_options, settings.training.seed)?;
    let mut notices = std::mem::take(&mut corpus.notices);
    let subjects = corpus.subjects().len();
    if subjects > 1 {
        notices.push(Notice::Warning(format!(
            "{} has recordings of {subjects} people: the network is calibrated to all of them as one.",
            corpus.name
        )));
    }
    if options.unlabelled {
        return Ok((corpus, notices));
    }
    let (corpus, left_out) = with_classes(corpus, predictor.classes())?;
    notices.extend(left_out);
    Ok((corpus, notices))
}

/// `samples` in seconds, or in samples where the rate is unknown.
fn in_time(samples: usize, rate_hz: Option<f64>) -> String {
    match rate_hz {
        Some(rate) => format!("{:.1} s", samples as f64 / rate),
        None => format!("{samples} samples"),
    }
}

/// Checks that a recording is as long as a window.
fn check_lengths(predictor: &Predictor, corpus: &Corpus) -> Result<(), Error> {
    let (window, rate) = (predictor.spec().window, corpus.rate_hz.or(predictor.rate_hz));
    let longest = corpus.recordings.iter().map(|recording| corpus.n_rows(recording)).max().unwrap_or(0);
    if longest < window {
        return Err(Error::Input(format!(
            "the longest recording of {} has {}, and the network reads windows of {}: record each activity for at least that \
             long without a break",
            corpus.name,
            in_time(longest, rate),
            in_time(window, rate)
        )));
    }
    Ok(())
}

/// The network with its last layer refitted, what became of each class, and the time that the layer took.
fn with_last_layer(
    predictor: &Predictor,
    member: &NetworkMember,
    corpus: &Corpus,
    windows: &Windows,
    strength: Option<f64>,
) -> Result<(WeightFile, Vec<CalibratedClass>, Duration), Error> {
    let NetworkMember { file, network, .. } = member;
    let input = |problem: String| Error::Input(format!("{}: {problem}", corpus.name));
    let values = member.prepared(&windows.values)?;
    let features = features(network, &file.weights, |network, weights| {
        predictor.engine().scores(network, weights, file.scaler.as_ref(), &values)
    })?;
    let before = LastLayer::of(&file.weights);
    let key = TrainedFeatures::KEY;
    let trained = file.extra.get(key).map(|text| TrainedFeatures::from_json(text, before.n_features())).transpose();
    let trained = trained
        .map_err(|problem| Error::Input(format!("the weight file's entry `{key}`: {problem}: train it anew")))?;
    let started = Instant::now();
    let after = before
        .refitted(&features, &windows.labels, trained.as_ref(), strength.unwrap_or(STRENGTH))
        .map_err(|problem| input(problem.to_string()))?;
    let fitting = started.elapsed();
    let n_classes = before.classes();
    let predictions = [&before, &after].map(|layer| predicted_classes(&layer.scores(&features), n_classes));
    let of_class = |class: usize| {
        let of = |label: u32| label as usize == class;
        let right = |predictions: &[u32]| {
            let windows = windows.labels.iter().zip(predictions);
            windows.filter(|&(&label, &prediction)| of(label) && label == prediction).count()
        };
        let recordings = corpus.recordings.iter().filter(|recording| of(recording.class));
        let samples: usize = recordings.map(|recording| corpus.n_rows(recording)).sum();
        CalibratedClass {
            name: corpus.class_names[class].clone(),
            recorded: samples as f64 / corpus.rate_hz.or(predictor.rate_hz).unwrap_or(1.0),
            n_windows: windows.labels.iter().filter(|&&label| of(label)).count(),
            right_before: right(&predictions[0]),
            right_after: right(&predictions[1]),
        }
    };
    let classes: Vec<CalibratedClass> = (0..n_classes).map(of_class).collect();
    if let [one] = classes.iter().filter(|class| class.n_windows > 0).collect::<Vec<_>>()[..] {
        return Err(input(format!(
            "there are windows of {} only, and one activity by itself does not say how this person's differ: record another \
             one, for at least {} without a break",
            one.name,
            in_time(predictor.spec().window, corpus.rate_hz.or(predictor.rate_hz))
        )));
    }
    let mut file = file.clone();
    after.put_into(&mut file.weights);
    Ok((file, classes, fitting))
}

/// The network with its scaler moved towards the channels of `windows`.
fn with_scaler(member: &NetworkMember, windows: &Windows) -> Result<WeightFile, Error> {
    let Some(scaler) = &member.file.scaler else {
        return Err(Error::Usage(
            "the network standardises no channels, so that there is nothing to align: calibrate it with recordings whose \
             activities are known, without --unlabelled"
                .to_owned(),
        ));
    };
    let values = member.prepared(&windows.values)?;
    let scaler = aligned(scaler, &values)
        .ok_or_else(|| Error::Input("the recordings hold values that are not finite".to_owned()))?;
    Ok(WeightFile { scaler: Some(scaler), ..member.file.clone() })
}

/// What is said of classes that stay as they were.
fn unchanged(classes: &[CalibratedClass], predictor: &Predictor, corpus: &Corpus) -> Vec<Notice> {
    let named = |of: fn(&CalibratedClass) -> bool| -> Vec<String> {
        classes.iter().filter(|class| class.n_windows == 0 && of(class)).map(|class| class.name.clone()).collect()
    };
    let mut notices = Vec::new();
    let short = named(|class| class.recorded > 0.0);
    if !short.is_empty() {
        let window = in_time(predictor.spec().window, corpus.rate_hz.or(predictor.rate_hz));
        notices.push(Notice::Warning(format!(
            "no recording of {} is as long as a window of {window}: the network stays as it was there. Record them for longer \
             without a break.",
            listed(&short, 12)
        )));
    }
    let absent = named(|class| class.recorded == 0.0);
    if !absent.is_empty() {
        let absent = listed(&absent, 12);
        notices.push(Notice::Note(format!("nothing was recorded of {absent}: the network stays as it was there.")));
    }
    notices
}

/// Fingerprint of the recordings that a calibrated network had been trained on, if its weight file knows it.
pub(crate) fn trained_on(predictor: &Predictor) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(predictor.extra(CALIBRATED)?).ok()?;
    record[TRAINED_ON].as_str().map(str::to_owned)
}

/// What the weight file says of its calibration.
fn record(
    predictor: &Predictor,
    corpus: &Corpus,
    classes: &[CalibratedClass],
    options: &CalibrateOptions,
) -> serde_json::Value {
    let trained_on = match &predictor.origin {
        PredictorOrigin::Run(run) => Some(run.record.data.fingerprint.clone()),
        PredictorOrigin::Study(study) => Some(study.summary.fingerprint.clone()),
        // It may be calibrated again.
        PredictorOrigin::File => trained_on(predictor),
    };
    let unit = if corpus.rate_hz.or(predictor.rate_hz).is_some() { "seconds" } else { "samples" };
    let recorded: serde_json::Map<String, serde_json::Value> = classes
        .iter()
        .filter(|class| class.n_windows > 0)
        .map(|class| (class.name.clone(), json!(class.recorded)))
        .collect();
    json!({
        TRAINED_ON: trained_on,
        "calibrated_with": corpus.fingerprint,
        "data": corpus.name,
        "what": if options.unlabelled { "scaler" } else { "last layer" },
        "strength": (!options.unlabelled).then(|| options.strength.unwrap_or(STRENGTH)),
        unit: recorded,
    })
}
