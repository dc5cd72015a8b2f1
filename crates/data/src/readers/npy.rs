//! One NumPy array: header, element type and order, as C-ordered numbers or texts.

use crate::DataError;
use std::ops::Range;

/// Longest header that is parsed; a plain array needs about 120 bytes, and the parser recurses into brackets.
const MAX_HEADER: usize = 1024;

/// An array as it lies in a file, checked to be complete.
pub(crate) struct Array {
    /// The full name of its file, for messages.
    pub place: String,
    pub shape: Vec<usize>,
    kind: Kind,
    size: usize,
    big_endian: bool,
    fortran: bool,
    /// Exactly the elements.
    data: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Float,
    Signed,
    Unsigned,
    /// UTF-32, padded with zeros.
    Text,
    /// Bytes of UTF-8, padded with zeros.
    Bytes,
}

impl Array {
    /// Takes apart the content of a `.npy` file; `object_remedy` says what to save instead of Python objects.
    pub fn parse(place: String, mut bytes: Vec<u8>, object_remedy: &str) -> Result<Self, DataError> {
        let broken = |problem: &str| {
            DataError::malformed(
                &place,
                problem,
                "Save the array again with numpy.save, numpy.savez or savez_compressed",
            )
        };
        let (n_length, length) = match bytes.get(6..12) {
            _ if !bytes.starts_with(b"\x93NUMPY") => return Err(broken("not a NumPy array")),
            Some([1, _, low, high, ..]) => (10, usize::from(u16::from_le_bytes([*low, *high]))),
            Some([2 | 3, _, a, b, c, d]) => (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
            _ => return Err(broken("cut short within its header, or of an unknown version")),
        };
        if length > MAX_HEADER {
            return Err(broken("its header describes no plain array of numbers"));
        }
        if overflows(bytes.get(n_length..n_length + length).unwrap_or_default()) {
            return Err(broken("its shape is larger than any memory"));
        }
        let header = npyz::NpyHeader::from_reader(&bytes[..])
            .map_err(|error| broken(&format!("its header cannot be read ({error})")))?;
        let descr = header.dtype().descr();
        let (kind, size, big_endian) = element(&descr).ok_or_else(|| {
            let (problem, remedy) = if descr.contains('O') {
                ("it holds Python objects, which are never loaded".to_owned(), object_remedy)
            } else {
                let problem = format!("its elements ({descr}) are neither integers nor float16, float32 or float64");
                (problem, "Convert it with `.astype(\"float32\")`, or names with `.astype(str)`, before saving")
            };
            DataError::malformed(&place, problem, remedy)
        })?;
        let shape: Option<Vec<usize>> = header.shape().iter().map(|n| usize::try_from(*n).ok()).collect();
        let expected = shape.as_ref().and_then(|shape| shape.iter().try_fold(size, |n, m| n.checked_mul(*m)));
        let start = n_length + length;
        let found = bytes.len().saturating_sub(start);
        let (Some(shape), Some(expected)) = (shape, expected) else {
            return Err(broken("its shape is larger than any memory"));
        };
        if found != expected {
            return Err(broken(&format!(
                "{found} bytes of data where its shape {shape:?} needs {expected}: cut short"
            )));
        }
        bytes.drain(..start);
        let fortran = header.order() == npyz::Order::Fortran;
        Ok(Self { place, shape, kind, size, big_endian, fortran, data: bytes })
    }

    /// Number of entries along the first axis.
    pub fn len(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Number of elements.
    pub fn n_elements(&self) -> usize {
        self.data.len() / self.size.max(1)
    }

    /// Bytes of its elements.
    pub fn n_bytes(&self) -> usize {
        self.data.len()
    }

    /// Whether its elements are texts.
    pub fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Bytes)
    }

    /// The elements of these indices in C order, exact for every integer below 2⁵³; texts are NaN.
    pub fn numbers(&self, indices: Range<usize>) -> impl Iterator<Item = f64> {
        self.elements(indices).map(|element| number(self.kind, self.big_endian, element))
    }

