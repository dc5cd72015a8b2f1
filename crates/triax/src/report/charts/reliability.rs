//! Accuracy by how sure the network was: of its probability, with the diagonal of perfect calibration; of scores that are no
//! probabilities, by the lead of the answer.

use maud::{Markup, html};
use plotters::prelude::*;
use triax_study::{Measure, Reliability};

use super::canvas::Canvas;
use super::{Area, DrawResult, Ink, Scale, axes};
use crate::report::numbers::{decimals, grouped, percent};
use crate::report::page;

/// Width and height in CSS pixels.
const SIZE: (u32, u32) = (440, 340);

/// The section on whether the network is right more often where it is surer.
pub fn section(reliability: &Reliability) -> Markup {
    let (heading, caption) = match reliability.measure {
        Measure::Probability => {
            let error = reliability
                .error
                .map_or_else(String::new, |error| format!(" The expected calibration error is {}.", percent(error)));
            let caption = format!(
                "Reliability: windows sorted by confidence (the softmax of the scores) into ten bins. Bars are the share that is \
                 right; on the line it would be as large as the confidence.{error}"
            );
            ("Calibration", caption)
        }
        Measure::Lead => {
            let caption = "Windows sorted by the lead of the answer: its score less the next one, in units of the margin. Bars are \
                           the share that is right. Scores of a hinge are no probabilities, and are not read as such.";
            ("Score and accuracy", caption.to_owned())
        }
    };
    let body = html! {
        div.grid.halves {
            figure {
                (super::chart(SIZE, &caption, |area| draw(area, reliability)))
                figcaption { (caption) }
            }
            (table(reliability))
        }
    };
    page::section(heading, words(reliability), &body)
}

/// The sentence on what a surer answer is worth.
fn words(reliability: &Reliability) -> String {
    match reliability.measure {
        Measure::Probability => words_on_calibration(reliability),
        Measure::Lead => words_on_lead(reliability),
    }
}

/// The sentence on whether the scores are too confident.
fn words_on_calibration(reliability: &Reliability) -> String {
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

/// The sentence on how often answers with little and with much lead are right.
fn words_on_lead(reliability: &Reliability) -> String {
    // One margin.
    let one = (1.0 / Measure::Lead.bin_width()).round() as usize;
    let right = |bins: std::ops::Range<usize>| {
        let (windows, accuracy) = (&reliability.n_windows[bins.clone()], &reliability.accuracy[bins]);
        let n: u64 = windows.iter().sum();
        let correct: f64 = windows.iter().zip(accuracy).map(|(&n, accuracy)| n as f64 * accuracy).sum();
        match n {
            0 => "there are none".to_owned(),
            n => format!("{} of {} are right", percent(correct / n as f64), grouped(n)),
        }
    };
    let n_bins = reliability.n_windows.len();
    let one = one.min(n_bins);
    format!(
        "Of the answers that lead by less than 1, {}; of those that lead by more, {}.",
        right(0..one),
        right(one..n_bins)
    )
}

/// The diagram as a drawing.
pub fn canvas(reliability: &Reliability) -> Canvas {
    super::drawn(SIZE, |area| draw(area, reliability))
}

fn draw(area: &Area<'_>, reliability: &Reliability) -> DrawResult {
    let (n_bins, width) = (reliability.n_windows.len(), reliability.measure.bin_width());
    let end = |bin: usize| bin as f64 * width;
    let (name, ticks) = match reliability.measure {
        Measure::Probability => ("confidence", 5.0),
        Measure::Lead => ("lead of the answer; the last bar: and more", 5.0),
    };
    let scales = (Scale::new(0.0, end(n_bins), ticks), Scale::new(0.0, 1.0, 5.0));
    let mut chart = axes(area, scales, (58, 44), Some((name, "accuracy")))?;
    for (bin, (&n_windows, &accuracy)) in reliability.n_windows.iter().zip(&reliability.accuracy).enumerate() {
        let gap = 0.06 * width;
        if n_windows > 0 {
            let corners = [(end(bin) + gap, 0.0), (end(bin + 1) - gap, accuracy.clamp(0.0, 1.0))];
            chart.draw_series([Rectangle::new(corners, Ink::Accent.mark().mix(0.75).filled())])?;
        }
    }
    if reliability.measure == Measure::Probability {
        chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], Ink::Muted.mark().stroke_width(6)))?;
    }
    Ok(())
}

/// The ends of a bin, in words.
fn ends(reliability: &Reliability, bin: usize) -> String {
    let (n_bins, width) = (reliability.n_windows.len(), reliability.measure.bin_width());
    match reliability.measure {
        Measure::Probability => format!("{}–{} %", 100 * bin / n_bins, 100 * (bin + 1) / n_bins),
        Measure::Lead if bin + 1 == n_bins => format!("from {}", decimals(bin as f64 * width, 1)),
        Measure::Lead => format!("{}–{}", decimals(bin as f64 * width, 1), decimals((bin + 1) as f64 * width, 1)),
    }
}

fn table(reliability: &Reliability) -> Markup {
    let (name, value): (_, fn(f64) -> String) = match reliability.measure {
        Measure::Probability => ("confidence", percent),
        Measure::Lead => ("lead", |lead| decimals(lead, 2)),
    };
    html! {
        table.figures {
            caption { "The same in numbers" }
            thead {
                tr {
                    th scope="col" { "bin" }
                    th.number scope="col" { (name) }
                    th.number scope="col" { "accuracy" }
                    th.number scope="col" { "windows" }
                }
            }
            tbody {
                @for (bin, &n_windows) in reliability.n_windows.iter().enumerate().filter(|&(_, &n)| n > 0) {
                    tr {
                        th scope="row" { (ends(reliability, bin)) }
                        td.number { (value(reliability.confidence[bin])) }
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
    use triax_losses::Loss;

    use super::*;

    #[test]
    fn the_words_say_which_way_it_errs() {
        let logits = Loss::CategoricalCrossentropy;
        let verdict = |scores: &[f32], labels: &[u32]| words(&Reliability::from_scores(scores, labels, 2, logits));
        let sure = [9.0, 0.0].repeat(4);
        assert!(verdict(&sure, &[0, 0, 1, 1]).contains("claims more"));
        assert!(verdict(&sure, &[0, 0, 0, 0]).contains("keeps what it claims"));
        assert!(verdict(&[0.1, 0.0].repeat(4), &[0, 0, 0, 0]).contains("claims less"));
    }

    #[test]
    fn a_hinge_score_is_not_read_as_a_probability() {
        let scores = [[0.25, 0.0], [0.5, -0.5], [-1.0, 1.5], [1.0, -1.0]].concat();
        let found = |loss| section(&Reliability::from_scores(&scores, &[1, 0, 1, 1], 2, loss)).into_string();
        for loss in [Loss::Hinge, Loss::SquaredHinge, Loss::CategoricalHinge] {
            let html = found(loss);
            assert!(html.contains("lead by less than 1, 0.0\u{a0}% of 1 are right"), "{html}");
            assert!(html.contains("lead by more, 66.7\u{a0}% of 3 are right"), "{html}");
            assert!(html.contains(">from 1.8<") && html.contains(">0.2–0.4<") && html.contains(">0.25<"), "{html}");
            for word in ["softmax", "onfidence", "alibration"] {
                assert!(!html.contains(word), "{word}");
            }
        }
        let html = found(Loss::CategoricalCrossentropy);
        assert!(
            html.contains("softmax") && html.contains("Calibration</h2>") && !html.contains("lead of the answer"),
            "{html}"
        );
    }
}
