//! Charts: in a page as SVG in its colours, also in dark mode and in print; for a paper as files of SVG and PDF.
//!
//! plotters draws on a [`Canvas`], with fixed colours and integer coordinates. So each colour stands for one of the page, and
//! a CSS pixel has four units. `svg` and `pdf` write what is on the canvas.

pub mod canvas;
pub mod curves;
pub mod forest;
pub mod inline;
pub mod legend;
pub mod matrix;
pub mod pdf;
pub mod reliability;
mod scale;
pub mod signals;
pub mod slices;
pub mod svg;

use std::error::Error;

use maud::Markup;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::prelude::*;
use plotters::style::TextStyle;

use canvas::{Canvas, Recorder};
use scale::Scale;

/// The drawing area of a chart.
type Area<'a> = DrawingArea<Recorder<'a>, Shift>;
/// The result of drawing. A drawing in memory does not fail.
type DrawResult = Result<(), Box<dyn Error>>;

/// Units per CSS pixel.
const UNIT: u32 = 4;
/// Size of letters, in CSS pixels at the chart's own width.
const LETTERS: u32 = 13;

/// A colour of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Lines of the grid.
    Grid,
    /// Labels and secondary lines.
    Muted,
    /// The most important series.
    Accent,
    /// A second series beside the accent.
    Second,
    /// A third one.
    Third,
    /// The background.
    Page,
    /// Text.
    Letters,
}

/// The colours of a signal's channels, in turn.
pub const CHANNELS: [Ink; 4] = [Ink::Accent, Ink::Second, Ink::Third, Ink::Muted];

impl Ink {
    const ALL: [Self; 7] =
        [Self::Grid, Self::Muted, Self::Accent, Self::Second, Self::Third, Self::Page, Self::Letters];

    /// What stands for it where plotters draws.
    const fn mark(self) -> RGBColor {
        RGBColor(1, 2, self as u8)
    }

    /// The colour that `mark` stands for; for a colour of plotters' own, that of text.
    fn of_mark(mark: RGBColor) -> Self {
        Self::ALL.into_iter().find(|ink| ink.mark() == mark).unwrap_or(Self::Letters)
    }

    /// The variable of the style sheet.
    pub const fn css(self) -> &'static str {
        match self {
            Self::Grid => "var(--grid)",
            Self::Muted => "var(--muted)",
            Self::Accent => "var(--accent)",
            Self::Second => "var(--second)",
            Self::Third => "var(--third)",
            Self::Page => "var(--page)",
            Self::Letters => "var(--ink)",
        }
    }

    /// The colour on white paper: red, green, blue.
    pub const fn on_paper(self) -> [u8; 3] {
        match self {
            Self::Grid => [0xe4, 0xe4, 0xdf],
            Self::Muted => [0x5e, 0x63, 0x6e],
            Self::Accent => [0x0b, 0x62, 0xb8],
            Self::Second => [0xc2, 0x57, 0x0c],
            Self::Third => [0x0f, 0x7b, 0x5f],
            Self::Page => [0xff, 0xff, 0xff],
            Self::Letters => [0x1b, 0x1d, 0x22],
        }
    }
}

/// What `draw` draws on an area of `size` CSS pixels.
fn drawn(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> DrawResult) -> Canvas {
    let mut canvas = Canvas::new((size.0 as f32, size.1 as f32));
    {
        let area = Recorder(&mut canvas).into_drawing_area();
        draw(&area).and_then(|()| Ok(area.present()?)).expect("a drawing in memory");
    }
    canvas
}

/// The chart of a page that `draw` draws on an area of `size` CSS pixels. `title` is its name for screen readers.
fn chart(size: (u32, u32), title: &str, draw: impl FnOnce(&Area<'_>) -> DrawResult) -> Markup {
    svg::in_page(&drawn(size, draw), title)
}

/// The axes of a chart: horizontal grid lines, round numbers, margins to the left and below of `size` CSS pixels, and the
/// names of the axes, if any.
fn axes<'a>(
    area: &Area<'a>,
    (x, y): (Scale, Scale),
    size: (u32, u32),
    names: Option<(&str, &str)>,
) -> Result<ChartContext<'a, Recorder<'a>, Cartesian2d<Scale, Scale>>, Box<dyn Error>> {
    let n_labels = (x.ticks().len(), y.ticks().len());
    let mut chart = ChartBuilder::on(area)
        .margin_top(8 * UNIT)
        .margin_right(14 * UNIT)
        .x_label_area_size(size.1 * UNIT)
        .y_label_area_size(size.0 * UNIT)
        .build_cartesian_2d(x, y)?;
    let thin = Ink::Grid.mark().stroke_width(UNIT);
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh().light_line_style(TRANSPARENT).bold_line_style(thin).axis_style(thin);
    // Tick marks in the colour of the grid separate the numbers from the axis.
    mesh.set_all_tick_mark_size(5 * UNIT as i32)
        .label_style(letters())
        .axis_desc_style(letters())
        .x_labels(n_labels.0)
        .y_labels(n_labels.1);
    if let Some((x, y)) = names {
        mesh.x_desc(x).y_desc(y);
    }
    mesh.draw()?;
    Ok(chart)
}

/// The style of the numbers on axes.
fn letters() -> TextStyle<'static> {
    ("inherit", f64::from(LETTERS * UNIT) * 1.24).into_font().color(&Ink::Muted.mark())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_the_colours_of_the_page_and_a_title_that_is_escaped() {
        let line = [(0, 0), (9, 9)];
        let draw = |area: &Area<'_>| Ok(area.draw(&PathElement::new(line, Ink::Accent.mark()))?);
        let svg = chart((10, 10), "<script>", draw).into_string();
        assert!(svg.contains("stroke=\"var(--accent)\"") && !svg.contains('#'), "{svg}");
        assert!(svg.contains("<title>&lt;script&gt;</title>") && !svg.contains("<script"), "{svg}");
        assert!(svg.trim_end().ends_with("</svg>"), "{svg}");
    }
}
