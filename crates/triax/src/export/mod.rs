//! Export: a trained network as a file of another format, which is checked before anybody keeps it.

mod check;
mod formats;
mod golden;
mod windows;

use triax_data::unit_of_gravity;
use triax_exchange::keras::Compiled;
use triax_exchange::{About, Trained};
use triax_losses::Loss;
use triax_model::{Activation, PerWindow, WeightFile};

use crate::calibrate;
use crate::predictor::{Member, NetworkMember, PredictorOrigin};
use crate::recordings::GRAVITY;
use crate::settings::{DataSource, Entries, OptimizerName};
use crate::text::listed;
use crate::{Error, Notice, Predictor};

use formats::Writer;

pub use check::Check;
pub use formats::{DeviceCost, ExportFormat};
pub use golden::Golden;

/// How to export a network.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// The format.
    pub format: ExportFormat,
    /// Whether a softmax follows the scores of the network.
    pub softmax: bool,
    /// What the names in a C header begin with: an identifier of C.
    pub prefix: String,
    /// Which network of a study, by its name: [`Member::name`]. By default the only one, or all of them together
    /// where the format can hold that.
    pub member: Option<String>,
    /// Recordings to check and calibrate with. By default, those of the run or study.
    pub data: Option<DataSource>,
    /// Settings that say what tables mean, instead of those of the run: of [`crate::settings::DataSettings::OF_TABLES`].
    pub tables: Entries,
}

impl ExportOptions {
    /// The network's own scores in this format, checked with its own recordings.
    pub fn new(format: ExportFormat) -> Self {
        Self { format, softmax: false, prefix: "triax".to_owned(), member: None, data: None, tables: Entries::new() }
    }
}

/// A network in another format.
#[derive(Clone, Debug)]
pub struct Export {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// What was found when the file's own arithmetic ran.
    pub check: Check,
    /// What it costs on a device, where the format says that.
    pub cost: Option<DeviceCost>,
    /// Windows and their scores, for tests of programs that use the file.
    pub golden: Golden,
    /// Notices for the user.
    pub notices: Vec<Notice>,
}

/// Makes the file of a network, reads it back, runs its arithmetic, and compares the scores with those of Triax.
///
/// ```no_run
/// use triax::{ExportFormat, ExportOptions, Predictor, export};
///
/// let exported = export(&Predictor::open("runs/first")?, &ExportOptions::new(ExportFormat::Html))?;
/// println!("{:.1} % of the windows get the same class", 100.0 * exported.check.same_class);
/// std::fs::write("page.html", exported.bytes)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A network that the format cannot hold; several networks for a format that holds one; recordings that cannot be read; a file
/// whose arithmetic does not give Triax's scores, which is a fault of Triax.
pub fn export(predictor: &Predictor, options: &ExportOptions) -> Result<Export, Error> {
    let networks = predictor.networks("an export")?;
    if predictor.is_ensemble() {
        let problem = "an ensemble is no single network: export its members, which lie in its folder members/";
        return Err(Error::Usage(problem.to_owned()));
    }
    let indices = chosen(predictor, options)?;
    let windows = windows::for_check(predictor, &indices, options)?;
    let members: Vec<&NetworkMember> = indices.iter().map(|&idx| networks[idx]).collect();
    let trained: Vec<Trained> = members.iter().map(|member| trained(predictor, member, options.softmax)).collect();
    let (calibration, own) = match options.format.is_int8() {
        true => windows::for_calibration(predictor, &indices, options)?,
        false => (Vec::new(), None),
    };
    let (format, prefix) = (options.format, &options.prefix);
    let writer = Writer {
        format,
        trained: &trained,
        member: members[0],
        compiled: &compiled(predictor),
        calibration: &calibration,
        prefix,
    };
    let file = writer.write()?;
    let check = Check::new(predictor, &indices, (&file, format), &windows)?;
    let spec = predictor.spec();
    let golden = Golden::of(&file, &windows, prefix, [spec.window, spec.channels, spec.classes])?;
    let mut notices = windows.notices;
    notices.extend(own);
    notices.extend(check.notices(&predictor.class_names));
    if options.softmax && predictor.loss().ok() != Some(Loss::CategoricalCrossentropy) {
        notices.push(Notice::Note(
            "the network was trained with a hinge, whose scores are margins: their softmax adds up to 1, and is no \
             probability."
                .to_owned(),
        ));
    }
    if options.format == ExportFormat::Tflite && trained[0].network.uses(Activation::Gelu) {
        notices.push(Notice::Note(
            "TensorFlow Lite Micro has no GELU: this file runs in LiteRT only. The formats onnx and c hold it too."
                .to_owned(),
        ));
    }
    Ok(Export { bytes: file.bytes, check, cost: file.cost, golden, notices })
}

