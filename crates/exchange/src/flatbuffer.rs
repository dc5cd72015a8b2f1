//! FlatBuffers: tables that refer to each other by offsets.
//!
//! The crate `flatbuffers` writes them too; without generated code, its reader is not bounds-checked. Here, tables are written
//! as trees, parents before their children, and read with every offset checked. A table has slots, whose numbers are those of
//! the fields in the schema. A vtable before it says where each slot lies; one that is not there has its default.

use std::cell::Cell;

/// What a slot holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot {
    Byte(u8),
    Int(i32),
    Float(f32),
    Table(Table),
    Tables(Vec<Table>),
    Text(String),
    Ints(Vec<i32>),
    Longs(Vec<i64>),
    Floats(Vec<f32>),
    /// Bytes that start at a multiple of 16.
    Bytes(Vec<u8>),
}

/// A table that is to be written: its slots by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(Vec<(u16, Slot)>);

impl Table {
    /// A table of `slots`.
    pub fn new(slots: impl IntoIterator<Item = (u16, Slot)>) -> Self {
        Self(slots.into_iter().collect())
    }

    /// The file whose root this is.
    pub fn file(&self, identifier: [u8; 4]) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.extend(identifier);
        let root = write_table(&mut out, self);
        out[..4].copy_from_slice(&offset(root));
        out
    }
}

/// A file has less than 4 GiB: weights have at most one.
fn offset(n: usize) -> [u8; 4] {
    u32::try_from(n).expect("offsets have 32 bits").to_le_bytes()
}

/// Fills up with zeros until `ahead` bytes more end at a multiple of `alignment`.
fn align(out: &mut Vec<u8>, ahead: usize, alignment: usize) {
    out.resize((out.len() + ahead).next_multiple_of(alignment) - ahead, 0);
}

/// Appends `table` and what it refers to, and returns where it is.
fn write_table(out: &mut Vec<u8>, table: &Table) -> usize {
    let n_slots = table.0.iter().map(|(slot, _)| usize::from(*slot) + 1).max().unwrap_or(0);
    let vtable_size = 4 + 2 * n_slots;
    align(out, vtable_size, 4);
    let mut places = vec![0_u16; n_slots];
    // Each slot has four bytes, whatever it holds.
    for (n, (slot, _)) in table.0.iter().enumerate() {
        places[usize::from(*slot)] = 4 + 4 * n as u16;
    }
    out.extend((vtable_size as u16).to_le_bytes());
    out.extend((4 + 4 * table.0.len() as u16).to_le_bytes());
    places.iter().for_each(|place| out.extend(place.to_le_bytes()));
    let start = out.len();
    out.extend(offset(vtable_size));
    for (_, slot) in &table.0 {
        out.extend(match slot {
            Slot::Byte(value) => [*value, 0, 0, 0],
            Slot::Int(value) => value.to_le_bytes(),
            Slot::Float(value) => value.to_le_bytes(),
            _ => [0; 4],
        });
    }
    for (n, (_, slot)) in table.0.iter().enumerate() {
        if let Some(child) = write_child(out, slot) {
            let place = start + 4 + 4 * n;
            out[place..][..4].copy_from_slice(&offset(child - place));
        }
    }
    start
}

/// Appends what `slot` refers to, and returns where it is.
fn write_child(out: &mut Vec<u8>, slot: &Slot) -> Option<usize> {
    fn vector<const N: usize>(
        out: &mut Vec<u8>,
        alignment: usize,
        values: impl ExactSizeIterator<Item = [u8; N]>,
    ) -> usize {
        align(out, 4, alignment);
        let start = out.len();
        out.extend(offset(values.len()));
        values.for_each(|value| out.extend(value));
        start
    }
    Some(match slot {
        Slot::Byte(_) | Slot::Int(_) | Slot::Float(_) => return None,
        Slot::Table(table) => write_table(out, table),
        Slot::Tables(tables) => {
            let start = vector(out, 4, tables.iter().map(|_| [0; 4]));
            for (n, table) in tables.iter().enumerate() {
                let (place, child) = (start + 4 + 4 * n, write_table(out, table));
                out[place..][..4].copy_from_slice(&offset(child - place));
            }
            start
        }
        Slot::Text(text) => {
            let start = vector(out, 4, text.bytes().map(|byte| [byte]));
            out.push(0);
            start
        }
        Slot::Ints(values) => vector(out, 4, values.iter().map(|value| value.to_le_bytes())),
        Slot::Longs(values) => vector(out, 8, values.iter().map(|value| value.to_le_bytes())),
        Slot::Floats(values) => vector(out, 4, values.iter().map(|value| value.to_le_bytes())),
        Slot::Bytes(bytes) => vector(out, 16, bytes.iter().map(|byte| [*byte])),
    })
}

/// A table in a file that is being read.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    file: &'a [u8],
    start: usize,
    /// Bytes of vectors that may still be read: as many as the file has. Many offsets to one vector would take memory many times.
    budget: &'a Cell<usize>,
}

