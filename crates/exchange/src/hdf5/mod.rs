//! The part of HDF5 that Keras files are made of.
//!
//! Keras keeps weights in HDF5: `.h5` files, and `model.weights.h5` within `.keras` files. Of HDF5's many features they
//! use few: groups, small numeric data sets, and attributes that are texts. This module writes these and reads them back,
//! also in the forms that h5py's options give them. A crate for HDF5 would cost more than it saves: the C library has to be
//! built or found, and those in Rust take longer to build than the rest of the lean build's own code and change their
//! interface every few weeks, for some hundred lines of a format that is fixed.
//!
//! The format is that of the [HDF5 File Format Specification, version 3.0](https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html).
//! What is read:
//!
//! | structure | forms |
//! |---|---|
//! | superblock | versions 0 to 3, with addresses of eight bytes |
//! | object header | versions 1 and 2, with continuations |
//! | group | symbol tables (B-tree 1, local heap), link messages, dense links (fractal heap, B-tree 2) |
//! | attribute | message versions 1 to 3 and dense attributes; texts of fixed and variable length, and lists of them |
//! | data set | contiguous, compact, chunked by a B-tree 1 or in a single chunk; deflate, shuffle, Fletcher's checksum |
//! | number | little-endian floating point of 16, 32 and 64 bits; integers are passed over |
//!
//! A file is not trusted: every address is checked, and structures that refer to themselves end in an error.

mod attribute;
mod bytes;
mod checksum;
mod chunks;
mod dataset;
mod datatype;
mod dense;
mod file;
mod header;
mod symbol_table;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use attribute::Attribute;
pub use dataset::Dataset;
pub use file::read;
pub use write::{Content, write};

/// What each HDF5 file begins with.
pub const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// An address or a length that stands for none.
const UNDEFINED: u64 = u64::MAX;

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("HDF5, byte {at}: {problem}")]
pub struct Hdf5Error {
    /// Where in the file, in bytes from its beginning.
    pub at: u64,
    /// What is wrong there, and a remedy where there is one.
    pub problem: String,
}

/// A group with all that is below it. The values of its data sets stay in the file's bytes until they are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group<'a> {
    /// The attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// Groups and data sets by name. Links to names and to other files are left out.
    pub members: BTreeMap<String, Node<'a>>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    /// A group.
    Group(Group<'a>),
    /// A data set.
    Dataset(Dataset<'a>),
}

impl<'a> Group<'a> {
    /// What `path`, names with `/` between them, leads to from here.
    pub fn get(&self, path: &str) -> Option<&Node<'a>> {
        let (mut names, mut group) = (path.split('/').filter(|name| !name.is_empty()).peekable(), self);
        while let Some(name) = names.next() {
            match group.members.get(name)? {
                found if names.peek().is_none() => return Some(found),
                Node::Group(below) => group = below,
                Node::Dataset(_) => return None,
            }
        }
        None
    }

    /// The group at `path`.
    pub fn group(&self, path: &str) -> Option<&Group<'a>> {
        match self.get(path) {
            Some(Node::Group(group)) => Some(group),
            _ => None,
        }
    }

    /// The data set at `path`.
    pub fn dataset(&self, path: &str) -> Option<&Dataset<'a>> {
        match self.get(path) {
            Some(Node::Dataset(dataset)) => Some(dataset),
            _ => None,
        }
    }
}