/// Indices of the networks that the file holds.
fn chosen(predictor: &Predictor, options: &ExportOptions) -> Result<Vec<usize>, Error> {
    let names: Vec<String> = predictor.members().iter().map(Member::name).collect();
    let is_study = matches!(predictor.origin, PredictorOrigin::Study(_));
    match &options.member {
        None if names.len() == 1 || options.format.holds_several() => Ok((0..names.len()).collect()),
        None => Err(Error::Usage(format!(
            "{} holds one network, and this setting of the study has {}: name one with --member ({}), or take a format that \
             holds all of them as one (onnx)",
            options.format,
            names.len(),
            listed(&names, 12)
        ))),
        Some(_) if !is_study => {
            Err(Error::Usage("--member is for a network of a study, and this is a single one".to_owned()))
        }
        Some(name) => match names.iter().position(|known| known == name) {
            Some(idx) => Ok(vec![idx]),
            None => Err(Error::Usage(format!("there is no network `{name}`: there are {}", listed(&names, 40)))),
        },
    }
}

/// What a format is to hold of `member`.
fn trained(predictor: &Predictor, member: &NetworkMember, softmax: bool) -> Trained {
    let WeightFile { weights, scaler, .. } = &member.file;
    let is_unitless = member.preparation().normalisation == Some(PerWindow::Standardise);
    let gravity = predictor.extra(GRAVITY).filter(|_| !is_unitless);
    let fingerprint = match &predictor.origin {
        PredictorOrigin::Run(run) => Some(run.record.data.fingerprint.clone()),
        PredictorOrigin::Study(study) => Some(study.summary.fingerprint.clone()),
        PredictorOrigin::File => calibrate::trained_on(predictor),
    };
    Trained {
        network: member.network.clone(),
        weights: weights.clone(),
        preparation: member.preparation().clone(),
        scaler: scaler.clone(),
        softmax,
        about: About {
            classes: predictor.class_names.clone(),
            channels: predictor.channels.clone().unwrap_or_default(),
            units: gravity.map(units).unwrap_or_default(),
            // Without the noise of the last digits, which the times of rows leave.
            rate_hz: predictor.rate_hz.map(|rate| (rate * 1e6).round() / 1e6),
            step: predictor.step,
            loss: predictor.extra("loss").map(str::to_owned),
            fingerprint,
            producer: format!("triax {}", env!("CARGO_PKG_VERSION")),
        },
    }
}

/// How Keras goes on training: with the optimizer of the run; with Adam, where there is none.
fn compiled(predictor: &Predictor) -> Compiled {
    let PredictorOrigin::Run(run) = &predictor.origin else { return Compiled::default() };
    let training = &run.settings.training;
    let optimizer = match training.optimizer {
        OptimizerName::Adam => "Adam",
        OptimizerName::AdamW => "AdamW",
        OptimizerName::Sgd => "SGD",
        OptimizerName::RmsProp => "RMSprop",
    };
    // What is not given has Keras's defaults in both.
    let given = [
        ("learning_rate", Some(training.learning_rate)),
        ("weight_decay", training.weight_decay),
        ("momentum", training.momentum),
    ];
    let settings = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
    Compiled { optimizer: optimizer.to_owned(), settings }
}

/// The unit of each group of three channels, by gravity in it, as far as that tells one.
fn units(gravity: &str) -> Vec<Option<String>> {
    let gravity: Vec<Option<f64>> = serde_json::from_str(gravity).unwrap_or_default();
    gravity.into_iter().map(|gravity| Some(unit_of_gravity(gravity?)?.0.to_owned())).collect()
}
