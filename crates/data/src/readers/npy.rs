//! One NumPy array: header, element type and order, as C-ordered numbers or texts.

use crate::DataError;

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
}

impl Array {
    /// Takes apart the content of a `.npy` file.
    pub fn parse(place: String, mut bytes: Vec<u8>) -> Result<Self, DataError> {
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
        let header = npyz::NpyHeader::from_reader(&bytes[..])
            .map_err(|error| broken(&format!("its header cannot be read ({error})")))?;
        let descr = header.dtype().descr();
        let (kind, size, big_endian) = element(&descr).ok_or_else(|| {
            DataError::malformed(
                &place,
                format!("its elements ({descr}) are neither integers nor float32 or float64"),
                "Convert it with `.astype(\"float32\")` before saving; pickled objects are never loaded",
            )
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

    /// The elements in C order, exact for every integer below 2⁵³; `None` for texts.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let (kind, big_endian) = (self.kind, self.big_endian);
        if kind == Kind::Text {
            return None;
        }
        Some(self.c_order(|element| number(kind, big_endian, element)))
    }

    /// The elements in C order as identifiers: texts as they are, whole numbers in decimal. `None` where a number is
    /// not whole.
    pub fn identifiers(&self) -> Option<Vec<String>> {
        if self.kind == Kind::Text {
            return Some(self.c_order(|element| text(self.big_endian, element)));
        }
        let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then(|| format!("{}", number as i64));
        self.numbers()?.into_iter().map(whole).collect()
    }

    fn c_order<T: Clone>(&self, decode: impl Fn(&[u8]) -> T) -> Vec<T> {
        if self.data.is_empty() {
            return Vec::new();
        }
        let elements: Vec<T> = self.data.chunks_exact(self.size).map(decode).collect();
        if !self.fortran {
            return elements;
        }
        let mut ordered = Vec::with_capacity(elements.len());
        let mut index = vec![0; self.shape.len()];
        for _ in 0..elements.len() {
            let mut stride = 1;
            let mut at = 0;
            for (i, n) in index.iter().zip(&self.shape) {
                at += i * stride;
                stride *= n;
            }
            ordered.push(elements[at].clone());
            for (i, n) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < *n {
                    break;
                }
                *i = 0;
            }
        }
        ordered
    }
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
        ('f', 4 | 8) => Some((Kind::Float, size, big_endian)),
        ('i', 1 | 2 | 4 | 8) => Some((Kind::Signed, size, big_endian)),
        ('u', 1 | 2 | 4 | 8) | ('b', 1) => Some((Kind::Unsigned, size, big_endian)),
        ('U', 1..=1000) => Some((Kind::Text, 4 * size, big_endian)),
        _ => None,
    }
}

fn number(kind: Kind, big_endian: bool, element: &[u8]) -> f64 {
    let mut bytes = [0; 8];
    let n = element.len();
    bytes[..n].copy_from_slice(element);
    if big_endian {
        bytes[..n].reverse();
    }
    let bits = u64::from_le_bytes(bytes);
    match (kind, n) {
        (Kind::Float, 4) => f64::from(f32::from_bits(bits as u32)),
        (Kind::Float, _) => f64::from_bits(bits),
        (Kind::Signed, _) => {
            let unused = 64 - 8 * n as u32;
            ((bits << unused) as i64 >> unused) as f64
        }
        _ => bits as f64,
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
