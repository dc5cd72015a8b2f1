//! How far the archives and arrays of one source may expand.
//!
//! An archive of 14 KB can claim, and hold, gigabytes. What is expanded is counted as it is read, whatever the headers
//! say; members and archives inside archives count together.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};

/// The most that one source expands to, in bytes.
const MOST: u64 = 4 << 30;
/// The most that a source expands to for each byte that it takes packed. Recordings as text shrink to a twentieth at best.
const MOST_BY_PACKED: u64 = 200;
/// What any source may expand to, however small it is packed: 256 MiB.
const LEAST: u64 = 256 << 20;

/// Bytes in memory of a recording or window beside its values: texts, lengths, and what the allocator adds.
pub(crate) const RECORDING: u64 = 256;

/// How much a source has expanded to, and from how much.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    packed: Cell<u64>,
    expanded: Cell<u64>,
}

impl Budget {
    /// Counts a file on disk, which holds something packed.
    pub fn add_packed(&self, bytes: u64) {
        self.packed.set(self.packed.get().saturating_add(bytes));
    }

    /// Takes `bytes` out of the budget.
    pub fn charge(&self, bytes: u64) -> Result<(), TooLarge> {
        let limit = self.packed.get().saturating_mul(MOST_BY_PACKED).clamp(LEAST, MOST);
        let expanded = self.expanded.get().saturating_add(bytes);
        if expanded > limit {
            return Err(TooLarge { limit, packed: self.packed.get() });
        }
        self.expanded.set(expanded);
        Ok(())
    }
}

/// A source expands to more than its budget.
#[derive(Debug)]
pub(crate) struct TooLarge {
    limit: u64,
    packed: u64,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.limit >> 20;
        if self.limit == MOST {
            write!(f, "it expands to more than {mib} MiB, the most that is read from one source. ")?;
            write!(f, "Unpack it and name the folder, or give fewer recordings at a time")
        } else {
            write!(f, "{} bytes expand to more than {mib} MiB, as recordings do not. ", self.packed)?;
            write!(f, "If it holds recordings, unpack it and name the folder")
        }
    }
}

impl From<TooLarge> for io::Error {
    fn from(error: TooLarge) -> Self {
        Self::new(io::ErrorKind::FileTooLarge, error.to_string())
    }
}

/// A reader whose bytes count against a budget, those of one file once.
pub(crate) struct Bounded<'a, R> {
    inner: R,
    budget: &'a Budget,
    /// The most bytes that were read of this file so far, by whomever.
    counted: &'a Cell<u64>,
    read: u64,
}

impl<'a, R: Read> Bounded<'a, R> {
    pub fn new(inner: R, budget: &'a Budget, counted: &'a Cell<u64>) -> Self {
        Self { inner, budget, counted, read: 0 }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.read += n as u64;
        if let Some(more) = self.read.checked_sub(self.counted.get()) {
            self.budget.charge(more)?;
            self.counted.set(self.read);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_with_what_is_packed_up_to_the_most() {
        let limit = |packed: u64| {
            let budget = Budget::default();
            budget.add_packed(packed);
            budget.charge(u64::MAX).unwrap_err().limit
        };
        assert_eq!([limit(0), limit(14_000), limit(10 << 20), limit(1 << 30)], [LEAST, LEAST, 2000 << 20, MOST]);
    }

    #[test]
    fn all_that_is_expanded_counts_and_a_refusal_does_not() {
        let budget = Budget::default();
        budget.charge(LEAST - 10).unwrap();
        assert!(budget.charge(11).unwrap_err().to_string().contains("256 MiB"));
        budget.charge(10).unwrap();
        assert!(budget.charge(1).is_err());
    }

    #[test]
    fn a_file_that_is_read_again_counts_once() {
        let (budget, counted) = (Budget::default(), Cell::new(0));
        for length in [3, 100, 50, 100, 120] {
            let mut bytes = Vec::new();
            Bounded::new(io::repeat(7).take(length), &budget, &counted).read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes.len() as u64, length);
        }
        assert_eq!(budget.expanded.get(), 120);
        budget.charge(LEAST - 120).unwrap();
        let error = Bounded::new(io::repeat(7).take(121), &budget, &counted).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
