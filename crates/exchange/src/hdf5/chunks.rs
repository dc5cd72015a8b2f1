//! Chunked data sets: pieces of one shape, each packed by filters.

use std::io::Read as _;

use flate2::read::ZlibDecoder;

use super::bytes::{File, Reader};
use super::symbol_table::tree_node;
use super::{Hdf5Error, UNDEFINED};

/// The most bytes into which Deflate turns one byte.
const MOST_EXPANSION: usize = 1032;
/// The most bytes of values of a data set: those of the largest tensor that a network has, as float64.
const MOST_BYTES: usize = 1 << 31;

/// How the bytes of a chunk were changed when they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// Compressed by Deflate, with zlib's head.
    Deflate,
    /// First bytes of all values first, then the second ones, ….
    Shuffle,
    /// Four bytes of checksum at the end.
    Checksum,
    /// Another filter, of this number.
    Other(u16),
}

impl Filter {
    /// The filters of a filter pipeline message, in the order in which they were applied.
    pub fn read_all(mut message: Reader<'_>) -> Result<Vec<Self>, Hdf5Error> {
        let version = message.version(1..=2, "a filter pipeline")?;
        let n_filters = message.u8()?;
        message.take(if version == 1 { 6 } else { 0 })?;
        (0..n_filters)
            .map(|_| {
                let number = message.u16()?;
                let name = if version == 1 || number >= 256 { message.u16()? } else { 0 };
                message.take(2)?;
                let n_values = usize::from(message.u16()?);
                message.take(usize::from(name))?;
                // Version 1 fills up to a multiple of eight bytes.
                message.take(4 * if version == 1 { n_values.next_multiple_of(2) } else { n_values })?;
                Ok(match number {
                    1 => Self::Deflate,
                    2 => Self::Shuffle,
                    3 => Self::Checksum,
                    other => Self::Other(other),
                })
            })
            .collect()
    }

    /// Undoes the filter on a chunk that has `size` bytes in the end, of numbers of `width` bytes.
    fn undo(&self, bytes: Vec<u8>, size: usize, width: usize) -> Result<Vec<u8>, String> {
        match self {
            Self::Deflate => {
                // Filters before this one have added a checksum at most.
                let mut expanded = Vec::new();
                let read = ZlibDecoder::new(bytes.as_slice()).take(size as u64 + 4).read_to_end(&mut expanded);
                read.map_err(|problem| format!("a chunk cannot be expanded: {problem}"))?;
                Ok(expanded)
            }
            Self::Shuffle => {
                let n = bytes.len() / width;
                let mut ordered = bytes.clone();
                for (i, value) in ordered.chunks_exact_mut(width).enumerate() {
                    value.iter_mut().enumerate().for_each(|(byte, to)| *to = bytes[byte * n + i]);
                }
                Ok(ordered)
            }
            Self::Checksum => {
                let length = bytes.len().checked_sub(4).ok_or("a chunk is too short for its checksum")?;
                Ok(bytes[..length].to_vec())
            }
            Self::Other(number) => {
                Err(format!("its values are packed by the filter of number {number}; save it without compression"))
            }
        }
    }
}

/// The chunks of a data set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunks<'a> {
    /// The shape of each.
    shape: Vec<usize>,
    filters: Vec<Filter>,
    chunks: Vec<Chunk<'a>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Chunk<'a> {
    /// Of its first value, in the data set.
    position: Vec<usize>,
    /// Filters that were not applied: a bit for each.
    skipped: u32,
    bytes: &'a [u8],
}

impl<'a> Chunks<'a> {
    /// The chunks of a data set of `shape` that are listed in a B-tree 1, whose layout message goes on at `message`.
    pub fn in_tree(
        file: &File<'a>,
        mut message: Reader<'a>,
        shape: &[usize],
        filters: Vec<Filter>,
    ) -> Result<Self, Hdf5Error> {
        let here = message;
        let rank = usize::from(message.u8()?);
        let tree = message.u64()?;
        if rank != shape.len() + 1 {
            return here.refuse("chunks have other dimensions than their data set");
        }
        let chunk_shape = (1..rank).map(|_| Ok(message.u32()? as usize)).collect::<Result<Vec<_>, Hdf5Error>>()?;
        let mut chunks = Vec::new();
        let mut nodes = if tree == UNDEFINED { Vec::new() } else { vec![(tree, u8::MAX)] };
        while let Some((at, at_most)) = nodes.pop() {
            let mut node = file.at(at)?;
            let (level, n_children) = tree_node(&mut node, 1)?;
            if level >= at_most {
                return node.refuse("a B-tree refers to itself");
            }
            file.charge(at, n_children * (16 + 8 * rank))?;
            for _ in 0..n_children {
                let (size, skipped) = (node.u32()?, node.u32()?);
                let position = (1..rank).map(|_| Ok(node.u64()? as usize)).collect::<Result<Vec<_>, Hdf5Error>>()?;
                node.u64()?;
                let child = node.u64()?;
                if level > 0 {
                    nodes.push((child, level));
                } else {
                    chunks.push(Chunk { position, skipped, bytes: file.slice(child, size.into())?.rest });
                }
            }
        }
        Ok(Self { shape: chunk_shape, filters, chunks })
    }

