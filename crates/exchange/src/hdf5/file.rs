//! A file from its superblock down to its last group.

use std::collections::BTreeMap;

use super::attribute;
use super::bytes::{File, Reader};
use super::dataset::Dataset;
use super::dense::{self, Listed};
use super::header::{Message, check, kind, messages};
use super::symbol_table;
use super::{Group, Hdf5Error, Node, SIGNATURE};

/// The deepest that groups lie in each other.
const DEEPEST: usize = 32;

/// Reads the groups of an HDF5 file, its attributes, and where the values of its data sets are.
///
/// # Errors
/// What is no HDF5 file, is damaged or cut off, refers to itself, or is in a form that is not read.
pub fn read(bytes: &[u8]) -> Result<Group<'_>, Hdf5Error> {
    let file = File::new(bytes);
    let root = root(&file)?;
    match node(&file, root, &mut Vec::new())? {
        Node::Group(group) => Ok(group),
        Node::Dataset(_) => file.at(root)?.refuse("the file's root is no group"),
    }
}

/// The address of the root group's object header.
fn root(file: &File<'_>) -> Result<u64, Hdf5Error> {
    let mut block = file.at(0)?;
    let whole = block;
    if !block.rest.starts_with(&SIGNATURE) {
        return block.refuse("this is no HDF5 file");
    }
    block.take(8)?;
    let version = block.version(0..=3, "the superblock")?;
    if version < 2 {
        block.take(4)?;
    }
    let sizes = [block.u8()?, block.u8()?];
    if sizes != [8, 8] {
        return whole.refuse("its addresses are not of eight bytes; save it with an h5py of no special options");
    }
    if version >= 2 {
        block.take(1)?;
        base(&mut block)?;
        block.take(16)?;
        let root = block.u64()?;
        check(whole, (block.at - whole.at) as usize, "the superblock")?;
        return Ok(root);
    }
    block.take(9 + if version == 1 { 4 } else { 0 })?;
    base(&mut block)?;
    // Free space, end of the file, driver, and the name of the root's entry.
    block.take(32)?;
    block.u64()
}

/// Reads the address that all others count from, which is the beginning of the file.
fn base(block: &mut Reader<'_>) -> Result<(), Hdf5Error> {
    let here = *block;
    if block.u64()? == 0 { Ok(()) } else { here.refuse("the file has a user block before it, which is not read") }
}

/// The object at `at`, within those at `above`.
fn node<'a>(file: &File<'a>, at: u64, above: &mut Vec<u64>) -> Result<Node<'a>, Hdf5Error> {
    if above.contains(&at) {
        return file.at(at)?.refuse("a group is a member of itself");
    }
    if above.len() == DEEPEST {
        return file.at(at)?.refuse(format!("groups lie in each other more than {DEEPEST} deep"));
    }
    let messages = messages(file, at)?;
    let Some(members) = members(file, &messages)? else {
        return Ok(Node::Dataset(Dataset::read(file, at, &messages)?));
    };
    above.push(at);
    let members = members.into_iter().map(|(name, at)| Ok((name, node(file, at, above)?)));
    let members = members.collect::<Result<BTreeMap<_, _>, Hdf5Error>>()?;
    above.pop();
    Ok(Node::Group(Group { attributes: attributes(file, &messages)?, members }))
}

/// The names and addresses of the members of a group; `None` for what is none.
fn members(file: &File<'_>, messages: &[Message<'_>]) -> Result<Option<Vec<(String, u64)>>, Hdf5Error> {
    let mut members: Option<Vec<_>> = None;
    for message in messages {
        let mut body = message.body;
        match message.kind {
            kind::SYMBOL_TABLE => {
                members.get_or_insert_default().extend(symbol_table::members(file, body)?);
            }
            kind::LINK_INFO => {
                body.version(0..=0, "a link info")?;
                let flags = body.u8()?;
                body.take(if flags & 1 != 0 { 8 } else { 0 })?;
                let (heap, tree) = (body.u64()?, body.u64()?);
                let links = dense::messages(file, heap, tree, Listed::Links)?;
                let links = links.into_iter().filter_map(|message| link(message).transpose());
                members.get_or_insert_default().extend(links.collect::<Result<Vec<_>, _>>()?);
            }
            kind::LINK => members.get_or_insert_default().extend(link(body)?),
            _ => {}
        }
    }
    Ok(members)
}

/// The name and the address of a link message; `None` where it leads to a name or to another file.
fn link(mut message: Reader<'_>) -> Result<Option<(String, u64)>, Hdf5Error> {
    message.version(1..=1, "a link")?;
    let flags = message.u8()?;
    let kind = if flags & 8 != 0 { message.u8()? } else { 0 };
    message.take(if flags & 4 != 0 { 8 } else { 0 })?;
    message.take(if flags & 0x10 != 0 { 1 } else { 0 })?;
    let length = message.uint(1 << (flags & 3))?;
    let name = symbol_table::text(message.part(length)?)?;
    if kind == 0 { Ok(Some((name, message.u64()?))) } else { Ok(None) }
}

/// The attributes of a group.
fn attributes(file: &File<'_>, messages: &[Message<'_>]) -> Result<BTreeMap<String, attribute::Attribute>, Hdf5Error> {
    let mut attributes = BTreeMap::new();
    for message in messages.iter().filter(|message| !message.is_shared) {
        let mut body = message.body;
        match message.kind {
            kind::ATTRIBUTE => attributes.extend([attribute::read(file, body)?]),
            kind::ATTRIBUTE_INFO => {
                body.version(0..=0, "an attribute info")?;
                let flags = body.u8()?;
                body.take(if flags & 1 != 0 { 2 } else { 0 })?;
                let (heap, tree) = (body.u64()?, body.u64()?);
                for message in dense::messages(file, heap, tree, Listed::Attributes)? {
                    attributes.extend([attribute::read(file, message)?]);
                }
            }
            _ => {}
        }
    }
    Ok(attributes)
}
