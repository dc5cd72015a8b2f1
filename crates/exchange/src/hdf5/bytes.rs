//! Numbers and slices out of a file, each checked against its end.

use std::cell::Cell;

use super::{Hdf5Error, UNDEFINED};

/// The most bytes of structure (headers, names, texts) that reading one file may look at. A Keras file of a network of this
/// family has some 100 kB of them; a file whose structures refer to themselves would never end.
const MOST_STRUCTURE: u64 = 1 << 26;

/// A file's bytes, and how much more of its structure may be read.
pub(super) struct File<'a> {
    pub bytes: &'a [u8],
    left: Cell<u64>,
}

impl<'a> File<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, left: Cell::new(MOST_STRUCTURE) }
    }

    /// A reader of the bytes from `at` to the end of the file.
    pub fn at(&self, at: u64) -> Result<Reader<'a>, Hdf5Error> {
        let start = usize::try_from(at).ok().filter(|&start| start <= self.bytes.len());
        let Some(start) = start.filter(|_| at != UNDEFINED) else {
            let length = self.bytes.len();
            return Err(refusal(at, format!("the file refers to this place, and has {length} bytes: is it whole?")));
        };
        Ok(Reader { rest: &self.bytes[start..], at })
    }

    /// A reader of the `length` bytes from `at`.
    pub fn slice(&self, at: u64, length: u64) -> Result<Reader<'a>, Hdf5Error> {
        self.at(at)?.part(length)
    }

    /// Counts `n` bytes of structure that are about to be read.
    pub fn charge(&self, at: u64, n: usize) -> Result<(), Hdf5Error> {
        // A constant for each call: nothing is free, not even a structure of no bytes.
        match self.left.get().checked_sub(n as u64 + 16) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(refusal(at, "the file's structure is too large, or refers to itself".into())),
        }
    }
}

/// Reads on from a place in a file.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub rest: &'a [u8],
    /// Where `rest` begins in the file.
    pub at: u64,
}

impl<'a> Reader<'a> {
    /// An error at this place.
    pub fn refuse<T>(&self, problem: impl Into<String>) -> Result<T, Hdf5Error> {
        Err(refusal(self.at, problem.into()))
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Hdf5Error> {
        let Some((taken, rest)) = self.rest.split_at_checked(n) else {
            let there = self.rest.len();
            return self.refuse(format!("{n} bytes should follow, and {there} are there: is the file whole?"));
        };
        (self.rest, self.at) = (rest, self.at + n as u64);
        Ok(taken)
    }

    /// A reader of the next `length` bytes, which this one passes over.
    pub fn part(&mut self, length: u64) -> Result<Self, Hdf5Error> {
        let at = self.at;
        let rest = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        Ok(Self { rest, at })
    }

    pub fn u8(&mut self) -> Result<u8, Hdf5Error> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number of `width` bytes, at most eight.
    pub fn uint(&mut self, width: usize) -> Result<u64, Hdf5Error> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(bytes))
    }

    pub fn u16(&mut self) -> Result<u16, Hdf5Error> {
        Ok(self.uint(2)? as u16)
    }

    pub fn u32(&mut self) -> Result<u32, Hdf5Error> {
        Ok(self.uint(4)? as u32)
    }

    /// An address or a length.
    pub fn u64(&mut self) -> Result<u64, Hdf5Error> {
        self.uint(8)
    }

    /// The signature that marks the structure here.
    pub fn signature(&mut self, expected: &[u8; 4], structure: &str) -> Result<(), Hdf5Error> {
        let here = *self;
        if self.take(4)? == expected { Ok(()) } else { here.refuse(format!("there is no {structure} here")) }
    }

    /// A version number, which must be one of `known`.
    pub fn version(&mut self, known: std::ops::RangeInclusive<u8>, structure: &str) -> Result<u8, Hdf5Error> {
        let here = *self;
        let version = self.u8()?;
        if known.contains(&version) {
            return Ok(version);
        }
        here.refuse(format!(
            "{structure} has version {version}, and {} to {} are read; save the file with an h5py of no special options",
            known.start(),
            known.end()
        ))
    }
}

pub(super) fn refusal(at: u64, problem: String) -> Hdf5Error {
    Hdf5Error { at, problem }
}
