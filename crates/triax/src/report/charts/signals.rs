//! The signals of a window: a line for each channel.

use maud::Markup;
use plotters::prelude::*;
use triax_study::Mistake;

use super::{Area, CHANNELS, DrawResult, Scale, axes};

/// Width and height in CSS pixels.
const SIZE: (u32, u32) = (340, 190);

/// The most channels of a chart: as many lines can be told apart with effort.
pub const MOST_CHANNELS: usize = 12;
/// The most samples of a line; of more, every n-th is drawn.
const MOST_SAMPLES: usize = 600;

/// The signals of `mistake` over seconds; over samples if the rate is unknown.
pub fn chart(mistake: &Mistake, rate_hz: Option<f64>, title: &str) -> Markup {
    super::chart(SIZE, title, |area| draw(area, mistake, rate_hz))
}

fn draw(area: &Area<'_>, mistake: &Mistake, rate_hz: Option<f64>) -> DrawResult {
    let n_channels = mistake.channels.len().max(1);
    let n_samples = mistake.values.len() / n_channels;
    let rate = rate_hz.filter(|rate| *rate > 0.0);
    let unit = if rate.is_some() { "s" } else { "samples" };
    let at = |sample: usize| sample as f64 / rate.unwrap_or(1.0);
    let end = at(n_samples.max(2) - 1);
    let values = mistake.values.iter().copied().filter(|value| value.is_finite()).map(f64::from);
    let (least, most) = values.fold((0.0_f64, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    let room = if most > least { 0.06 * (most - least) } else { 1.0 };
    let (low, high) = (least - room, most + room);
    let scales = (Scale::new(0.0, end, 5.0).with_unit(unit), Scale::new(low, high, 5.0));
    let mut chart = axes(area, scales, (42, 26), None)?;
    let every = n_samples.div_ceil(MOST_SAMPLES).max(1);
    for channel in 0..n_channels.min(MOST_CHANNELS) {
        let value = |sample: usize| f64::from(mistake.values[sample * n_channels + channel]);
        let line = (0..n_samples)
            .step_by(every)
            .map(|sample| (at(sample), value(sample)))
            .filter(|(_, value)| value.is_finite());
        chart.draw_series(LineSeries::new(line, CHANNELS[channel % CHANNELS.len()].mark().stroke_width(6)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_windows_of_many_channels_stay_small() {
        let (n_samples, n_channels) = (20_000, 40);
        let mistake = Mistake {
            subject: String::new(),
            source: String::new(),
            label: 0,
            prediction: 1,
            margin: 1.0,
            values: (0..n_samples * n_channels).map(|n| (n as f32 * 0.1).sin()).collect(),
            channels: (0..n_channels).map(|n| n.to_string()).collect(),
        };
        let svg = chart(&mistake, None, "t").into_string();
        assert!(svg.len() < 150_000, "{} bytes", svg.len());
        assert_eq!(svg.matches("stroke=\"var(--accent)\"").count(), 3);
    }

    #[test]
    fn every_channel_has_a_line_whatever_it_holds() {
        let mistake = |values: Vec<f32>| Mistake {
            subject: "1".into(),
            source: "a.txt:1".into(),
            label: 0,
            prediction: 1,
            margin: 1.0,
            values,
            channels: vec!["x".into(), "y".into()],
        };
        for values in [vec![0.0; 8], vec![f32::MAX, f32::MIN, 1.0, 2.0], vec![3.0, 4.0]] {
            let svg = chart(&mistake(values), Some(20.0), "t").into_string();
            assert!(svg.matches("<polyline").count() >= 2, "{svg}");
            assert!(svg.contains(CHANNELS[0].css()) && svg.contains(CHANNELS[1].css()));
        }
    }
}
