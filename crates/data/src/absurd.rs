//! Values that no sensor gives: overflows, and numbers that stand for something that is missing.

use crate::{Corpus, Notice};

/// A value this many times larger than half of the values of its channel is no measurement. Impacts are hundreds of times
/// what a sensor reads at rest, and daylight is some ten thousand times the light in a room.
const ABSURD: f32 = 1e5;
/// Values of each channel from which its scale is taken, at most.
const SAMPLE: usize = 50_000;

impl Corpus {
    /// A warning that names the first value that is absurd beside the others of its channel, and counts them.
    pub(crate) fn absurd_values(&self) -> Option<Notice> {
        let n_channels = self.channels.len();
        let scales: Vec<f32> = (0..n_channels).map(|channel| self.scale(channel)).collect();
        let mut first = None;
        let (mut n_values, mut n_recordings) = (0, 0);
        for recording in &self.recordings {
            let before = n_values;
            for (row, values) in recording.values.chunks_exact(n_channels).enumerate() {
                for (channel, value) in values.iter().enumerate() {
                    if value.abs() / ABSURD > scales[channel] {
                        n_values += 1;
                        first.get_or_insert((recording, row, channel, *value));
                    }
                }
            }
            n_recordings += usize::from(n_values > before);
        }
        let (recording, row, channel, value) = first?;
        let (place, among) = match self.window {
            Some(_) => (recording.source.clone(), format!("{n_recordings} of {} windows hold", self.recordings.len())),
            None if row == 0 => (recording.source.clone(), "in all there are".to_owned()),
            None => (format!("{} + {row} samples", recording.source), "in all there are".to_owned()),
        };
        Some(Notice::Warning(format!(
            "{place}: {value:.1e} in channel `{}`, where half of the values are below {:.3}; {among} {n_values} such {}. \
             Leave them out: beside them all else is nothing",
            self.channels[channel],
            scales[channel],
            if n_values == 1 { "value" } else { "values" },
        )))
    }

    /// The median of the absolute values of a channel that are not zero; infinite where all are.
    fn scale(&self, channel: usize) -> f32 {
        let n_channels = self.channels.len();
        let n_rows: usize = self.recordings.iter().map(|recording| self.n_rows(recording)).sum();
        let every = n_rows.div_ceil(SAMPLE).max(1);
        let rows = self.recordings.iter().flat_map(|recording| recording.values.chunks_exact(n_channels));
        let mut values: Vec<f32> =
            rows.step_by(every).map(|row| row[channel].abs()).filter(|value| *value > 0.0).collect();
        if values.is_empty() {
            return f32::INFINITY;
        }
        let middle = values.len() / 2;
        *values.select_nth_unstable_by(middle, f32::total_cmp).1
    }
}