/// An offset that leads out of the file, or a text that is none: the file is cut short, or no FlatBuffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl<'a> View<'a> {
    /// The root of `file`, if it has this identifier. `budget` counts what is read.
    pub fn root(file: &'a [u8], identifier: [u8; 4], budget: &'a Cell<usize>) -> Result<Self, Broken> {
        if file.get(4..8) != Some(&identifier) {
            return Err(Broken);
        }
        budget.set(file.len());
        Self { file, start: 0, budget }.follow(0)
    }

    fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], Broken> {
        let end = at.checked_add(N).ok_or(Broken)?;
        self.file.get(at..end).and_then(|bytes| bytes.try_into().ok()).ok_or(Broken)
    }

    fn length(&self, at: usize) -> Result<usize, Broken> {
        Ok(u32::from_le_bytes(self.bytes(at)?) as usize)
    }

    /// The table that the offset at `at` leads to.
    fn follow(&self, at: usize) -> Result<Self, Broken> {
        let start = at.checked_add(self.length(at)?).ok_or(Broken)?;
        Ok(Self { start, ..*self })
    }

    /// Where slot `n` lies, if it is there.
    fn place(&self, n: u16) -> Result<Option<usize>, Broken> {
        let back = i64::from(i32::from_le_bytes(self.bytes(self.start)?));
        let vtable = usize::try_from(self.start as i64 - back).map_err(|_| Broken)?;
        let size = usize::from(u16::from_le_bytes(self.bytes(vtable)?));
        let entry = 4 + 2 * usize::from(n);
        if entry + 2 > size {
            return Ok(None);
        }
        let place = usize::from(u16::from_le_bytes(self.bytes(vtable + entry)?));
        Ok((place > 0).then_some(self.start + place))
    }

    pub fn byte(&self, slot: u16, default: u8) -> Result<u8, Broken> {
        Ok(match self.place(slot)? {
            Some(at) => self.bytes::<1>(at)?[0],
            None => default,
        })
    }

    pub fn int(&self, slot: u16, default: i32) -> Result<i32, Broken> {
        self.place(slot)?.map_or(Ok(default), |at| Ok(i32::from_le_bytes(self.bytes(at)?)))
    }

    pub fn float(&self, slot: u16, default: f32) -> Result<f32, Broken> {
        self.place(slot)?.map_or(Ok(default), |at| Ok(f32::from_le_bytes(self.bytes(at)?)))
    }

    pub fn table(&self, slot: u16) -> Result<Option<Self>, Broken> {
        self.place(slot)?.map(|at| self.follow(at)).transpose()
    }

    /// The elements of a vector, of `N` bytes each, and where they start. None if the slot is not there.
    fn vector<const N: usize>(&self, slot: u16) -> Result<(&'a [[u8; N]], usize), Broken> {
        let Some(at) = self.place(slot)? else { return Ok((&[], 0)) };
        let start = at.checked_add(self.length(at)?).ok_or(Broken)?;
        let size = self.length(start)?.checked_mul(N).ok_or(Broken)?;
        let first = start + 4;
        self.budget.set(self.budget.get().checked_sub(size).ok_or(Broken)?);
        let bytes = first.checked_add(size).and_then(|end| self.file.get(first..end)).ok_or(Broken)?;
        Ok((bytes.as_chunks().0, first))
    }

    pub fn tables(&self, slot: u16) -> Result<Vec<Self>, Broken> {
        let (offsets, first) = self.vector::<4>(slot)?;
        (0..offsets.len()).map(|n| self.follow(first + 4 * n)).collect()
    }

    pub fn data(&self, slot: u16) -> Result<&'a [u8], Broken> {
        Ok(self.vector::<1>(slot)?.0.as_flattened())
    }

    pub fn text(&self, slot: u16) -> Result<String, Broken> {
        String::from_utf8(self.data(slot)?.to_vec()).map_err(|_| Broken)
    }

    pub fn ints(&self, slot: u16) -> Result<Vec<i32>, Broken> {
        Ok(self.vector(slot)?.0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect())
    }

    pub fn longs(&self, slot: u16) -> Result<Vec<i64>, Broken> {
        Ok(self.vector(slot)?.0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
    }

    pub fn floats(&self, slot: u16) -> Result<Vec<f32>, Broken> {
        Ok(self.vector(slot)?.0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_back_and_bytes_are_aligned() {
        let inner = |n| Table::new([(0, Slot::Int(n)), (2, Slot::Floats(vec![0.5, -1.0]))]);
        let table = Table::new([
            (1, Slot::Byte(7)),
            (0, Slot::Text("ä name".into())),
            (3, Slot::Tables(vec![inner(-1), inner(5)])),
            (4, Slot::Bytes(vec![1, 2, 3])),
            (5, Slot::Longs(vec![i64::MIN])),
            (6, Slot::Table(inner(9))),
            (7, Slot::Ints(vec![])),
        ]);
        let file = table.file(*b"TEST");
        let budget = Cell::default();
        let root = View::root(&file, *b"TEST", &budget).unwrap();
        assert_eq!((root.byte(1, 0), root.text(0), root.data(4)), (Ok(7), Ok("ä name".into()), Ok(&[1_u8, 2, 3][..])));
        assert_eq!((root.longs(5), root.ints(7), root.int(2, 11)), (Ok(vec![i64::MIN]), Ok(vec![]), Ok(11)));
        let numbers: Vec<i32> = root.tables(3).unwrap().iter().map(|table| table.int(0, 0).unwrap()).collect();
        assert_eq!(numbers, [-1, 5]);
        assert_eq!(root.table(6).unwrap().unwrap().floats(2), Ok(vec![0.5, -1.0]));
        let at = file.windows(3).position(|bytes| bytes == [1, 2, 3]).unwrap();
        assert!(at.is_multiple_of(16), "{at}");
        assert!(View::root(&file, *b"TFL3", &budget).is_err());
        let root = View::root(&file, *b"TEST", &budget).unwrap();
        let again = (0..file.len()).map(|_| root.data(4)).find(Result::is_err);
        assert_eq!(again, Some(Err(Broken)), "the same bytes are not read without end");
    }
}
