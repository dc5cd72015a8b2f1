//! Attributes, as far as they are texts.

use super::bytes::{File, Reader};
use super::datatype::{Datatype, shape};
use super::symbol_table::text;
use super::{Hdf5Error, UNDEFINED};

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// Something that is not read, in words.
    Other(String),
}

impl Attribute {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Texts(_) | Self::Other(_) => None,
        }
    }

    /// The list of texts, if it is one.
    pub fn texts(&self) -> Option<&[String]> {
        match self {
            Self::Texts(texts) => Some(texts),
            Self::Text(_) | Self::Other(_) => None,
        }
    }
}

/// The name and the value in the attribute message `message`. What is wrong with a value is kept in its place: most attributes
/// are of no use here.
pub(super) fn read(file: &File<'_>, mut message: Reader<'_>) -> Result<(String, Attribute), Hdf5Error> {
    let version = message.version(1..=3, "an attribute")?;
    let flags = message.u8()?;
    let (name, datatype, dataspace) = (message.u16()?, message.u16()?, message.u16()?);
    if version == 3 {
        // The encoding of the name: ASCII or UTF-8.
        message.take(1)?;
    }
    // Version 1 fills each part up to a multiple of eight bytes.
    let mut part = |length: u16| {
        let part = message.part(length.into())?;
        let filling = if version == 1 { usize::from(length).next_multiple_of(8) - usize::from(length) } else { 0 };
        message.take(filling)?;
        Ok::<_, Hdf5Error>(part)
    };
    let (name, datatype, dataspace) = (part(name)?, part(datatype)?, part(dataspace)?);
    let length = name.rest.iter().position(|&byte| byte == 0).unwrap_or(name.rest.len());
    let name = text(Reader { rest: &name.rest[..length], ..name })?;
    let shared = version > 1 && flags & 3 != 0;
    let value = if shared {
        Ok(Attribute::Other("a value of a named type".into()))
    } else {
        value(file, Datatype::read(datatype)?, &shape(dataspace)?, message)
    };
    Ok((name, value.unwrap_or_else(|error| Attribute::Other(error.to_string()))))
}

fn value(file: &File<'_>, datatype: Datatype, shape: &[usize], mut values: Reader<'_>) -> Result<Attribute, Hdf5Error> {
    if let Datatype::Other(words) = datatype {
        return Ok(Attribute::Other(words.to_owned()));
    }
    let n = match shape {
        [] => 1,
        [n] => *n,
        _ => return Ok(Attribute::Other("a table".into())),
    };
    let mut texts = Vec::new();
    for _ in 0..n {
        let text = match datatype {
            Datatype::FixedText(size) => fixed_text(values.part(size as u64)?)?,
            Datatype::Text => heap_text(file, &mut values)?,
            Datatype::Float(_) | Datatype::Other(_) => return Ok(Attribute::Other("numbers".into())),
        };
        file.charge(values.at, text.len())?;
        texts.push(text);
    }
    Ok(match (shape, texts.pop()) {
        ([], Some(text)) => Attribute::Text(text),
        (_, last) => Attribute::Texts(texts.into_iter().chain(last).collect()),
    })
}

/// A text without what fills it up.
fn fixed_text(field: Reader<'_>) -> Result<String, Hdf5Error> {
    let length = field.rest.iter().position(|&byte| byte == 0).unwrap_or(field.rest.len());
    Ok(text(Reader { rest: &field.rest[..length], ..field })?.trim_end_matches(' ').to_owned())
}

/// A text in the global heap, to which `reference` refers.
fn heap_text(file: &File<'_>, reference: &mut Reader<'_>) -> Result<String, Hdf5Error> {
    let (length, at, wanted) = (reference.u32()?, reference.u64()?, reference.u32()?);
    if at == 0 || at == UNDEFINED {
        return Ok(String::new());
    }
    let mut heap = file.at(at)?;
    heap.signature(b"GCOL", "global heap")?;
    heap.version(1..=1, "a global heap")?;
    heap.take(3)?;
    let size = heap.u64()?;
    let mut objects = file.slice(at, size)?;
    objects.take(16)?;
    while objects.rest.len() >= 16 {
        file.charge(objects.at, 16)?;
        let index = objects.u16()?;
        objects.take(6)?;
        let size = objects.u64()?;
        if u32::from(index) == wanted {
            return text(objects.part(length.into())?);
        }
        // Index 0 is the free space at the end.
        if index == 0 {
            break;
        }
        match size.checked_next_multiple_of(8) {
            Some(size) => objects.part(size)?,
            None => return objects.refuse("an object of a global heap is too long"),
        };
    }
    reference.refuse(format!("a text is not in the global heap at byte {at}"))
}
