//! What h5py writes is read, what is written h5py reads, and what is damaged is refused.

use std::collections::BTreeMap;
use std::io::Read as _;

use proptest::prelude::*;

use super::{Attribute, Content, Dataset, Group, Node, read, write};

/// The bytes of a file of `golden/`.
fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/golden/{name}.h5.gz", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

const FORMS: [&str; 3] = ["default", "latest", "tracked"];

/// What `numbers` of `golden/generate.py` gives.
fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32 / 4.0 - 3.0).collect()
}

fn dataset<'a, 'b>(file: &'b Group<'a>, path: &str) -> &'b Dataset<'a> {
    file.dataset(path).unwrap_or_else(|| panic!("there is no data set {path}"))
}

#[test]
fn every_form_of_a_number_is_read() {
    for form in FORMS {
        let bytes = golden(form);
        let file = read(&bytes).unwrap();
        let mut expected: Vec<(&str, &[usize])> = vec![
            ("float32", &[2, 3, 4]),
            ("float64", &[5]),
            ("float16", &[5]),
            ("compact", &[3]),
            ("nothing", &[0, 3]),
            ("one chunk", &[4, 6]),
        ];
        // The latest form lists several chunks in another way.
        expected.extend((form != "latest").then_some(("chunks", [5, 7, 3].as_slice())));
        for (name, shape) in expected {
            let dataset = dataset(&file, &format!("values/{name}"));
            assert_eq!(dataset.shape, shape, "{form}, {name}");
            assert_eq!(dataset.values().unwrap(), numbers(shape.iter().product()), "{form}, {name}");
        }
        let scalar = dataset(&file, "values/scalar");
        assert_eq!((scalar.shape.len(), scalar.values().unwrap()), (0, vec![2.5]), "{form}");
    }
}

#[test]
fn what_is_not_read_is_refused_with_what_it_is() {
    for form in FORMS {
        let bytes = golden(form);
        let file = read(&bytes).unwrap();
        let listing = if form == "latest" { "save it without `libver='latest'`" } else { "filter of number 32000" };
        for (name, reason) in [
            ("big-endian", "big-endian numbers; save it as float32"),
            ("integers", "integers; save it as float32"),
            ("too large", "beyond the range of float32"),
            ("lzf", listing),
        ] {
            let error = dataset(&file, &format!("values/{name}")).values().expect_err(name).to_string();
            assert!(error.contains(reason), "{form}: {error}");
        }
    }
}

#[test]
fn attributes_and_groups_of_many_members_are_read() {
    for form in FORMS {
        let bytes = golden(form);
        let file = read(&bytes).unwrap();
        let texts = |texts: &[&str]| Attribute::Texts(texts.iter().map(|&text| text.to_owned()).collect());
        for (name, value) in [
            ("text", Attribute::Text("Größe".into())),
            ("bytes", Attribute::Text("fixed".into())),
            ("texts", texts(&["a", "beta", "γ"])),
            ("fixed texts", texts(&["conv1d", "dense"])),
            ("empty", Attribute::Text(String::new())),
            ("none", texts(&[])),
            ("numbers", Attribute::Other("numbers".into())),
        ] {
            assert_eq!(file.attributes.get(name), Some(&value), "{form}: {name}");
        }
        let many = file.group("many").unwrap();
        assert_eq!((many.members.len(), many.attributes.len()), (70, 12), "{form}");
        for i in 0..70 {
            assert_eq!(dataset(many, &format!("member {i}")).values().unwrap(), [i as f32], "{form}");
        }
        for i in 0..12 {
            assert_eq!(many.attributes[&format!("attribute {i}")].text(), Some(format!("value {i}").as_str()));
        }
        assert_eq!(file.group("/a/b/c"), Some(&Group::default()), "{form}");
        // A link to a name is left out; the file would be walked twice.
        assert_eq!(file.group("a").unwrap().members.keys().collect::<Vec<_>>(), ["b"], "{form}");
        assert_eq!(file.get("values/float32/more"), None);
    }
}

/// A file with `values` in two data sets, and an integer.
fn written(values: &[f32]) -> Vec<u8> {
    let shape = [values.len()];
    let below = BTreeMap::from([
        ("0".to_owned(), Content::Floats(&shape, values)),
        ("1".to_owned(), Content::Floats(&[1, 1], &[2.5])),
        ("2".to_owned(), Content::Integer(7)),
    ]);
    let vars = BTreeMap::from([("vars".to_owned(), Content::Group(below))]);
    write(&BTreeMap::from([
        ("größe".to_owned(), Content::Group(vars)),
        ("empty".to_owned(), Content::Group(BTreeMap::new())),
    ]))
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_bit_for_bit(bits in prop::collection::vec(any::<u32>(), 0..40)) {
        let values: Vec<f32> = bits.iter().copied().map(f32::from_bits).collect();
        let bytes = written(&values);
        let file = read(&bytes).unwrap();
        let read: Vec<u32> = dataset(&file, "größe/vars/0").values().unwrap().into_iter().map(f32::to_bits).collect();
        prop_assert_eq!(read, bits);
        prop_assert_eq!(&dataset(&file, "größe/vars/1").shape, &[1, 1]);
        prop_assert_eq!(file.group("empty"), Some(&Group::default()));
    }

    /// Bytes are changed where the file's structure is: nothing may break but with an error.
    #[test]
    fn damaged_files_are_read_or_refused(
        form in prop::sample::select(&FORMS[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
        is_cut in prop::bool::weighted(0.2),
    ) {
        let mut bytes = golden(form);
        // Most of a file is zeros that nothing refers to.
        let structure: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i] != 0).collect();
        for (at, value) in changes {
            bytes[structure[at.index(structure.len())]] = value;
        }
        if is_cut {
            bytes.truncate(length.index(bytes.len()));
        }
        if let Ok(file) = read(&bytes) {
            read_all(&file);
        }
    }
}

/// Asks for the values of every data set.
fn read_all(group: &Group<'_>) {
    for node in group.members.values() {
        match node {
            Node::Group(group) => read_all(group),
            Node::Dataset(dataset) => drop(dataset.values()),
        }
    }
}

#[test]
fn a_file_that_is_cut_off_or_of_something_else_is_refused() {
    let bytes = written(&[1.0; 20]);
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
    }
    assert_eq!(read(b"PK\x03\x04").unwrap_err().to_string(), "HDF5, byte 0: this is no HDF5 file");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        // Of this form, every byte but values and what fills up to a multiple of eight has a checksum.
        if let Ok(file) = read(&changed) {
            read_all(&file);
        }
    }
    let mut changed = bytes.clone();
    let header = bytes.windows(4).position(|word| word == b"OHDR").unwrap();
    changed[header + 12] ^= 1;
    let error = read(&changed).unwrap_err().to_string();
    assert!(error.contains("the checksum of an object header does not fit its bytes"), "{error}");
}

#[test]
fn a_group_within_itself_is_refused() {
    let mut bytes = golden("default");
    // The root's header is at 96. The link to `a` is the first whose group is another.
    let root = 96_u64.to_le_bytes();
    let table = bytes.windows(4).position(|word| word == b"SNOD").unwrap();
    bytes[table + 16..table + 24].copy_from_slice(&root);
    let error = read(&bytes).unwrap_err().to_string();
    assert!(error.contains("a group is a member of itself"), "{error}");
}
