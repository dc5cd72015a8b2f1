//! The reliability diagram: accuracy by confidence, with the diagonal of perfect calibration.

use maud::{Markup, html};
use plotters::prelude::*;
use triax_study::Reliability;

use super::canvas::Canvas;
use super::{Area, DrawResult, Ink, Scale, axes};
use crate::report::numbers::{grouped, percent};
use crate::report::page;

/// Width and height in CSS pixels.
const SIZE: (u32, u32) = (440, 340);

/// The section on calibration.
pub fn section(reliability: &Reliability) -> Markup {
    let caption = format!(
        "Reliability: windows sorted by confidence (the softmax of the scores) into ten bins. Bars are the share that is \
         right; on the line it would be as large as the confidence. The expected calibration error is {}.",
        percent(reliability.error)
    );
    let body = html! {
        div.grid.halves {
            figure {
                (super::chart(SIZE, &caption, |area| draw(area, reliability)))
                figcaption { (caption) }
            }
            (table(reliability))
        }
    };
    page::section("Calibration", words(reliability), &body)
}

/// The sentence on whether the scores are too confident.
fn words(reliability: &Reliability) -> String {
    let n_windows: u64 = reliability.n_windows.iter().sum();
    let mean = |values: &[f64]| {
        let sum: f64 = values.iter().zip(&reliability.n_windows).map(|(value, &n)| value * n as f64).sum();
        sum / n_windows.max(1) as f64
    };
    let (confidence, accuracy) = (mean(&reliability.confidence), mean(&reliability.accuracy));
    let verdict = match confidence - accuracy {
        gap if gap > 0.03 => "it claims more than it keeps",
        gap if gap < -0.03 => "it claims less than it keeps",
        _ => "on the whole it keeps what it claims",
    };
    format!("Mean confidence {}, accuracy {}: {verdict}.", percent(confidence), percent(accuracy))
}

/// The diagram as a drawing.
pub fn canvas(reliability: &Reliability) -> Canvas {
    super::drawn(SIZE, |area| draw(area, reliability))
}

fn draw(area: &Area<'_>, reliability: &Reliability) -> DrawResult {
    let scale = || Scale::new(0.0, 1.0, 5.0);
    let mut chart = axes(area, (scale(), scale()), (58, 44), Some(("confidence", "accuracy")))?;
    let n_bins = reliability.n_windows.len();
    for (bin, (&n_windows, &accuracy)) in reliability.n_windows.iter().zip(&reliability.accuracy).enumerate() {
        let end = |bin: usize| bin as f64 / n_bins as f64;
        if n_windows > 0 {
            let corners = [(end(bin) + 0.006, 0.0), (end(bin + 1) - 0.006, accuracy.clamp(0.0, 1.0))];
            chart.draw_series([Rectangle::new(corners, Ink::Accent.mark().mix(0.75).filled())])?;
        }
    }
    chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], Ink::Muted.mark().stroke_width(6)))?;
    Ok(())
}

fn table(reliability: &Reliability) -> Markup {
    let n_bins = reliability.n_windows.len();
    html! {
        table.figures {
            caption { "The same in numbers" }
            thead {
                tr {
                    th scope="col" { "bin" }
                    th.number scope="col" { "confidence" }
                    th.number scope="col" { "accuracy" }
                    th.number scope="col" { "windows" }
                }
            }
            tbody {
                @for (bin, &n_windows) in reliability.n_windows.iter().enumerate().filter(|&(_, &n)| n > 0) {
                    tr {
                        th scope="row" { (100 * bin / n_bins) "–" (100 * (bin + 1) / n_bins) " %" }
                        td.number { (percent(reliability.confidence[bin])) }
                        td.number { (percent(reliability.accuracy[bin])) }
                        td.number { (grouped(n_windows)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_which_way_it_errs() {
        let verdict = |scores: &[f32], labels: &[u32]| words(&Reliability::from_scores(scores, labels, 2));
        let sure = [9.0, 0.0].repeat(4);
        assert!(verdict(&sure, &[0, 0, 1, 1]).contains("claims more"));
        assert!(verdict(&sure, &[0, 0, 0, 0]).contains("keeps what it claims"));
        assert!(verdict(&[0.1, 0.0].repeat(4), &[0, 0, 0, 0]).contains("claims less"));
    }
}
