//! Networks that other programs have trained: from their files to weight files, and to the beginning of a training.
//!
//! An imported network is a weight file, not a run folder: it has no recordings, no split and no history of a training that
//! a run's record could tell of. A weight file holds all that its answers depend on, and every command that takes a run takes
//! it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use triax_data::Notice;
use triax_exchange::{Imported, is_known, read, read_weights};
use triax_losses::Loss;
use triax_model::{Network, Scaler, WeightFile, Weights, whole_file};

use crate::Error;
use crate::recordings::{RATE, preparation_extra};
use crate::text::listed;

/// Key in the metadata of a weight file: the file that it was imported from.
const IMPORTED_FROM: &str = "imported_from";
/// The most bytes of a file: the largest network of the family, with an optimizer's state of twice its size.
const MOST_BYTES: u64 = 1 << 32;

/// What a file of another program does not know, or says wrongly. What is not given is the file's, or assumed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// Names of the classes, in the order of the scores.
    pub classes: Vec<String>,
    /// Names of the channels, in the order of the input.
    pub channels: Vec<String>,
    /// Samples a second.
    pub rate_hz: Option<f64>,
    /// The loss of the training.
    pub loss: Option<Loss>,
    /// Mean and deviation of each channel, where the windows were standardised before they came to the network.
    pub scaler: Option<Scaler>,
}

/// Reads a network from a file of another program: `.keras`, `.h5` of a whole model, or `.onnx`. Returns it as a weight file,
/// with what was assumed.
///
/// # Errors
/// A file that cannot be read; a network that is not of the family, with its first layer that is not; options that do not
/// fit the network.
pub fn import(path: impl AsRef<Path>, options: &ImportOptions) -> Result<(WeightFile, Vec<Notice>), Error> {
    let path = path.as_ref();
    let is_file = fs::metadata(path).map_err(|source| Error::io("read", path, source))?.is_file();
    if !is_file {
        return Err(Error::Input(format!(
            "{} is not a regular file: name a .keras, .h5 or .onnx file",
            path.display()
        )));
    }
    let bytes = whole_file::read(path, MOST_BYTES).map_err(|source| Error::io("read", path, source))?;
    let imported = read(&bytes).map_err(|source| Error::Exchange { path: path.to_owned(), source })?;
    let mut notices: Vec<Notice> = imported.notices.iter().cloned().map(Notice::Note).collect();
    if imported.is_folded {
        notices.push(Notice::Note(
            "its batch normalisation is folded into the weights: it answers the same, and would go on training differently."
                .to_owned(),
        ));
    }
    let classes = classes(&imported, options, &mut notices)?;
    let channels = channels(&imported, options, &mut notices)?;
    let loss = loss(&imported, options, &mut notices);
    let scaler = scaler(&imported, options, &mut notices)?;
    let rate_hz = options.rate_hz.or(imported.about.rate_hz);
    check_rate(rate_hz)?;
    if rate_hz.is_none() {
        notices.push(Notice::Note(
            "the file does not say its rate: recordings are taken as they are; --rate HZ resamples them.".to_owned(),
        ));
    }

    let list = |names: &[String]| serde_json::json!(names).to_string();
    let mut extra = BTreeMap::from([
        ("loss".to_owned(), loss.to_string()),
        ("class_names".to_owned(), list(&classes)),
        (IMPORTED_FROM.to_owned(), path.file_name().unwrap_or_default().to_string_lossy().into_owned()),
    ]);
    if !channels.is_empty() {
        extra.insert("channels".to_owned(), list(&channels));
    }
    if let Some(rate) = rate_hz {
        extra.insert(RATE.to_owned(), rate.to_string());
        extra.insert("window_s".to_owned(), (imported.spec.window as f64 / rate).to_string());
    }
    extra.extend(imported.about.step.map(|step| ("step".to_owned(), step.to_string())));
    extra.extend(preparation_extra(&imported.preparation));
    Ok((WeightFile { weights: imported.weights, spec: imported.spec, classes, scaler, extra }, notices))
}

/// Checks that a rate, where there is one, is a number of samples a second.
pub(crate) fn check_rate(rate_hz: Option<f64>) -> Result<(), Error> {
    match rate_hz.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
        Some(rate) => Err(Error::Usage(format!("the rate is {rate}; it is a number of samples a second, above 0"))),
        None => Ok(()),
    }
}

