//! Learning curves: a figure by epoch, in training and validation, with the band over folds and seeds.

use maud::{Markup, html};
use plotters::prelude::*;

use super::canvas::{Anchor, Canvas};
use super::{Area, DrawResult, Ink, LETTERS, Scale, axes, svg};

/// Width and height in CSS pixels.
const SIZE: (u32, u32) = (440, 270);
/// Height of the name and the key above a drawing.
const KEY: f32 = 26.0;
/// The most points of a curve; of more epochs, every n-th is drawn, and the last.
const MOST_POINTS: usize = 300;
/// The most epochs for which points are marked.
const DOTTED: usize = 12;

/// A figure after an epoch: its mean, and the ends of its band, which are the mean itself for a single training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Mean.
    pub mean: f64,
    /// Lower end of the band.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Point {
    fn is_finite(&self) -> bool {
        [self.mean, self.low, self.high].iter().all(|value| value.is_finite())
    }
}

/// The curves of one figure.
pub struct Curves {
    /// The name of the figure.
    pub name: &'static str,
    /// Whether it is a fraction. The axis of a fraction ends at 1, that of a loss starts at 0.
    pub is_fraction: bool,
    /// Over the training windows.
    pub train: Vec<Point>,
    /// Over the validation windows; empty if they were not followed.
    pub valid: Vec<Point>,
}

/// Loss and accuracy side by side, with their key.
pub fn figures(both: [Curves; 2], caption: &str) -> Markup {
    let has_valid = both.iter().any(|curves| !curves.valid.is_empty());
    html! {
        p.key {
            span { i style={ "--key:" (Ink::Muted.css()) } {} "training" }
            @if has_valid { span { i style={ "--key:" (Ink::Accent.css()) } {} "validation" } }
        }
        div.grid.halves {
            @for curves in both {
                @let name = curves.name;
                figure {
                    figcaption { strong { (name) } " by epoch" }
                    (chart(curves, &format!("{name} by epoch. {caption}")))
                }
            }
        }
        p.caption { (caption) }
    }
}

fn chart(curves: Curves, title: &str) -> Markup {
    svg::in_page(&canvas(curves), title)
}

fn canvas(curves: Curves) -> Canvas {
    let keep = |points: Vec<Point>| thinned(points.into_iter().filter(Point::is_finite).collect());
    let curves = Curves { train: keep(curves.train), valid: keep(curves.valid), ..curves };
    super::drawn(SIZE, |area| draw(area, &curves))
}

/// One figure as a drawing, with its name and key above it.
pub fn with_key(curves: Curves) -> Canvas {
    let (name, has_valid) = (format!("{} by epoch", curves.name), !curves.valid.is_empty());
    let mut canvas = canvas(curves).with_room_above(KEY);
    let size = LETTERS as f32;
    canvas.text((8.0, 17.0), &name, size, Anchor::Start, Ink::Letters);
    let mut entry = |x: f32, text: &str, ink: Ink| {
        canvas.line((x, 13.0), (x + 18.0, 13.0), 2.0, ink);
        canvas.text((x + 24.0, 17.0), text, size, Anchor::Start, Ink::Muted);
    };
    entry(230.0, "training", Ink::Muted);
    if has_valid {
        entry(330.0, "validation", Ink::Accent);
    }
    canvas
}

/// At most about [`MOST_POINTS`] of `points`, the first and the last among them.
fn thinned(mut points: Vec<Point>) -> Vec<Point> {
    let (every, last) = (points.len().div_ceil(MOST_POINTS).max(1), points.len().saturating_sub(1));
    let mut at = 0..;
    points.retain(|_| at.next().is_some_and(|at| at % every == 0 || at == last));
    points
}

fn draw(area: &Area<'_>, curves: &Curves) -> DrawResult {
    let points = || curves.train.iter().chain(&curves.valid);
    let last = points().map(|point| point.epoch).max().unwrap_or(1).max(2) as f64;
    let (least, most) =
        points().fold((f64::INFINITY, 0.0_f64), |(least, most), point| (least.min(point.low), most.max(point.high)));
    let (low, high) = match curves.is_fraction {
        // Down to the next tenth below the worst.
        true => (((least.min(0.9) * 10.0 - 0.2).floor() / 10.0).clamp(0.0, 0.8), 1.0),
        false => (0.0, if most > 0.0 { most * 1.05 } else { 1.0 }),
    };
    let scales = (Scale::whole_numbers(1.0, last, 8.0), Scale::new(low, high, 5.0));
    let mut chart = axes(area, scales, (42, 26), None)?;
    for (points, ink, width) in [(&curves.train, Ink::Muted, 6), (&curves.valid, Ink::Accent, 10)] {
        let at = |point: &Point, value: f64| (point.epoch as f64, value.clamp(low, high));
        if points.iter().any(|point| point.low < point.high) {
            let there = points.iter().map(|point| at(point, point.high));
            let back = points.iter().rev().map(|point| at(point, point.low));
            let band: Vec<_> = there.chain(back).collect();
            chart.draw_series([Polygon::new(band, ink.mark().mix(0.16))])?;
        }
        let line = || points.iter().map(|point| at(point, point.mean));
        chart.draw_series(LineSeries::new(line(), ink.mark().stroke_width(width)))?;
        if points.len() <= DOTTED {
            chart.draw_series(line().map(|at| Circle::new(at, width + 2, ink.mark().filled())))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(epoch: usize, mean: f64) -> Point {
        Point { epoch, mean, low: mean, high: mean }
    }

    fn drawn(train: Vec<Point>, is_fraction: bool) -> String {
        chart(Curves { name: "loss", is_fraction, train, valid: Vec::new() }, "loss").into_string()
    }

    #[test]
    fn curves_of_any_length_are_drawn() {
        for is_fraction in [false, true] {
            drawn(Vec::new(), is_fraction);
            assert!(drawn(vec![point(1, 0.0)], is_fraction).contains("<circle"));
            assert!(drawn(vec![point(1, 1.0), point(2, 1.0)], is_fraction).contains("<polyline"));
            assert!(!drawn((1..=500).map(|epoch| point(epoch, 0.5)).collect(), is_fraction).contains("<circle"));
        }
    }

    #[test]
    fn of_many_epochs_some_are_drawn_and_the_last() {
        let points = |n: usize| (1..=n).map(|epoch| point(epoch, 0.5)).collect::<Vec<_>>();
        assert_eq!(thinned(points(300)), points(300));
        let some = thinned(points(10_000));
        assert!((250..=MOST_POINTS + 1).contains(&some.len()), "{}", some.len());
        assert_eq!((some[0].epoch, some[some.len() - 1].epoch), (1, 10_000));
    }

    #[test]
    fn only_several_trainings_have_a_band() {
        let band = |low| vec![Point { low, ..point(1, 0.5) }, Point { low, ..point(2, 0.4) }];
        assert!(drawn(band(0.3), false).contains("<polygon"));
        assert!(!drawn(vec![point(1, 0.5), point(2, 0.4)], false).contains("<polygon"));
    }

    #[test]
    fn what_is_not_finite_is_left_out() {
        assert!(!drawn(vec![point(1, 1.0), point(2, f64::NAN), point(3, f64::INFINITY)], false).contains("NaN"));
    }
}
