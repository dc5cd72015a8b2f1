//! The results of a benchmark as SVG: time per window by batch size, time per model by fleet, and the roofline.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::roofline::Stage;
use super::{Report, Row};

type DrawResult = Result<(), Box<dyn Error>>;

/// Width and height of each figure.
const FIGURE: (u32, u32) = (640, 440);
/// A colour for each series. People who do not see all colours can distinguish them, too (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const FONT: &str = "sans-serif";

/// A line of a figure.
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

/// The figures side by side, as the text of an SVG file.
pub fn svg(report: &Report) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (3 * FIGURE.0, FIGURE.1)).into_drawing_area();
        root.fill(&WHITE)?;
        let figures = root.split_evenly((1, 3));
        let window_cost = |row: &Row| (row.batch_size as f64, 1e6 / row.windows_per_second);
        lines(
            &figures[0],
            "cost of a window, one model",
            ("windows a batch", "µs a window"),
            &series(report, |row| row.models == 1, window_cost),
        )?;
        let model_cost = |row: &Row| (row.models as f64, row.seconds_per_model_epoch);
        let batch_size = report.roofline.batch_size;
        lines(
            &figures[1],
            &format!("cost of a model, batch {batch_size}"),
            ("models in the fleet", "seconds an epoch and model"),
            &series(report, |row| row.batch_size == batch_size, model_cost),
        )?;
        roofline(&figures[2], report)?;
        root.present()?;
    }
    Ok(svg)
}

/// A line for each engine and device, with the rows that satisfy `belongs`.
fn series(report: &Report, belongs: impl Fn(&Row) -> bool, point: impl Fn(&Row) -> (f64, f64)) -> Vec<Series> {
    let mut found: Vec<Series> = Vec::new();
    for row in report.rows.iter().filter(|row| belongs(row)) {
        let name = format!("{} on {}", row.engine, row.device);
        match found.iter_mut().find(|series| series.name == name) {
            Some(series) => series.points.push(point(row)),
            None => found.push(Series { name, points: vec![point(row)] }),
        }
    }
    found.iter_mut().for_each(|series| series.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    found
}

/// Series over logarithmic axes, with a legend.
fn lines(area: &DrawingArea<SVGBackend<'_>, Shift>, title: &str, axes: (&str, &str), all: &[Series]) -> DrawResult {
    let points = all.iter().flat_map(|series| series.points.iter().copied());
    let Some([x, y]) = ranges(points) else {
        return empty(area, title);
    };
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (x.0..x.1).log_scale().with_key_points(measured_at(all)),
            (y.0..y.1).log_scale().with_key_points(ticks(y)),
        )?;
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).x_label_formatter(&number).y_label_formatter(&number);
    mesh.x_desc(axes.0).y_desc(axes.1).draw()?;
    for (number, series) in all.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let line = LineSeries::new(series.points.iter().copied(), colour.stroke_width(2));
        chart
            .draw_series(line)?
            .label(&series.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart.draw_series(series.points.iter().map(|&at| Circle::new(at, 3, colour.filled())))?;
    }
    let mut legend = chart.configure_series_labels();
    legend
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// The roofline. A disc is the highest rate of a stage, limited by arithmetic or memory. A ring is the measured rate, which
/// can be higher if caches hold the data.
fn roofline(area: &DrawingArea<SVGBackend<'_>, Shift>, report: &Report) -> DrawResult {
    let (stages, peak, stream) = (&report.roofline.stages, report.sgemm_gflops, report.stream_gbytes);
    let title = format!("roofline of a step of {} on this CPU, and what fused reaches", report.roofline.batch_size);
    let ridge = peak / stream;
    let measured = |stage: &Stage| stage.measured.map(|measured| (stage.flop_per_byte, measured.gflops));
    let points = stages.iter().map(|stage| (stage.flop_per_byte, stage.gflops)).chain([(ridge, peak)]);
    let points = points.chain(stages.iter().filter_map(measured));
    let Some([x, y]) = ranges(points) else {
        return empty(area, &title);
    };
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (x.0..x.1).log_scale().with_key_points(ticks(x)),
            (y.0..y.1).log_scale().with_key_points(ticks(y)),
        )?;
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).x_label_formatter(&number).y_label_formatter(&number);
    mesh.x_desc("FLOP a byte").y_desc("GFLOP/s").draw()?;
    let roof = [(x.0, (stream * x.0).min(peak)), (ridge, peak), (x.1.max(ridge), peak)];
    chart.draw_series(LineSeries::new(roof, BLACK.stroke_width(2)))?;
    for (number, stage) in stages.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        // Offsets separate the names of neighbours.
        let offset = 10 + 12 * (number as i32 % 5);
        let at = (stage.flop_per_byte, stage.gflops);
        let style = (FONT, 11).into_font().color(&colour).pos(Pos::new(HPos::Right, VPos::Top));
        let mark = EmptyElement::at(at)
            + Circle::new((0, 0), 4, colour.filled())
            + Text::new(stage.name.clone(), (-6, offset), style);
        chart.draw_series([mark])?;
        if let Some(reached) = measured(stage) {
            chart.draw_series(LineSeries::new([at, reached], colour.mix(0.5)))?;
            chart.draw_series([Circle::new(reached, 4, colour.stroke_width(2))])?;
        }
    }
    Ok(())
}

/// A figure without measurements.
fn empty(area: &DrawingArea<SVGBackend<'_>, Shift>, title: &str) -> DrawResult {
    area.titled(title, (FONT, 18))?;
    Ok(())
}

/// The ranges of the axes, slightly larger than those of the points; none without points.
fn ranges(points: impl Iterator<Item = (f64, f64)>) -> Option<[(f64, f64); 2]> {
    let mut ends: Option<[(f64, f64); 2]> = None;
    for (x, y) in points {
        let [x_ends, y_ends] = ends.unwrap_or([(x, x), (y, y)]);
        ends = Some([(x_ends.0.min(x), x_ends.1.max(x)), (y_ends.0.min(y), y_ends.1.max(y))]);
    }
    ends.map(|[x, y]| [(x.0 / 1.5, x.1 * 1.5), (y.0 / 2.0, y.1 * 2.0)])
}

/// The x values of all points.
fn measured_at(all: &[Series]) -> Vec<f64> {
    let mut places: Vec<f64> = all.iter().flat_map(|series| series.points.iter().map(|point| point.0)).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    places
}

/// 1, 2 and 5 times the powers of ten within `ends`.
fn ticks(ends: (f64, f64)) -> Vec<f64> {
    let decades = ends.0.log10().floor() as i32..=ends.1.log10().ceil() as i32;
    let all = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(decade)));
    all.filter(|tick| (ends.0..=ends.1).contains(tick)).collect()
}

/// A number on an axis, with as many digits as it needs.
fn number(value: &f64) -> String {
    let digits = (1.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_reach_beyond_the_points() {
        assert_eq!(ranges([(16.0, 2.0), (32.0, 0.5)].into_iter()), Some([(16.0 / 1.5, 48.0), (0.25, 4.0)]));
        assert_eq!(ranges(std::iter::empty()), None);
    }

    #[test]
    fn ticks_are_round_numbers_within_the_axis() {
        assert_eq!(ticks((1.5, 60.0)), [2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(ticks((0.5, 1.0)).len(), 2);
    }

    #[test]
    fn numbers_have_the_digits_they_need() {
        let shown = [0.001, 0.05, 0.5, 1.0, 16.0, 1000.0].map(|value| number(&value));
        assert_eq!(shown, ["0.001", "0.05", "0.5", "1", "16", "1000"]);
    }
}
