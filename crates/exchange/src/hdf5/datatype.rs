//! Data types and data spaces: what the values of a data set or an attribute are, and how many.

use super::Hdf5Error;
use super::bytes::Reader;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datatype {
    /// A little-endian IEEE number of this many bytes: 2, 4 or 8.
    Float(usize),
    /// A text of this many bytes, filled up with zeros or spaces.
    FixedText(usize),
    /// A text in the global heap.
    Text,
    /// Anything else, of which this is the class.
    Other(&'static str),
}

impl Datatype {
    /// Reads a datatype message.
    pub fn read(mut message: Reader<'_>) -> Result<Self, Hdf5Error> {
        let here = message;
        let class = message.u8()?;
        if !(1..=5).contains(&(class >> 4)) {
            return here.refuse(format!("a data type has version {}, and 1 to 5 are read", class >> 4));
        }
        let bits = message.uint(3)?;
        let size = message.u32()? as usize;
        Ok(match class & 0xf {
            0 => Self::Other("integers"),
            1 => {
                let little_endian = bits & 0x41 == 0;
                message.take(4)?;
                // Where the exponent begins, its bits, where the mantissa begins, its bits, and the exponent's bias.
                let form = (message.u8()?, message.u8()?, message.u8()?, message.u8()?, message.u32()?);
                match (size, form) {
                    (2, (10, 5, 0, 10, 15)) | (4, (23, 8, 0, 23, 127)) | (8, (52, 11, 0, 52, 1023))
                        if little_endian =>
                    {
                        Self::Float(size)
                    }
                    (2, (7, 8, 0, 7, 127)) => Self::Other("bfloat16 numbers"),
                    _ if !little_endian => Self::Other("big-endian numbers"),
                    _ => Self::Other("numbers of an unusual form"),
                }
            }
            3 => Self::FixedText(size),
            9 if bits & 0xf == 1 => Self::Text,
            9 => Self::Other("lists"),
            5 => Self::Other("opaque bytes (as bfloat16 is stored)"),
            6 => Self::Other("compound values"),
            8 => Self::Other("enumerated values"),
            10 => Self::Other("arrays"),
            11 => Self::Other("complex numbers"),
            _ => Self::Other("values of another kind"),
        })
    }
}

/// The lengths of the dimensions that a dataspace message has; none for a single value. The product does not overflow.
pub(super) fn shape(mut message: Reader<'_>) -> Result<Vec<usize>, Hdf5Error> {
    let here = message;
    let version = message.version(1..=2, "a data space")?;
    let (rank, _flags) = (message.u8()?, message.u8()?);
    if rank > 32 {
        return here.refuse(format!("a data space has {rank} dimensions, and at most 32 are possible"));
    }
    // In version 2 the kind of the space: 2 is one without any value.
    let kind = message.u8()?;
    if version == 1 {
        message.take(4)?;
    } else if kind == 2 {
        return Ok(vec![0]);
    }
    let shape = (0..rank).map(|_| message.u64()).collect::<Result<Vec<_>, _>>()?;
    let values = shape.iter().try_fold(1_u64, |n, &length| n.checked_mul(length));
    // Eight bytes a value are the most that is read.
    match values.and_then(|n| usize::try_from(n).ok()?.checked_mul(8)) {
        Some(_) => Ok(shape.into_iter().map(|length| length as usize).collect()),
        None => here.refuse(format!("a data space of {shape:?} has more values than a file can")),
    }
}
