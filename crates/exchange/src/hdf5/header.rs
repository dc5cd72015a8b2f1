//! Object headers: the messages that describe a group or a data set.

use super::Hdf5Error;
use super::bytes::{File, Reader};
use super::checksum::checksum;

/// The kinds of messages that are read.
pub(super) mod kind {
    pub const DATASPACE: u16 = 0x01;
    pub const LINK_INFO: u16 = 0x02;
    pub const DATATYPE: u16 = 0x03;
    pub const LINK: u16 = 0x06;
    pub const LAYOUT: u16 = 0x08;
    pub const FILTERS: u16 = 0x0b;
    pub const ATTRIBUTE: u16 = 0x0c;
    pub const CONTINUATION: u16 = 0x10;
    pub const SYMBOL_TABLE: u16 = 0x11;
    pub const ATTRIBUTE_INFO: u16 = 0x15;
}

/// A message of an object header.
pub(super) struct Message<'a> {
    pub kind: u16,
    /// Whether the contents are elsewhere in the file, and only referred to here.
    pub is_shared: bool,
    pub body: Reader<'a>,
}

/// Which form the messages of a header have.
#[derive(Clone, Copy)]
enum Form {
    /// Version 1: messages of eight bytes of header.
    First,
    /// Version 2: of four bytes, or six where the order of creation is tracked.
    Second { ordered: bool },
}

/// The messages of the object header at `at`, and of what continues it.
pub(super) fn messages<'a>(file: &File<'a>, at: u64) -> Result<Vec<Message<'a>>, Hdf5Error> {
    let mut reader = file.at(at)?;
    let (form, first) = if reader.rest.starts_with(b"OHDR") {
        second(&mut reader)?
    } else {
        reader.version(1..=1, "an object header")?;
        reader.take(7)?;
        let size = reader.u32()?;
        reader.take(4)?;
        (Form::First, reader.part(size.into())?)
    };
    let mut messages = Vec::new();
    let mut blocks = vec![first];
    while let Some(block) = blocks.pop() {
        file.charge(block.at, block.rest.len())?;
        block_messages(file, block, form, &mut messages, &mut blocks)?;
    }
    Ok(messages)
}

/// The beginning of a header of version 2: the form of its messages, and the first block of them.
fn second<'a>(reader: &mut Reader<'a>) -> Result<(Form, Reader<'a>), Hdf5Error> {
    let whole = *reader;
    reader.take(4)?;
    reader.version(2..=2, "an object header")?;
    let flags = reader.u8()?;
    // Times, and the sizes beyond which attributes are stored otherwise.
    reader.take(if flags & 0x20 != 0 { 16 } else { 0 })?;
    reader.take(if flags & 0x10 != 0 { 4 } else { 0 })?;
    let size = reader.uint(1 << (flags & 3))?;
    let block = reader.part(size)?;
    check(whole, (reader.at - whole.at) as usize, "an object header")?;
    Ok((Form::Second { ordered: flags & 4 != 0 }, block))
}

/// Reads the messages of `block`; what it says goes on elsewhere is added to `blocks`.
fn block_messages<'a>(
    file: &File<'a>,
    mut block: Reader<'a>,
    form: Form,
    messages: &mut Vec<Message<'a>>,
    blocks: &mut Vec<Reader<'a>>,
) -> Result<(), Hdf5Error> {
    let header = match form {
        Form::First => 8,
        Form::Second { ordered } => 4 + if ordered { 2 } else { 0 },
    };
    // What is left over at the end is no message.
    while block.rest.len() >= header {
        let (kind, size, flags) = match form {
            Form::First => {
                let (kind, size, flags) = (block.u16()?, block.u16()?, block.u8()?);
                block.take(3)?;
                (kind, size, flags)
            }
            Form::Second { ordered } => {
                let (kind, size, flags) = (block.u8()?, block.u16()?, block.u8()?);
                block.take(if ordered { 2 } else { 0 })?;
                (kind.into(), size, flags)
            }
        };
        let mut body = block.part(size.into())?;
        if kind != kind::CONTINUATION {
            messages.push(Message { kind, is_shared: flags & 2 != 0, body });
            continue;
        }
        let (at, length) = (body.u64()?, body.u64()?);
        let mut next = file.slice(at, length)?;
        if let Form::Second { .. } = form {
            let whole = next;
            next.signature(b"OCHK", "continuation of an object header")?;
            let Some(length) = next.rest.len().checked_sub(4) else {
                return next.refuse("a continuation of an object header is too short");
            };
            next = next.part(length as u64)?;
            check(whole, 4 + length, "a continuation of an object header")?;
        }
        blocks.push(next);
    }
    Ok(())
}

/// Checks the checksum that follows the first `length` bytes of `structure`.
pub(super) fn check(structure: Reader<'_>, length: usize, what: &str) -> Result<(), Hdf5Error> {
    let mut reader = structure;
    let bytes = reader.take(length)?;
    if reader.u32()? == checksum(bytes) {
        return Ok(());
    }
    structure.refuse(format!("the checksum of {what} does not fit its bytes: the file is damaged"))
}
