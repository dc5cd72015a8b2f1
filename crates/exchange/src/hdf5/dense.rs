//! Dense storage: many links or attributes of an object, in a fractal heap, with a B-tree 2 that lists them.

use super::bytes::{File, Reader};
use super::header::check;
use super::{Hdf5Error, UNDEFINED};

/// What a B-tree 2 lists: its records differ in where the identifier of the heap's object is.
#[derive(Clone, Copy)]
pub(super) enum Listed {
    /// Links by name: a hash, then the identifier.
    Links,
    /// Attributes by name: the identifier comes first.
    Attributes,
}

impl Listed {
    fn kind(self) -> u8 {
        match self {
            Self::Links => 5,
            Self::Attributes => 8,
        }
    }

    /// Where the identifier is within a record.
    fn identifier_at(self) -> usize {
        match self {
            Self::Links => 4,
            Self::Attributes => 0,
        }
    }
}

/// The messages (links or attributes) that are kept in the heap at `heap` and listed in the tree at `tree`. Where there is no
/// heap, there are none.
pub(super) fn messages<'a>(
    file: &File<'a>,
    heap: u64,
    tree: u64,
    listed: Listed,
) -> Result<Vec<Reader<'a>>, Hdf5Error> {
    if heap == UNDEFINED {
        return Ok(Vec::new());
    }
    let heap = Heap::read(file, heap)?;
    let records = records(file, tree, listed.kind())?;
    records
        .into_iter()
        .map(|mut record| {
            record.take(listed.identifier_at())?;
            let object = heap.object(file, record)?;
            file.charge(object.at, object.rest.len())?;
            Ok(object)
        })
        .collect()
}

/// A fractal heap: blocks of growing size, in rows.
struct Heap {
    /// Bytes of an offset in the heap, and of the length of an object.
    widths: (usize, usize),
    /// Blocks in a row.
    width: u64,
    /// Bytes of a block of the first two rows; each further row has blocks of twice the size.
    first_size: u64,
    /// Bytes of the largest block that holds objects itself.
    most_direct: u64,
    /// The root block, and its number of rows; 0 where it holds objects itself.
    root: (u64, u16),
    /// Bytes before the list of blocks in a block of blocks.
    block_head: usize,
}

impl Heap {
    fn read(file: &File<'_>, at: u64) -> Result<Self, Hdf5Error> {
        let mut head = file.at(at)?;
        let whole = head;
        head.signature(b"FRHP", "fractal heap")?;
        head.version(0..=0, "a fractal heap")?;
        let _identifier = head.u16()?;
        if head.u16()? != 0 {
            return whole
                .refuse("links or attributes are compressed; save the file with an h5py of no special options");
        }
        head.take(1)?;
        let most_managed = head.u32()?;
        // Statistics, and what concerns objects too large for the heap's blocks.
        head.take(12 * 8)?;
        let width = head.u16()?;
        let (first_size, most_direct) = (head.u64()?, head.u64()?);
        let offset_bits = head.u16()?;
        head.take(2)?;
        let root = (head.u64()?, head.u16()?);
        check(whole, (head.at - whole.at) as usize, "a fractal heap")?;
        let is_size = |size: u64| size.is_power_of_two() && size <= 1 << 32;
        if !(is_size(first_size) && is_size(most_direct) && (1..=64).contains(&offset_bits) && width > 0) {
            return whole.refuse("the sizes of a fractal heap make no sense");
        }
        let offset_width = usize::from(offset_bits).div_ceil(8);
        let direct_width = (most_direct.ilog2() as usize).div_ceil(8);
        let managed_width = most_managed.max(1).ilog2() as usize / 8 + 1;
        Ok(Self {
            widths: (offset_width, direct_width.min(managed_width)),
            width: width.into(),
            first_size,
            most_direct,
            root,
            block_head: 4 + 1 + 8 + offset_width,
        })
    }

