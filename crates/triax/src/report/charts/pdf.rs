//! Drawings as PDF files of one page, with their font embedded.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{CidFontType, FontFlags, LineCapStyle, LineJoinStyle, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use ttf_parser::{Face, GlyphId};

use super::canvas::{Anchor, Canvas, Paint, Place, Shape};

/// Open Sans with Latin, Greek and Cyrillic letters; see `fonts/README.md`.
const FONT: &[u8] = include_bytes!("fonts/OpenSans-Latin.ttf");
/// Its name in a file. Six letters and a plus stand for a part of a font.
const FONT_NAME: Name<'_> = Name(b"TRIAXL+OpenSans");
const SYSTEM: SystemInfo<'_> = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
/// What stands for a letter that the font lacks.
const MISSING: char = '?';
/// Points in a CSS pixel.
const POINT: f32 = 0.75;
/// How far from an end of a quarter of a circle its Bézier curve has the next control point, in radii.
const QUARTER: f32 = 0.552_284_8;

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const TYPE0: Ref = Ref::new(5);
const CID_FONT: Ref = Ref::new(6);
const DESCRIPTOR: Ref = Ref::new(7);
const FONT_FILE: Ref = Ref::new(8);
const TO_UNICODE: Ref = Ref::new(9);
const INFO: Ref = Ref::new(10);

/// `canvas` as a PDF file of this title. Letters that the font lacks are shown as `?`.
pub fn file(canvas: &Canvas, title: &str) -> Vec<u8> {
    let face = Face::parse(FONT, 0).expect("the font of this crate is one");
    let mut page = Page {
        face: &face,
        height: canvas.size.1,
        content: Content::new(),
        glyphs: BTreeMap::new(),
        opacities: Vec::new(),
    };
    page.content.set_line_cap(LineCapStyle::RoundCap).set_line_join(LineJoinStyle::RoundJoin);
    canvas.shapes.iter().for_each(|shape| page.draw(shape));
    let Page { content, glyphs, opacities, .. } = page;

    let mut pdf = Pdf::new();
    pdf.document_info(INFO).title(TextStr(title)).producer(TextStr("Triax"));
    pdf.catalog(CATALOG).pages(PAGES);
    pdf.pages(PAGES).kids([PAGE]).count(1);
    let mut dictionary = pdf.page(PAGE);
    dictionary.parent(PAGES).contents(CONTENT);
    dictionary.media_box(Rect::new(0.0, 0.0, canvas.size.0 * POINT, canvas.size.1 * POINT));
    let mut resources = dictionary.resources();
    resources.fonts().pair(Name(b"F"), TYPE0);
    let mut states = resources.ext_g_states();
    for (n, opacity) in opacities.iter().enumerate() {
        let mut state =
            states.insert(Name(state_name(n).as_bytes())).start::<pdf_writer::writers::ExtGraphicsState<'_>>();
        state.non_stroking_alpha(*opacity).stroking_alpha(*opacity);
    }
    states.finish();
    resources.finish();
    dictionary.finish();
    let content = deflated(&content.finish());
    pdf.stream(CONTENT, &content).filter(Filter::FlateDecode);
    embed(&mut pdf, &face, &glyphs);
    pdf.finish()
}

/// Embeds the font, of which `glyphs` are used, each with the letter that it is.
fn embed(pdf: &mut Pdf, face: &Face<'_>, glyphs: &BTreeMap<u16, char>) {
    let units = f32::from(face.units_per_em());
    let thousandths = |units_of_font: i16| f32::from(units_of_font) / units * 1000.0;
    pdf.type0_font(TYPE0)
        .base_font(FONT_NAME)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(CID_FONT)
        .to_unicode(TO_UNICODE);
    let mut font = pdf.cid_font(CID_FONT);
    font.subtype(CidFontType::Type2).base_font(FONT_NAME).system_info(SYSTEM).font_descriptor(DESCRIPTOR);
    font.cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = font.widths();
    for &glyph in glyphs.keys() {
        widths.consecutive(glyph, [advance(face, GlyphId(glyph)) * 1000.0]);
    }
    widths.finish();
    font.finish();
    let bounds = face.global_bounding_box();
    pdf.font_descriptor(DESCRIPTOR)
        .name(FONT_NAME)
        .flags(FontFlags::SYMBOLIC)
        .bbox(Rect::new(
            thousandths(bounds.x_min),
            thousandths(bounds.y_min),
            thousandths(bounds.x_max),
            thousandths(bounds.y_max),
        ))
        .italic_angle(0.0)
        .ascent(thousandths(face.ascender()))
        .descent(thousandths(face.descender()))
        .cap_height(thousandths(face.capital_height().unwrap_or(1462)))
        .stem_v(80.0)
        .font_file2(FONT_FILE);
    let file = deflated(FONT);
    pdf.stream(FONT_FILE, &file).filter(Filter::FlateDecode).pair(Name(b"Length1"), FONT.len() as i32);
    let mut letters = UnicodeCmap::new(Name(b"Custom"), SYSTEM);
    glyphs.iter().for_each(|(&glyph, &letter)| letters.pair(glyph, letter));
    pdf.cmap(TO_UNICODE, &letters.finish());
}

