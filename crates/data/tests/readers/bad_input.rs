//! What is no data set gets an error that says what was found and what was looked for.

use super::{folder_with, read_text, zip_bytes};
use std::path::Path;
use triax_data::{Format, ReadOptions, read};

fn error(name: &str, content: impl AsRef<[u8]>) -> String {
    read_text(name, content).unwrap_err().to_string()
}

#[test]
fn a_missing_path() {
    let error = read(Path::new("no/such/place"), &ReadOptions::default()).unwrap_err().to_string();
    assert_eq!(error, "no/such/place: there is no such file or folder. Check the path");
}

#[test]
fn an_empty_file() {
    assert!(error("a.txt", "").contains("a.txt: the file is empty. Looked for"));
    assert!(error("a.csv", "\n\n").contains("nothing to read"));
}

#[test]
fn an_empty_folder_and_an_empty_archive() {
    let dir = tempfile::tempdir().unwrap();
    assert!(read(dir.path(), &ReadOptions::default()).unwrap_err().to_string().contains("nothing lies in it"));
    assert!(error("a.zip", zip_bytes(&[("", ""); 0])).contains("nothing lies in it"));
}

#[test]
fn a_binary_file() {
    let binary: Vec<u8> = (0..=255).cycle().take(5000).collect();
    assert!(error("a.txt", &binary).contains("binary data of no known format"));
    assert!(error("a.csv", &binary).contains("binary data, not text"));
    let dir = folder_with(&[("a.txt", &binary)]);
    let path = dir.path().join("a.txt");
    for format in Format::ALL {
        let error = read(&path, &ReadOptions::of_format(format)).unwrap_err().to_string();
        assert!(error.contains("a.txt"), "{format}: {error}");
    }
}

#[test]
fn a_text_that_is_no_data_set() {
    let error = error("letter.txt", "Dear reader,\nthis is a letter.\n");
    assert!(error.contains("it begins `Dear reader,`"), "{error}");
    for format in Format::ALL {
        assert!(error.contains(&format!("  {format}: ")), "{error}");
    }
}

#[test]
fn a_damaged_archive() {
    let mut bytes = zip_bytes(&[("data_1_accel_phone.txt", "1,A,5,1,2,3;\n1,A,6,1,2,3;\n")]);
    bytes.truncate(bytes.len() / 2);
    assert!(error("a.zip", bytes).contains("not a readable zip archive"));
}

#[test]
fn a_folder_without_data() {
    let dir = folder_with(&[("readme.md", b"# Nothing\n"), ("notes.txt", b"Nothing\n")]);
    let error = read(dir.path(), &ReadOptions::of_format(Format::UciHar)).unwrap_err().to_string();
    assert!(error.contains("among its 2 files (the first is `notes.txt`)"), "{error}");
    assert!(error.contains("  uci-har: ") && !error.contains("  csv: "), "{error}");
}

#[test]
fn an_unknown_format_lists_those_that_are_known() {
    let error = "wisdm3".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("wisdm1, wisdm2, uci-har, motionsense, pamap2, uea, csv, npz"), "{error}");
    for format in Format::ALL {
        assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        assert_eq!(serde_json::to_value(format).unwrap(), format.name());
    }
}

#[test]
fn files_of_other_programs_are_named_with_the_way_to_convert_them() {
    let cases: [(&str, &[u8], &str, &str); 14] = [
        ("a.mat", b"MATLAB 5.0 MAT-file, Platform", "a MATLAB file", "scipy.io.loadmat"),
        ("a.bin", b"\x89HDF\r\n\x1a\n", "an HDF5 file", "h5py.File"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "an HDF5 file", "h5py.File"),
        ("a.parquet", b"PAR1\x15", "a Parquet file", "read_parquet"),
        ("a.feather", b"ARROW1\0\0", "an Arrow file", "read_feather"),
        ("a.pkl", b"\x80\x04\x95", "a Python pickle", "never loaded"),
        ("a.xls", b"\xD0\xCF\x11\xE0", "a spreadsheet", "read_excel"),
        ("a.sqlite", b"SQLite format 3\0", "an SQLite database", "read_sql"),
        ("a.arff", b"@relation x\n@attribute", "an ARFF file", "loadarff"),
        ("a.pt", b"\x80\x02", "a Python pickle", "never loaded"),
        ("a.7z", b"7z\xBC\xAF\x27\x1C", "an archive that is not opened here", "Unpack it"),
        ("a.tar.gz", b"\x1f\x8b\x08\0", "an archive that is not opened here", "Unpack it"),
        ("a.rds", b"\x1f\x8b\x08\0", "an R file", "write.csv"),
        ("a.cwa", b"MD\xFC\x03", "a file of an accelerometer", "Export it as CSV"),
    ];
    for (name, content, what, remedy) in cases {
        let error = error(name, content);
        assert!(error.contains(&format!("{name}: {what}")) && error.contains(remedy), "{error}");
        let folder = folder_with(&[("notes/readme.txt", b"Nothing"), (name, content)]);
        let error = read(folder.path(), &ReadOptions::default()).unwrap_err().to_string();
        assert!(error.contains(name) || name == "a.bin", "{error}");
    }
    let workbook = zip_bytes(&[("[Content_Types].xml", "<x/>"), ("xl/workbook.xml", "<x/>")]);
    assert!(error("a.xlsx", workbook).contains("a.xlsx: an Excel workbook"));
}