/// The names of the classes.
fn classes(imported: &Imported, options: &ImportOptions, notices: &mut Vec<Notice>) -> Result<Vec<String>, Error> {
    let n = imported.spec.classes;
    match [&options.classes, &imported.about.classes].into_iter().find(|names| !names.is_empty()) {
        Some(names) => named("class", names, n),
        None => {
            notices.push(Notice::Warning(format!(
                "the file does not name its classes: they are called 0 to {}. Name them in the order of the scores, as the \
                 recordings do: --classes NAME,NAME,…",
                n - 1
            )));
            Ok((0..n).map(|class| class.to_string()).collect())
        }
    }
}

/// The names of the channels; none, where they are unknown.
fn channels(imported: &Imported, options: &ImportOptions, notices: &mut Vec<Notice>) -> Result<Vec<String>, Error> {
    let n = imported.preparation.channels_in(imported.spec.channels).map_err(Error::Input)?;
    match [&options.channels, &imported.about.channels].into_iter().find(|names| !names.is_empty()) {
        Some(names) => named("channel", names, n),
        None => {
            notices.push(Notice::Note(format!(
                "the file does not name its {n} channels: those of recordings are taken in their order. --channels \
                 NAME,NAME,… takes them by name."
            )));
            Ok(Vec::new())
        }
    }
}

/// Checks that `names` are `n` different ones.
fn named(what: &str, names: &[String], n: usize) -> Result<Vec<String>, Error> {
    if names.len() != n {
        let (found, list) = (names.len(), listed(names, 12));
        return Err(Error::Usage(format!("{found} {what} names are given ({list}), and the network has {n}")));
    }
    match names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        Some((_, twice)) => Err(Error::Usage(format!("the {what} name `{twice}` is given twice"))),
        None => Ok(names.to_vec()),
    }
}

fn loss(imported: &Imported, options: &ImportOptions, notices: &mut Vec<Notice>) -> Loss {
    let known = options.loss.or_else(|| imported.about.loss.as_deref()?.parse().ok());
    known.unwrap_or_else(|| {
        let (loss, why) = if imported.softmax {
            (Loss::CategoricalCrossentropy, "it ends in a softmax")
        } else {
            (Loss::SquaredHinge, "its last layer is linear")
        };
        notices.push(Notice::Note(format!(
            "the file names none of Triax's losses: as {why}, {loss} is assumed. It changes the loss that is printed, not the \
             classes; --loss names another."
        )));
        loss
    })
}

fn scaler(imported: &Imported, options: &ImportOptions, notices: &mut Vec<Notice>) -> Result<Option<Scaler>, Error> {
    match (&options.scaler, &imported.scaler) {
        (Some(_), Some(_)) => {
            let problem = "the network standardises its input itself: leave --mean and --deviation out";
            Err(Error::Usage(problem.to_owned()))
        }
        (Some(scaler), None) => {
            scaler
                .fits(imported.spec.channels)
                .map_err(|problem| Error::Usage(format!("--mean, --deviation: {problem}")))?;
            Ok(Some(scaler.clone()))
        }
        (None, Some(scaler)) => Ok(Some(scaler.clone())),
        (None, None) if imported.preparation.normalisation.is_some() => Ok(None),
        (None, None) => {
            notices.push(Notice::Warning(
                "the network does not standardise its input. If the windows were standardised before they came to it, say \
                 how: --mean M,M,… --deviation D,D,… for each channel."
                    .to_owned(),
            ));
            Ok(None)
        }
    }
}

/// The weights of `network` from a file of another program, and what a user should know.
///
/// # Errors
/// A file that cannot be read, or holds the weights of another network.
pub(crate) fn weights_of_another_program(path: &Path, network: &Network) -> Result<(Weights, Vec<Notice>), Error> {
    let bytes = whole_file::read(path, MOST_BYTES).map_err(|source| Error::io("read", path, source))?;
    let read = read_weights(&bytes, network);
    let (weights, notices) = read.map_err(|source| Error::Exchange { path: path.to_owned(), source })?;
    Ok((weights, notices.into_iter().map(Notice::Warning).collect()))
}

/// Whether a file begins as one that [`import`] reads. What cannot be opened does not.
pub(crate) fn is_of_another_program(path: &Path) -> bool {
    let mut head = Vec::new();
    let is_file = fs::metadata(path).is_ok_and(|there| there.is_file());
    is_file && File::open(path).is_ok_and(|file| file.take(64).read_to_end(&mut head).is_ok()) && is_known(&head)
}