/// The contents of a page as they are written.
struct Page<'a> {
    face: &'a Face<'a>,
    /// In CSS pixels.
    height: f32,
    content: Content,
    /// The glyphs that were used, each with its letter.
    glyphs: BTreeMap<u16, char>,
    /// The opacities that were used.
    opacities: Vec<f32>,
}

impl Page<'_> {
    /// A place in points from the lower left corner.
    fn at(&self, (x, y): Place) -> Place {
        (x * POINT, (self.height - y) * POINT)
    }

    fn paint(&mut self, Paint { ink, opacity }: Paint) {
        let known = self.opacities.iter().position(|other| *other == opacity).unwrap_or_else(|| {
            self.opacities.push(opacity);
            self.opacities.len() - 1
        });
        let [r, g, b] = ink.on_paper().map(|part| f32::from(part) / 255.0);
        self.content.set_parameters(Name(state_name(known).as_bytes()));
        self.content.set_fill_rgb(r, g, b).set_stroke_rgb(r, g, b);
    }

    fn path(&mut self, places: &[Place]) {
        for (n, &place) in places.iter().enumerate() {
            let (x, y) = self.at(place);
            if n == 0 {
                self.content.move_to(x, y)
            } else {
                self.content.line_to(x, y)
            };
        }
    }

    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Line { places, width, paint } => {
                self.paint(*paint);
                self.content.set_line_width(width * POINT);
                self.path(places);
                self.content.stroke();
            }
            Shape::Polygon { corners, paint } => {
                self.paint(*paint);
                self.path(corners);
                self.content.close_path().fill_nonzero();
            }
            Shape::Circle { center, radius, paint } => {
                self.paint(*paint);
                let ((x, y), r) = (self.at(*center), radius * POINT);
                let c = QUARTER * r;
                self.content.move_to(x + r, y);
                self.content.cubic_to(x + r, y + c, x + c, y + r, x, y + r);
                self.content.cubic_to(x - c, y + r, x - r, y + c, x - r, y);
                self.content.cubic_to(x - r, y - c, x - c, y - r, x, y - r);
                self.content.cubic_to(x + c, y - r, x + r, y - c, x + r, y);
                self.content.fill_nonzero();
            }
            Shape::Text { at, text, size, anchor, is_turned, paint } => {
                self.paint(*paint);
                let size = size * POINT;
                let (glyphs, width) = self.glyphs(text);
                let back = size
                    * width
                    * match anchor {
                        Anchor::Start => 0.0,
                        Anchor::Middle => 0.5,
                        Anchor::End => 1.0,
                    };
                let (x, y) = self.at(*at);
                let matrix =
                    if *is_turned { [0.0, 1.0, -1.0, 0.0, x, y - back] } else { [1.0, 0.0, 0.0, 1.0, x - back, y] };
                self.content.begin_text().set_font(Name(b"F"), size).set_text_matrix(matrix);
                self.content.show(Str(&glyphs)).end_text();
            }
        }
    }

    /// The glyphs of `text`, two bytes each, and their width in sizes of the font.
    fn glyphs(&mut self, text: &str) -> (Vec<u8>, f32) {
        let (mut bytes, mut width) = (Vec::new(), 0.0);
        for letter in text.chars() {
            let found = self.face.glyph_index(letter).map(|glyph| (glyph, letter));
            let missing = || self.face.glyph_index(MISSING).map(|glyph| (glyph, MISSING));
            if let Some((glyph, letter)) = found.or_else(missing) {
                bytes.extend(glyph.0.to_be_bytes());
                width += advance(self.face, glyph);
                self.glyphs.insert(glyph.0, letter);
            }
        }
        (bytes, width)
    }
}

/// The width of `glyph` in sizes of the font.
fn advance(face: &Face<'_>, glyph: GlyphId) -> f32 {
    f32::from(face.glyph_hor_advance(glyph).unwrap_or(0)) / f32::from(face.units_per_em())
}

fn state_name(n: usize) -> String {
    format!("G{n}")
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory can be written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::charts::Ink;

    fn drawn(text: &str) -> String {
        let mut canvas = Canvas::new((100.0, 40.0));
        canvas.text((5.0, 20.0), text, 12.0, Anchor::Middle, Ink::Letters);
        canvas.circle((50.0, 20.0), 5.0, Paint { ink: Ink::Accent, opacity: 0.5 });
        String::from_utf8_lossy(&file(&canvas, "a title")).into_owned()
    }

    #[test]
    fn a_file_holds_its_page_and_its_font() {
        let pdf = drawn("F1 α ё −0.5");
        for part in
            ["%PDF-1.7", "/MediaBox [0 0 75 30]", "/FontFile2", "/TRIAXL+OpenSans", "/ca 0.5", "a title", "%%EOF"]
        {
            assert!(pdf.contains(part), "`{part}` is missing");
        }
    }

    #[test]
    fn letters_that_the_font_lacks_become_question_marks() {
        // The map from glyphs to letters, which copying text from the file follows: U+003F is a question mark.
        assert!(drawn("走").contains("<003F>") && !drawn("走").contains("<8D70>"));
        assert!(drawn("−").contains("<2212>"));
    }
}