    /// The one chunk of a data set whose layout message of version 4 or 5 goes on at `message`.
    pub fn single(
        file: &File<'a>,
        mut message: Reader<'a>,
        shape: &[usize],
        width: usize,
        filters: Vec<Filter>,
    ) -> Result<Self, Hdf5Error> {
        let here = message;
        let (flags, rank, length) = (message.u8()?, usize::from(message.u8()?), usize::from(message.u8()?));
        if rank != shape.len() + 1 || !(1..=8).contains(&length) {
            return here.refuse("chunks have other dimensions than their data set");
        }
        let chunk_shape =
            (1..rank).map(|_| Ok(message.uint(length)? as usize)).collect::<Result<Vec<_>, Hdf5Error>>()?;
        message.uint(length)?;
        if message.u8()? != 1 {
            return here.refuse("its chunks are listed in a way that is not read; save it without `libver='latest'`");
        }
        let n_bytes = chunk_shape.iter().try_fold(width, |n, &length| n.checked_mul(length));
        let (mut size, mut skipped) = (n_bytes.unwrap_or(usize::MAX) as u64, 0);
        if flags & 2 != 0 {
            (size, skipped) = (message.u64()?, message.u32()?);
        }
        let at = message.u64()?;
        let chunk = Chunk { position: vec![0; shape.len()], skipped, bytes: file.slice(at, size)?.rest };
        Ok(Self { shape: chunk_shape, filters, chunks: vec![chunk] })
    }

    /// All values, in the order of rows, of a data set of `shape`, whose numbers have `width` bytes.
    pub fn expand(&self, shape: &[usize], width: usize) -> Result<Vec<u8>, String> {
        if self.shape.contains(&0) {
            return Err("its chunks have no values".into());
        }
        let n_chunks: usize = shape.iter().zip(&self.shape).map(|(n, chunk)| n.div_ceil(*chunk)).product();
        if self.chunks.len() != n_chunks {
            return Err(format!("{n_chunks} chunks make it up, and {} are there", self.chunks.len()));
        }
        let stored: usize = self.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        let n_bytes = shape.iter().product::<usize>() * width;
        let size = self.shape.iter().try_fold(width, |n, &length| n.checked_mul(length));
        // Of no size that its bytes cannot expand to is anything made.
        let most = stored.saturating_mul(MOST_EXPANSION).min(MOST_BYTES);
        let Some(size) = size.filter(|&size| size <= most && n_bytes <= most) else {
            return Err(format!("it is said to have {n_bytes} bytes of values, in {stored} bytes of the file"));
        };
        let mut values = vec![0; n_bytes];
        let mut written = 0;
        for chunk in &self.chunks {
            let mut bytes = chunk.bytes.to_vec();
            for (i, filter) in self.filters.iter().enumerate().rev() {
                if i >= 32 || chunk.skipped >> i & 1 == 0 {
                    bytes = filter.undo(bytes, size, width)?;
                }
            }
            if bytes.len() != size {
                return Err(format!("a chunk has {} bytes, and should have {size}", bytes.len()));
            }
            written += place(&bytes, &self.shape, &chunk.position, shape, width, &mut values);
        }
        // Chunks that lie upon each other leave others empty.
        if written == n_bytes { Ok(values) } else { Err("its chunks do not fill it".into()) }
    }
}

/// Copies the values of a chunk to its place, row by row, and returns how many bytes these were: a chunk may reach beyond the
/// end of its data set.
fn place(
    chunk: &[u8],
    chunk_shape: &[usize],
    position: &[usize],
    shape: &[usize],
    width: usize,
    values: &mut [u8],
) -> usize {
    let Some((&row, outer)) = chunk_shape.split_last() else {
        values.copy_from_slice(chunk);
        return chunk.len();
    };
    let last = outer.len();
    let length = shape[last].saturating_sub(position[last]).min(row) * width;
    let mut written = 0;
    let mut index = vec![0; last];
    for from in chunk.chunks_exact(row * width) {
        let at = |d: usize| position[d].saturating_add(index[d]);
        if length > 0 && (0..last).all(|d| at(d) < shape[d]) {
            let start = ((0..last).fold(0, |start, d| (start + at(d)) * shape[d + 1]) + position[last]) * width;
            values[start..start + length].copy_from_slice(&from[..length]);
            written += length;
        }
        for d in (0..last).rev() {
            index[d] += 1;
            if index[d] < outer[d] {
                break;
            }
            index[d] = 0;
        }
    }
    written
}
