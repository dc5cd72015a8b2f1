//! Networks as one header for C99 and C++11 programs, in floating point and in integers.
//!
//! The header needs `<stdint.h>` and nothing else: no heap, no library. All of its names begin with a prefix and an underscore,
//! and have no other underscore behind that, so that the headers of several networks do not meet. It is included in one source
//! file. Its functions are those of `source/interface.h`.
//!
//! Sums are added in the order of [`Trained::scores`]; [`Quantised::integers`] and the header agree in every bit.
//! Buffers are shared: a layer reads one and writes the other.

mod layers;
mod preparation;
mod read;
#[cfg(test)]
mod tests;
mod text;

pub use read::{read, read_int8};

use crate::int8::Quantised;
use crate::{Trained, Unsupported};
use layers::{Arithmetic, Head};
pub(crate) use text::CText;

/// A header, with what it costs on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CFile {
    /// The text of the header.
    pub text: String,
    /// Bytes of its constant tables. The code that a compiler makes of it comes on top: some kilobytes, whatever the network.
    pub flash_bytes: usize,
    /// Bytes of its buffers, with the samples of a window for those who hand over one at a time.
    pub ram_bytes: usize,
    /// Multiply-adds for a window.
    pub multiply_adds: u64,
}

/// The header of a network in floating point. All names in it begin with `prefix`.
///
/// # Errors
/// A sentence, if the prefix is not fit for names, or the network is not fit for a header.
pub fn write(trained: &Trained, prefix: &str) -> Result<CFile, Unsupported> {
    trained.check()?;
    layers::header(&Head::of(trained), Arithmetic::Float(trained), prefix)
}

/// The header of a network in integers. All names in it begin with `prefix`.
///
/// # Errors
/// As [`write()`] does.
pub fn write_int8(quantised: &Quantised, prefix: &str) -> Result<CFile, Unsupported> {
    layers::header(&Head::of_int8(quantised), Arithmetic::Int8(quantised), prefix)
}

/// Checks that names can begin with `prefix`.
///
/// # Errors
/// A sentence, with a prefix that would do.
pub fn check_prefix(prefix: &str) -> Result<(), Unsupported> {
    let is_name = prefix.starts_with(|first: char| first.is_ascii_alphabetic())
        && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // Two underscores side by side belong to the compiler of C++.
    if is_name && !prefix.contains("__") && !prefix.ends_with('_') && prefix.len() <= LONGEST_PREFIX {
        return Ok(());
    }
    Err(Unsupported(format!(
        "no name in C can begin with `{prefix}_`; write a letter, then letters, digits and single underscores, {LONGEST_PREFIX} \
         in all at most, such as activity"
    )))
}

/// The most characters of a prefix. Compilers of C99 tell names apart by their first 63 characters.
const LONGEST_PREFIX: usize = 40;
