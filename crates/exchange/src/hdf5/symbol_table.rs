//! Groups in their first form: a B-tree 1 over symbol tables, with the names in a local heap.

use super::Hdf5Error;
use super::bytes::{File, Reader};

/// The deepest B-tree: with two children a node it would have more members than a file has bytes.
const DEEPEST: u8 = 32;

/// The name and the address of each member of the group whose symbol table message is `message`.
pub(super) fn members(file: &File<'_>, mut message: Reader<'_>) -> Result<Vec<(String, u64)>, Hdf5Error> {
    let (tree, heap) = (message.u64()?, message.u64()?);
    let names = heap_names(file, heap)?;
    let mut members = Vec::new();
    let mut nodes = vec![(tree, DEEPEST)];
    while let Some((at, at_most)) = nodes.pop() {
        let mut node = file.at(at)?;
        file.charge(at, 24)?;
        if node.rest.starts_with(b"SNOD") {
            symbols(file, node, names, &mut members)?;
            continue;
        }
        let (level, n_children) = tree_node(&mut node, 0)?;
        if level >= at_most {
            return node.refuse("a B-tree refers to itself, or is too deep");
        }
        file.charge(at, 16 * n_children)?;
        for _ in 0..n_children {
            node.u64()?;
            nodes.push((node.u64()?, level));
        }
    }
    Ok(members)
}

/// The head of a node of a B-tree 1 of the given kind: its level, and the number of its children. What follows are keys
/// and addresses in turns.
pub(super) fn tree_node(node: &mut Reader<'_>, kind: u8) -> Result<(u8, usize), Hdf5Error> {
    let here = *node;
    node.signature(b"TREE", "B-tree")?;
    if node.u8()? != kind {
        return here.refuse("this B-tree is of another kind than what refers to it");
    }
    let (level, n_children) = (node.u8()?, node.u16()?);
    // The neighbours: all nodes are reached from above.
    node.take(16)?;
    Ok((level, n_children.into()))
}

/// The bytes of the local heap at `at`.
fn heap_names<'a>(file: &File<'a>, at: u64) -> Result<Reader<'a>, Hdf5Error> {
    let mut heap = file.at(at)?;
    heap.signature(b"HEAP", "local heap")?;
    heap.version(0..=0, "a local heap")?;
    heap.take(3)?;
    let size = heap.u64()?;
    heap.take(8)?;
    let at = heap.u64()?;
    file.slice(at, size)
}

/// Reads a node of symbols, whose names are in the heap `names`.
fn symbols(
    file: &File<'_>,
    mut node: Reader<'_>,
    names: Reader<'_>,
    members: &mut Vec<(String, u64)>,
) -> Result<(), Hdf5Error> {
    node.take(4)?;
    node.version(1..=1, "a symbol table")?;
    node.take(1)?;
    for _ in 0..node.u16()? {
        let here = node;
        let (name, address, cache) = (node.u64()?, node.u64()?, node.u32()?);
        node.take(20)?;
        // 2 is a symbolic link, which may lead anywhere.
        if cache == 2 {
            continue;
        }
        let mut at_name = names;
        at_name.part(name)?;
        let Some(length) = at_name.rest.iter().position(|&byte| byte == 0) else {
            return here.refuse("the name of a member does not end");
        };
        file.charge(here.at, length)?;
        members.push((text(at_name.part(length as u64)?)?, address));
    }
    Ok(())
}

/// UTF-8 to the end of `reader`.
pub(super) fn text(reader: Reader<'_>) -> Result<String, Hdf5Error> {
    match std::str::from_utf8(reader.rest) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => reader.refuse("a name or a text is not UTF-8"),
    }
}
