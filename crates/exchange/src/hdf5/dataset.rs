//! Data sets: where their values are, and the values.

use super::Hdf5Error;
use super::bytes::{File, Reader};
use super::chunks::{Chunks, Filter};
use super::datatype::{Datatype, shape};
use super::header::{Message, kind};

/// An array of numbers in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<'a> {
    /// The lengths of its dimensions; none for a single number.
    pub shape: Vec<usize>,
    /// Where it is described in the file.
    at: u64,
    /// The values as they are stored, or why they cannot be read.
    stored: Result<Stored<'a>, String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Stored<'a> {
    /// Bytes of a number.
    width: usize,
    layout: Layout<'a>,
}

#[derive(Clone, Debug, PartialEq)]
enum Layout<'a> {
    /// All values, one after the other.
    Whole(&'a [u8]),
    /// In pieces.
    Chunked(Chunks<'a>),
}

impl<'a> Dataset<'a> {
    /// The data set that the messages of the object at `at` describe.
    pub(super) fn read(file: &File<'a>, at: u64, messages: &[Message<'a>]) -> Result<Self, Hdf5Error> {
        let message = |kind: u16| messages.iter().find(|message| message.kind == kind);
        let Some(space) = message(kind::DATASPACE) else {
            return file.at(at)?.refuse("an object is neither a group nor a data set");
        };
        let shape = shape(space.body)?;
        let needed = [kind::DATATYPE, kind::LAYOUT].map(message);
        let stored = match needed {
            [Some(datatype), Some(layout)] if !datatype.is_shared && !space.is_shared => {
                match Datatype::read(datatype.body)? {
                    Datatype::Float(width) => {
                        let filters = message(kind::FILTERS).map(|message| Filter::read_all(message.body));
                        let filters = filters.transpose()?.unwrap_or_default();
                        Layout::read(file, layout.body, &shape, width, filters)
                            .map(|layout| Stored { width, layout })
                            .map_err(|error| error.to_string())
                    }
                    Datatype::Other(words) => Err(format!("it holds {words}; save it as float32")),
                    Datatype::FixedText(_) | Datatype::Text => Err("it holds texts, not numbers".into()),
                }
            }
            _ => Err("its type is described elsewhere in the file; save it anew with Keras".into()),
        };
        Ok(Self { shape, at, stored })
    }

    /// The values in the order of rows (the last dimension varies fastest). float16 is exact in float32; float64 is rounded to
    /// the nearest float32, as Keras does where it loads such a file.
    ///
    /// # Errors
    /// Values that are not floating-point numbers, or stored in a way that is not read; a number of float64 beyond the
    /// range of float32.
    pub fn values(&self) -> Result<Vec<f32>, Hdf5Error> {
        let refuse = |problem: String| Hdf5Error { at: self.at, problem };
        let Stored { width, layout } = self.stored.as_ref().map_err(|problem| refuse(problem.clone()))?;
        let expanded;
        let bytes = match layout {
            Layout::Whole(bytes) => *bytes,
            Layout::Chunked(chunks) => {
                expanded = chunks.expand(&self.shape, *width).map_err(refuse)?;
                &expanded
            }
        };
        match width {
            2 => Ok(bytes.as_chunks().0.iter().map(|&bytes| half(u16::from_le_bytes(bytes))).collect()),
            4 => Ok(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()),
            _ => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| {
                    let value = f64::from_le_bytes(bytes);
                    let nearest = value as f32;
                    if nearest.is_infinite() && value.is_finite() {
                        return Err(refuse(format!("{value} is beyond the range of float32")));
                    }
                    Ok(nearest)
                })
                .collect(),
        }
    }
}

impl<'a> Layout<'a> {
    /// Reads a layout message of a data set of `shape`, whose numbers have `width` bytes.
    fn read(
        file: &File<'a>,
        mut message: Reader<'a>,
        shape: &[usize],
        width: usize,
        filters: Vec<Filter>,
    ) -> Result<Self, Hdf5Error> {
        let here = message;
        let n_bytes = (shape.iter().product::<usize>() * width) as u64;
        let version = message.version(3..=5, "a data layout")?;
        match message.u8()? {
            0 => {
                let size = u64::from(message.u16()?);
                if size < n_bytes {
                    return here.refuse(format!("{n_bytes} bytes of values should be here, and {size} are"));
                }
                Ok(Self::Whole(message.part(n_bytes)?.rest))
            }
            1 => {
                let (at, size) = (message.u64()?, message.u64()?);
                if n_bytes > 0 && size < n_bytes {
                    return here.refuse(format!("{n_bytes} bytes of values should be stored, and {size} are"));
                }
                Ok(Self::Whole(if n_bytes == 0 { &[] } else { file.slice(at, n_bytes)?.rest }))
            }
            2 if version == 3 => Chunks::in_tree(file, message, shape, filters).map(Self::Chunked),
            2 => Chunks::single(file, message, shape, width, filters).map(Self::Chunked),
            class => here.refuse(format!("the values are stored in a way of number {class}, which is not read")),
        }
    }
}

/// The float32 of a float16 with these bits.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    match exponent {
        // A multiple of 2⁻²⁴.
        0 => f32::from_bits(sign | (fraction as f32 / 16_777_216.0).to_bits()),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn half_precision_is_exact() {
        let cases = [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x0001, 2.0_f32.powi(-24)),
            (0x03ff, 1023.0 * 2.0_f32.powi(-24)),
            (0x0400, 2.0_f32.powi(-14)),
            (0x3c00, 1.0),
            (0xc100, -2.5),
            (0x7bff, 65504.0),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