    /// The elements in C order as identifiers: texts as they are, whole numbers in decimal. `None` where a number is
    /// not whole, or a text is not UTF-8.
    pub fn identifiers(&self) -> impl Iterator<Item = Option<String>> {
        self.elements(0..self.n_elements()).map(|element| match self.kind {
            Kind::Text => Some(text(self.big_endian, element)),
            Kind::Bytes => {
                let length = element.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                String::from_utf8(element[..length].to_vec()).ok()
            }
            _ => {
                let number = number(self.kind, self.big_endian, element);
                (number.fract() == 0.0 && number.abs() < 9e15).then(|| format!("{}", number as i64))
            }
        })
    }

    /// The bytes of the elements of these indices in C order.
    fn elements(&self, indices: Range<usize>) -> impl Iterator<Item = &[u8]> {
        // In Fortran order, the index along each axis, and its step in elements.
        let mut index = vec![0; self.shape.len()];
        let mut steps = vec![1; self.shape.len()];
        if self.fortran {
            let mut rest = indices.start;
            for (i, n) in index.iter_mut().zip(&self.shape).rev() {
                (*i, rest) = (rest % (*n).max(1), rest / (*n).max(1));
            }
            for axis in 1..steps.len() {
                steps[axis] = steps[axis - 1] * self.shape[axis - 1];
            }
        }
        indices.map(move |c_order| {
            let mut at = c_order;
            if self.fortran {
                at = index.iter().zip(&steps).map(|(i, step)| i * step).sum();
                for (i, n) in index.iter_mut().zip(&self.shape).rev() {
                    *i += 1;
                    if *i < *n {
                        break;
                    }
                    *i = 0;
                }
            }
            &self.data[at * self.size..][..self.size]
        })
    }
}

/// Whether the shape in a header has more elements than can be counted, which the parser takes for granted that none has.
fn overflows(header: &[u8]) -> bool {
    let text = String::from_utf8_lossy(header);
    let shape = text.split_once("shape").and_then(|(_, rest)| rest.split_once('(')).map_or("", |(_, rest)| rest);
    let axes = shape.split(')').next().unwrap_or_default().split(',');
    let mut lengths = axes.filter_map(|axis| axis.trim().trim_end_matches('L').parse::<u64>().ok());
    lengths.try_fold(1u64, u64::checked_mul).is_none()
}

/// Kind, bytes and byte order of an element such as `'<f4'`.
fn element(descr: &str) -> Option<(Kind, usize, bool)> {
    let descr = descr.trim_matches('\'');
    let mut chars = descr.chars();
    let big_endian = match chars.next()? {
        '>' => true,
        '<' | '|' | '=' => false,
        _ => return None,
    };
    let letter = chars.next()?;
    let size: usize = chars.as_str().parse().ok()?;
    match (letter, size) {
        ('f', 2 | 4 | 8) => Some((Kind::Float, size, big_endian)),
        ('i', 1 | 2 | 4 | 8) => Some((Kind::Signed, size, big_endian)),
        ('u', 1 | 2 | 4 | 8) | ('b', 1) => Some((Kind::Unsigned, size, big_endian)),
        ('U', 1..=1000) => Some((Kind::Text, 4 * size, big_endian)),
        ('S', 1..=4000) => Some((Kind::Bytes, size, big_endian)),
        _ => None,
    }
}

fn number(kind: Kind, big_endian: bool, element: &[u8]) -> f64 {
    if matches!(kind, Kind::Text | Kind::Bytes) {
        return f64::NAN;
    }
    let mut bytes = [0; 8];
    let n = element.len();
    bytes[..n].copy_from_slice(element);
    if big_endian {
        bytes[..n].reverse();
    }
    let bits = u64::from_le_bytes(bytes);
    match (kind, n) {
        (Kind::Float, 2) => half(bits as u16),
        (Kind::Float, 4) => f64::from(f32::from_bits(bits as u32)),
        (Kind::Float, _) => f64::from_bits(bits),
        (Kind::Signed, _) => {
            let unused = 64 - 8 * n as u32;
            ((bits << unused) as i64 >> unused) as f64
        }
        _ => bits as f64,
    }
}

/// A number of IEEE 754 binary16: sign, five bits of exponent with bias 15, ten of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let fraction = f64::from(bits & 0x3FF) / 1024.0;
    sign * match bits >> 10 & 0x1F {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction) * 2f64.powi(i32::from(exponent) - 15),
    }
}

fn text(big_endian: bool, element: &[u8]) -> String {
    let code = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    let codes = element.chunks_exact(4).map(code).take_while(|code| *code != 0);
    codes.map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
