//! A drawing as a list of shapes, which is then written as SVG or PDF.

use std::convert::Infallible;

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontTransform};

use super::{Ink, UNIT};

/// A place in CSS pixels, to the right and down from the upper left corner.
pub type Place = (f32, f32);

/// A colour with its opacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paint {
    /// The colour.
    pub ink: Ink,
    /// From 0, invisible, to 1.
    pub opacity: f32,
}

impl From<Ink> for Paint {
    fn from(ink: Ink) -> Self {
        Self { ink, opacity: 1.0 }
    }
}

/// Where a text has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At its first letter.
    Start,
    /// In its middle.
    Middle,
    /// At its last letter.
    End,
}

/// A shape. Lengths are CSS pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A line through places.
    Line { places: Vec<Place>, width: f32, paint: Paint },
    /// A filled polygon.
    Polygon { corners: Vec<Place>, paint: Paint },
    /// A filled circle.
    Circle { center: Place, radius: f32, paint: Paint },
    /// A line of text, whose baseline is at its place; turned to run upwards if asked for.
    Text { at: Place, text: String, size: f32, anchor: Anchor, is_turned: bool, paint: Paint },
}

/// A drawing of this width and height in CSS pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    /// Width and height.
    pub size: (f32, f32),
    /// The shapes, those behind first.
    pub shapes: Vec<Shape>,
}

impl Canvas {
    /// An empty drawing.
    pub fn new(size: (f32, f32)) -> Self {
        Self { size, shapes: Vec::new() }
    }

    /// Draws a straight line.
    pub fn line(&mut self, from: Place, to: Place, width: f32, paint: impl Into<Paint>) {
        self.shapes.push(Shape::Line { places: vec![from, to], width, paint: paint.into() });
    }

    /// Draws a filled rectangle.
    pub fn rectangle(&mut self, (left, top): Place, (right, bottom): Place, paint: impl Into<Paint>) {
        let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
        self.shapes.push(Shape::Polygon { corners, paint: paint.into() });
    }

    /// Draws a filled circle.
    pub fn circle(&mut self, center: Place, radius: f32, paint: impl Into<Paint>) {
        self.shapes.push(Shape::Circle { center, radius, paint: paint.into() });
    }

    /// Writes `text`.
    pub fn text(&mut self, at: Place, text: &str, size: f32, anchor: Anchor, paint: impl Into<Paint>) {
        let text = text.to_owned();
        self.shapes.push(Shape::Text { at, text, size, anchor, is_turned: false, paint: paint.into() });
    }

    /// Writes `text` upwards from its place.
    pub fn text_upwards(&mut self, at: Place, text: &str, size: f32, paint: impl Into<Paint>) {
        let (text, anchor) = (text.to_owned(), Anchor::Start);
        self.shapes.push(Shape::Text { at, text, size, anchor, is_turned: true, paint: paint.into() });
    }

    /// The same drawing with `height` pixels of room above it.
    pub fn with_room_above(mut self, height: f32) -> Self {
        self.size.1 += height;
        for shape in &mut self.shapes {
            match shape {
                Shape::Line { places, .. } | Shape::Polygon { corners: places, .. } => {
                    places.iter_mut().for_each(|place| place.1 += height);
                }
                Shape::Circle { center: place, .. } | Shape::Text { at: place, .. } => place.1 += height,
            }
        }
        self
    }
}

/// Takes what plotters draws. plotters has integer coordinates, [`UNIT`] of which are a CSS pixel.
pub struct Recorder<'a>(pub &'a mut Canvas);

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

fn length(units: f64) -> f32 {
    units as f32 / UNIT as f32
}

fn place((x, y): BackendCoord) -> Place {
    (length(f64::from(x)), length(f64::from(y)))
}

fn paint(color: BackendColor) -> Paint {
    let (r, g, b) = color.rgb;
    Paint { ink: Ink::of_mark(RGBColor(r, g, b)), opacity: color.alpha as f32 }
}

impl Recorder<'_> {
    fn push(&mut self, shape: impl FnOnce(Paint) -> Shape, color: BackendColor) -> Drawn {
        if color.alpha > 0.0 {
            self.0.shapes.push(shape(paint(color)));
        }
        Ok(())
    }
}

impl DrawingBackend for Recorder<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        let units = |pixels: f32| (pixels * UNIT as f32).round() as u32;
        (units(self.0.size.0), units(self.0.size.1))
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect(point, (point.0 + 1, point.1 + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let ((left, top), (right, bottom)) = (upper_left, bottom_right);
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
        match fill {
            true => self.fill_polygon(corners, style),
            false => self.draw_path(corners.into_iter().chain([(left, top)]), style),
        }
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let (places, width) = (path.into_iter().map(place).collect(), length(style.stroke_width().into()));
        self.push(|paint| Shape::Line { places, width, paint }, style.color())
    }

    /// No chart has a circle that is not filled.
    fn draw_circle<S: BackendStyle>(&mut self, center: BackendCoord, radius: u32, style: &S, _fill: bool) -> Drawn {
        let (center, radius) = (place(center), length(radius.into()));
        self.push(|paint| Shape::Circle { center, radius, paint }, style.color())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, corners: I, style: &S) -> Drawn {
        let corners = corners.into_iter().map(place).collect();
        self.push(|paint| Shape::Polygon { corners, paint }, style.color())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        // plotters' sizes are those of lines; letters are smaller.
        let size = length(style.size() / 1.24);
        let anchor = match style.anchor().h_pos {
            HPos::Left => Anchor::Start,
            HPos::Center => Anchor::Middle,
            HPos::Right => Anchor::End,
        };
        // From the place to the baseline, in sizes of letters.
        let down = size
            * match style.anchor().v_pos {
                VPos::Top => 0.76,
                VPos::Center => 0.27,
                VPos::Bottom => -0.27,
            };
        let is_turned = matches!(style.transform(), FontTransform::Rotate270);
        let (x, y) = place(at);
        let at = if is_turned { (x + down, y) } else { (x, y + down) };
        let text = text.to_owned();
        self.push(|paint| Shape::Text { at, text, size, anchor, is_turned, paint }, style.color())
    }
}
