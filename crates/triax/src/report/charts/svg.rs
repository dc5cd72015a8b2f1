//! Drawings as SVG: within a page, in the colours of the page, or as a file.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, Render as _};

use super::Ink;
use super::canvas::{Anchor, Canvas, Paint, Place, Shape};

/// The fonts of a file, the first of which a viewer has.
const FONTS: &str = "Open Sans, Helvetica, Arial, sans-serif";

/// `canvas` within a page. `title` is its name for screen readers.
pub fn in_page(canvas: &Canvas, title: &str) -> Markup {
    let ((width, height), title) = (canvas.size, title.render().into_string());
    let shapes = shapes(canvas, |ink| ink.css().to_owned());
    PreEscaped(format!(
        "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 {width} {height}\" font-family=\"inherit\" aria-label=\"{title}\">\
         <title>{title}</title>{shapes}</svg>"
    ))
}

/// `canvas` as a file in the colours of paper.
pub fn file(canvas: &Canvas, title: &str) -> String {
    let ((width, height), title) = (canvas.size, title.render().into_string());
    let shapes = shapes(canvas, |ink| {
        let [r, g, b] = ink.on_paper();
        format!("#{r:02x}{g:02x}{b:02x}")
    });
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"{FONTS}\">\n<title>{title}</title>\n{shapes}</svg>\n"
    )
}

/// The elements of all shapes.
fn shapes(canvas: &Canvas, colour: impl Fn(Ink) -> String) -> String {
    let mut svg = String::new();
    let list = |places: &[Place]| {
        places.iter().map(|place| format!("{},{}", short(place.0), short(place.1))).collect::<Vec<_>>().join(" ")
    };
    let with = |attribute: &str, Paint { ink, opacity }: Paint| {
        let opacity = if opacity < 1.0 { format!(" opacity=\"{}\"", short(opacity)) } else { String::new() };
        format!("{attribute}=\"{}\"{opacity}", colour(ink))
    };
    for shape in &canvas.shapes {
        let written = match shape {
            Shape::Line { places, width, paint } => writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke-width=\"{}\" {}/>",
                list(places),
                short(*width),
                with("stroke", *paint)
            ),
            Shape::Polygon { corners, paint } => {
                writeln!(svg, "<polygon points=\"{}\" {}/>", list(corners), with("fill", *paint))
            }
            Shape::Circle { center, radius, paint } => writeln!(
                svg,
                "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {}/>",
                short(center.0),
                short(center.1),
                short(*radius),
                with("fill", *paint)
            ),
            Shape::Text { at, text, size, anchor, is_turned, paint } => {
                let (x, y) = (short(at.0), short(at.1));
                let anchor = match anchor {
                    Anchor::Start => "",
                    Anchor::Middle => " text-anchor=\"middle\"",
                    Anchor::End => " text-anchor=\"end\"",
                };
                let turned = if *is_turned { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
                let (size, fill, text) = (short(*size), with("fill", *paint), text.render().into_string());
                writeln!(svg, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor}{turned} {fill}>{text}</text>")
            }
        };
        written.expect("memory can be written");
    }
    svg
}

/// Two decimals at most.
fn short(number: f32) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
