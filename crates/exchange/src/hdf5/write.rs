//! Writes groups and data sets in the shortest form that HDF5 has since version 1.8: a superblock of version 2, object headers of
//! version 2, links within them, values one after the other.

use std::collections::BTreeMap;

use super::checksum::checksum;
use super::{SIGNATURE, UNDEFINED};

/// Bytes of the superblock.
const SUPERBLOCK: usize = 48;

/// What is written: a group or the values of a data set.
pub enum Content<'a> {
    /// A group, with its members by name.
    Group(BTreeMap<String, Content<'a>>),
    /// A data set of this shape, of as many values.
    Floats(&'a [usize], &'a [f32]),
    /// A data set of a single integer.
    Integer(i32),
}

/// The bytes of a file whose root group has `members`. The same members give the same bytes.
///
/// # Panics
/// If a data set has not as many values as its shape says; if a group has so many members that their names alone are longer than
/// 4 GiB.
pub fn write(members: &BTreeMap<String, Content<'_>>) -> Vec<u8> {
    let mut bytes = vec![0; SUPERBLOCK];
    let root = write_group(&mut bytes, members);
    let mut superblock = SIGNATURE.to_vec();
    superblock.extend([2, 8, 8, 0]);
    superblock.extend([0, UNDEFINED, bytes.len() as u64, root].map(u64::to_le_bytes).as_flattened());
    superblock.extend(checksum(&superblock).to_le_bytes());
    bytes[..SUPERBLOCK].copy_from_slice(&superblock);
    bytes
}

/// Writes what `content` has below it, then itself, and returns its address.
fn write_content(bytes: &mut Vec<u8>, content: &Content<'_>) -> u64 {
    /// IEEE numbers of 32 bits, little-endian: the places and lengths of sign, exponent and mantissa.
    const FLOAT: [u8; 20] = [0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0];
    /// Signed integers of 32 bits, little-endian.
    const INTEGER: [u8; 12] = [0x10, 8, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0];
    match content {
        Content::Group(members) => write_group(bytes, members),
        Content::Floats(shape, values) => {
            assert_eq!(shape.iter().product::<usize>(), values.len(), "the values of a data set do not fill its shape");
            let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            write_dataset(bytes, &FLOAT, shape, &values)
        }
        Content::Integer(value) => write_dataset(bytes, &INTEGER, &[], &value.to_le_bytes()),
    }
}

fn write_group(bytes: &mut Vec<u8>, members: &BTreeMap<String, Content<'_>>) -> u64 {
    // No heap and no tree: all links follow here.
    let mut messages = message(0x02, &[&[0, 0][..], &[0xff; 16]].concat());
    messages.extend(message(0x0a, &[0, 0]));
    for (name, content) in members {
        let at = write_content(bytes, content);
        // A link to an object, with a name in UTF-8 whose length has two bytes.
        let head = [1, 0x11, 1];
        let length = (name.len() as u16).to_le_bytes();
        messages.extend(message(0x06, &[&head[..], &length, name.as_bytes(), &at.to_le_bytes()].concat()));
    }
    write_header(bytes, &messages)
}

fn write_dataset(bytes: &mut Vec<u8>, datatype: &[u8], shape: &[usize], values: &[u8]) -> u64 {
    align(bytes);
    let at = bytes.len() as u64;
    bytes.extend(values);
    let dimensions: Vec<u8> = shape.iter().flat_map(|&length| (length as u64).to_le_bytes()).collect();
    let space = [&[2, shape.len() as u8, 0, u8::from(!shape.is_empty())][..], &dimensions].concat();
    let layout = [&[3, 1][..], &at.to_le_bytes(), &(values.len() as u64).to_le_bytes()].concat();
    let messages = [
        message(0x01, &space),
        message(0x03, datatype),
        // There is no value for what is not written, as everything is.
        message(0x05, &[3, 0x0a]),
        message(0x08, &layout),
    ];
    write_header(bytes, &messages.concat())
}

/// A message of an object header: its kind, its length, no flags, its body.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a message holds a name or a shape");
    [&[kind][..], &length.to_le_bytes(), &[0], body].concat()
}

/// Writes an object header and returns its address.
fn write_header(bytes: &mut Vec<u8>, messages: &[u8]) -> u64 {
    align(bytes);
    let start = bytes.len();
    bytes.extend(b"OHDR");
    // Version 2; the length of the messages has four bytes.
    bytes.extend([2, 2]);
    bytes.extend(u32::try_from(messages.len()).expect("a group has few members").to_le_bytes());
    bytes.extend(messages);
    bytes.extend(checksum(&bytes[start..]).to_le_bytes());
    start as u64
}

fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}
