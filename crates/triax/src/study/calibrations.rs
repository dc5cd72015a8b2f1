//! What is asked of the calibrations of a study.

use triax_data::Folds;
use triax_study::{CalibrationLength, Study};

use crate::Error;
use crate::settings::Length;

/// `study` with calibrations of these lengths.
///
/// # Errors
/// [`Error::Usage`] for a length that is shorter than a window, given twice, or of unknown duration; folds that hold out no
/// people; data that comes in windows.
pub(super) fn with(mut study: Study, lengths: &[Length]) -> Result<Study, Error> {
    if lengths.is_empty() {
        return Ok(study);
    }
    if !matches!(study.protocol, Folds::LeaveOneSubjectOut | Folds::Groups(_) | Folds::HeldOut) {
        return Err(Error::Usage(format!(
            "--calibrate is about people whom no network was trained on, and folds {} hold out no people: take loso, group-K \
             or held-out",
            study.protocol
        )));
    }
    if study.corpus.window.is_some() {
        return Err(Error::Usage(format!(
            "{} comes in windows, and nobody knows which of them overlap: --calibrate takes whole recordings",
            study.corpus.name
        )));
    }
    let mut calibrations: Vec<CalibrationLength> = Vec::new();
    for length in lengths {
        let (samples, _) = length.samples("calibrate", study.corpus.rate_hz, study.window)?;
        if samples < study.window {
            let window = match study.corpus.rate_hz {
                Some(rate) => format!("{:.1} s", study.window as f64 / rate),
                None => format!("{} samples", study.window),
            };
            return Err(Error::Usage(format!(
                "--calibrate {length} is shorter than a window of {window}: take longer, or shorter windows with --window"
            )));
        }
        if calibrations.iter().any(|known| known.samples == samples) {
            return Err(Error::Usage(format!("--calibrate {length}: the same length is given twice")));
        }
        calibrations.push(CalibrationLength { name: length.to_string(), samples });
    }
    study.calibrations = calibrations;
    Ok(study)
}