    /// The object with the identifier that `reader` is at.
    fn object<'a>(&self, file: &File<'a>, mut reader: Reader<'_>) -> Result<Reader<'a>, Hdf5Error> {
        let here = reader;
        if reader.u8()? & 0xf0 != 0 {
            return here.refuse(
                "a link or an attribute is stored by itself; save the file with an h5py of no special options",
            );
        }
        let (offset, length) = (reader.uint(self.widths.0)?, reader.uint(self.widths.1)?);
        let (block, within) = self.block(file, offset)?;
        let mut block = file.at(block)?;
        let mut signed = block;
        signed.signature(b"FHDB", "block of a fractal heap")?;
        block.part(within)?;
        block.part(length)
    }

    /// The address of the block with what is at `offset` of the heap, and where in that block it is.
    fn block(&self, file: &File<'_>, offset: u64) -> Result<(u64, u64), Hdf5Error> {
        let (mut at, mut n_rows) = (self.root.0, u64::from(self.root.1));
        let mut offset = offset;
        // Each block of blocks is smaller than the one that lists it.
        while n_rows > 0 {
            let mut block = file.at(at)?;
            file.charge(at, 16)?;
            block.signature(b"FHIB", "block of a fractal heap")?;
            block.take(self.block_head - 4)?;
            let mut row = 0;
            let mut size = self.first_size;
            while let Some(beyond) = offset.checked_sub(size.saturating_mul(self.width)) {
                offset = beyond;
                row += 1;
                size = self.row_size(row);
                if row >= n_rows {
                    return block.refuse("an object lies beyond the end of its fractal heap");
                }
            }
            let index = row * self.width + offset / size;
            block.part(index * 8)?;
            at = block.u64()?;
            offset %= size;
            n_rows = if size <= self.most_direct {
                0
            } else {
                let rows = (size / self.first_size / self.width).max(1).ilog2() as u64 + 1;
                if rows >= n_rows {
                    return block.refuse("a fractal heap refers to itself");
                }
                rows
            };
        }
        Ok((at, offset))
    }

    /// Bytes of a block in `row`.
    fn row_size(&self, row: u64) -> u64 {
        self.first_size.saturating_mul(1_u64.checked_shl(row.saturating_sub(1) as u32).unwrap_or(u64::MAX))
    }
}

/// The records of the B-tree 2 at `at`, of the given kind.
fn records<'a>(file: &File<'a>, at: u64, kind: u8) -> Result<Vec<Reader<'a>>, Hdf5Error> {
    let mut head = file.at(at)?;
    let whole = head;
    head.signature(b"BTHD", "B-tree 2")?;
    head.version(0..=0, "a B-tree 2")?;
    let found = head.u8()?;
    let (node_size, record_size, depth) = (head.u32()?, head.u16()?, head.u16()?);
    head.take(2)?;
    let (root, n_records) = (head.u64()?, head.u16()?);
    head.take(8)?;
    check(whole, (head.at - whole.at) as usize, "a B-tree 2")?;
    if found != kind || record_size == 0 || u32::from(record_size) + 10 > node_size {
        return whole.refuse("this B-tree is of another kind than what refers to it");
    }
    if depth > 1 {
        return whole.refuse("a group has more than a thousand members, which no network of this family has");
    }
    let mut records = Vec::new();
    if root == UNDEFINED {
        return Ok(records);
    }
    // A node of records holds as many as fit beside its head and checksum of ten bytes. How many there are is written in as
    // few bytes as that number needs.
    let count_width = ((node_size - 10) / u32::from(record_size)).max(1).ilog2() as usize / 8 + 1;
    let mut leaf = |at: u64, n: u64| -> Result<(), Hdf5Error> {
        let mut node = file.at(at)?;
        node.signature(b"BTLF", "node of a B-tree 2")?;
        node.take(2)?;
        file.charge(at, n as usize * usize::from(record_size))?;
        for _ in 0..n {
            records.push(node.part(record_size.into())?);
        }
        Ok(())
    };
    if depth == 0 {
        leaf(root, n_records.into())?;
        return Ok(records);
    }
    let mut node = file.at(root)?;
    node.signature(b"BTIN", "node of a B-tree 2")?;
    node.take(2)?;
    let own = (0..n_records).map(|_| node.part(record_size.into())).collect::<Result<Vec<_>, _>>()?;
    for _ in 0..=n_records {
        let (at, n) = (node.u64()?, node.uint(count_width)?);
        leaf(at, n)?;
    }
    records.extend(own);
    Ok(records)
}
