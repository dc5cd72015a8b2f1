//! The windows that a file is calibrated and checked with.

use triax_data::Notice;
use triax_model::random::{Purpose, Stream};

use super::ExportOptions;
use crate::evaluate::{Chosen, WindowsToJudge, choose};
use crate::predictor::{NetworkMember, PredictorOrigin};
use crate::{Error, EvaluateOptions, Part, Predictor};

/// The most windows that are taken of a part. The arithmetic of a file takes about a millisecond for each.
const MOST: usize = 2_000;
/// The number of windows that are made up where there are no recordings.
const MADE_UP: usize = 64;

/// Windows of a part of the data, evenly spread where there are more than 2,000.
pub(super) struct PartWindows {
    /// (n_windows, window, channels), in the sensor's unit.
    pub values: Vec<f32>,
    /// The class of each; empty for made-up windows.
    pub labels: Vec<u32>,
    /// What they are, in words.
    pub judged: String,
    /// Notices for the user.
    pub notices: Vec<Notice>,
}

/// Windows that the networks at `indices` were not trained on; made-up ones where the recordings are not at hand.
///
/// # Errors
/// Recordings that were named and cannot be read.
pub(super) fn for_check(
    predictor: &Predictor,
    indices: &[usize],
    options: &ExportOptions,
) -> Result<PartWindows, Error> {
    let first = predictor.networks("an export")?[indices[0]];
    if options.data.is_none() && matches!(predictor.origin, PredictorOrigin::File) {
        let problem =
            "a weight file does not know its recordings: the check took made-up windows. Name some with --data.";
        return Ok(made_up(first, Notice::Note(problem.to_owned())));
    }
    match of_part(predictor, indices, options, None) {
        Err(error) if options.data.is_none() => {
            let problem = format!(
                "the check took made-up windows, since the recordings of the run cannot be read: {}. Name others with --data.",
                error.in_full()
            );
            Ok(made_up(first, Notice::Warning(problem)))
        }
        windows => windows,
    }
}

/// Windows (n_windows, window, channels) that the networks at `indices` were trained on, to calibrate integers with. Of
/// recordings in `options` all windows are taken; a notice says so.
///
/// # Errors
/// Recordings that cannot be read; a weight file alone, which does not know its own.
pub(super) fn for_calibration(
    predictor: &Predictor,
    indices: &[usize],
    options: &ExportOptions,
) -> Result<(Vec<f32>, Option<Notice>), Error> {
    let doing = || format!("{} is calibrated with windows: name recordings with --data", options.format);
    let (part, notice) = match &options.data {
        None => (Part::Train, None),
        Some(_) => {
            let problem = "the integers were calibrated with the recordings that they are judged by: the figures may be a little \
                           too good.";
            (Part::All, Some(Notice::Note(problem.to_owned())))
        }
    };
    let windows = of_part(predictor, indices, options, Some(part)).map_err(|error| error.while_doing(doing()))?;
    Ok((windows.values, notice))
}

/// Windows of the data of the run or the study, or of that in `options`. `part` is by default what evaluates it.
fn of_part(
    predictor: &Predictor,
    indices: &[usize],
    options: &ExportOptions,
    part: Option<Part>,
) -> Result<PartWindows, Error> {
    let (data, tables) = (options.data.clone(), options.tables.clone());
    let Chosen { parts, judged, .. } =
        choose(&EvaluateOptions { data, tables, part, ..Default::default() }, predictor)?;
    // A network of a study has a fold of its own; several together are about all of the data.
    let is_theirs = |part: &&WindowsToJudge| match (&part.fold, indices) {
        (Some(fold), [one]) => predictor.members()[*one].fold() == Some(fold),
        _ => true,
    };
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for part in parts.iter().filter(is_theirs) {
        values.extend_from_slice(&part.windows.values);
        labels.extend_from_slice(&part.windows.labels);
    }
    let judged = match indices {
        [one] => predictor.members()[*one].fold().map_or(judged, |fold| format!("the validation part of fold {fold}")),
        _ => "windows of the study's own data".to_owned(),
    };
    let n_values = values.len() / labels.len().max(1);
    let kept = evenly(labels.len());
    Ok(PartWindows {
        values: kept.iter().flat_map(|&n| &values[n * n_values..][..n_values]).copied().collect(),
        labels: kept.iter().map(|&n| labels[n]).collect(),
        judged,
        notices: Vec::new(),
    })
}

/// At most [`MOST`] of the numbers below `n`, evenly spread.
fn evenly(n: usize) -> Vec<usize> {
    let kept = n.min(MOST);
    (0..kept).map(|i| i * n / kept).collect()
}

/// Windows of noise around the means of the network's scaler, where it standardises the channels of the sensors.
fn made_up(member: &NetworkMember, notice: Notice) -> PartWindows {
    let (window, channels) = (member.file.spec.window, member.n_channels());
    let is_derived = member.preparation().derivation.is_some();
    let mut stream = Stream::new(0, Purpose::Synthesise, u64::MAX);
    let value = |i: usize| {
        let (mean, scale) = match &member.file.scaler {
            Some(scaler) if !is_derived => (scaler.mean[i % channels], scaler.scale[i % channels]),
            _ => (0.0, 1.0),
        };
        mean + scale * stream.normal() as f32
    };
    PartWindows {
        values: (0..MADE_UP * window * channels).map(value).collect(),
        labels: Vec::new(),
        judged: "made-up windows".to_owned(),
        notices: vec![notice],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_spread_over_all() {
        assert_eq!(evenly(3), [0, 1, 2]);
        assert_eq!(evenly(0), [0; 0]);
        let many = evenly(2 * MOST + 1);
        assert_eq!((many.len(), many[1], many[MOST - 1]), (MOST, 2, 2 * MOST - 2));
    }
}
