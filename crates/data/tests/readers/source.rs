//! Archives and folders as they are found: packed by other programs, far larger inside than outside, linked in circles.

use super::numpy::npy;
use super::{folder_with, outline, read_text, zip_bytes};
use std::io::Write;
use triax_data::{ReadOptions, read};
use zip::write::SimpleFileOptions;

const ROWS: &str = "subject,activity,x\ns1,walk,1\ns1,walk,2\ns2,sit,3\n";

fn error(name: &str, content: impl AsRef<[u8]>) -> String {
    read_text(name, content).unwrap_err().to_string()
}

fn packed_with(method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("base.csv", SimpleFileOptions::default().compression_method(method)).unwrap();
    archive.write_all(ROWS.as_bytes()).unwrap();
    archive.finish().unwrap().into_inner()
}

/// The archive with `value` at `offset` of the local header of its first member, and of its entry in the directory, where
/// the same field lies two bytes on.
fn patched(mut archive: Vec<u8>, offset: usize, value: u16) -> Vec<u8> {
    let directory = archive.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").unwrap();
    for at in [offset, directory + offset + 2] {
        archive[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    archive
}

const FLAGS: usize = 6;
const METHOD: usize = 8;

/// An archive with one deflated member of this name that expands to `mib` MiB of one byte, and says that it has `claimed`
/// bytes.
fn bomb(name: &str, byte: u8, mib: usize, claimed: usize) -> Vec<u8> {
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflate.write_all(&vec![byte; 1 << 20]).unwrap();
    deflate.flush().unwrap();
    let data = deflate.get_ref().repeat(mib);
    let (length, claimed) = ((data.len() as u32).to_le_bytes(), (claimed as u32).to_le_bytes());
    let name_length = (name.len() as u16).to_le_bytes();
    // From the version that is needed to the length of the extra field, which local header and directory have in common.
    let common = [&[20, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0], &length[..], &claimed, &name_length, &[0, 0]].concat();
    let mut archive = [b"PK\x03\x04", &common[..], name.as_bytes(), &data].concat();
    let at = (archive.len() as u32).to_le_bytes();
    let directory = [b"PK\x01\x02\x14\x00", &common[..], &[0; 14], name.as_bytes()].concat();
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    archive.extend((directory.len() as u32).to_le_bytes());
    archive.extend(at);
    archive.extend([0, 0]);
    archive
}

#[test]
fn an_archive_made_by_windows_has_folders() {
    let rows =
        ",gravity.x,gravity.y,gravity.z,userAcceleration.x,userAcceleration.y,userAcceleration.z\n0,0,1,0,0,0,0\n";
    let members = [("A_DeviceMotion_data\\wlk_7\\sub_1.csv", rows), ("A_DeviceMotion_data\\sit_5\\sub_2.csv", rows)];
    let corpus = read_text("a.zip", zip_bytes(&members)).unwrap();
    assert_eq!(corpus.name, "MotionSense");
    assert_eq!(outline(&corpus), [("2", "sit", 1), ("1", "wlk", 1)]);
}

#[test]
fn what_other_programs_pack_with_is_read_or_named() {
    let plain = read_text("a.csv", ROWS).unwrap();
    let deflated = packed_with(zip::CompressionMethod::Deflated);
    // A stream this short means the same in both.
    let deflate64 = patched(deflated.clone(), METHOD, 9);
    for archive in [
        packed_with(zip::CompressionMethod::Stored),
        deflated.clone(),
        packed_with(zip::CompressionMethod::Bzip2),
        deflate64,
    ] {
        assert_eq!(read_text("a.zip", archive).unwrap().fingerprint, plain.fingerprint);
    }
    for (code, name) in [(14, "LZMA"), (93, "Zstandard"), (95, "xz"), (98, "PPMd"), (6, "Implode"), (77, "method 77")] {
        let error = error("a.zip", patched(deflated.clone(), METHOD, code));
        assert!(error.contains("a.zip:base.csv: it is compressed with") && error.contains(name), "{error}");
        assert!(error.contains("repack it with Deflate"), "{error}");
    }
    let error = error("a.zip", patched(deflated, FLAGS, 1));
    assert!(error.contains("a.zip:base.csv: it is encrypted") && error.contains("password"), "{error}");
}

#[test]
fn two_members_of_one_name_are_refused() {
    let error = error("a.zip", zip_bytes(&[("a/base.csv", ROWS), ("a\\base.csv", ROWS)]));
    assert!(error.contains("two files in it have the name `a/base.csv`"), "{error}");
}

#[test]
fn names_in_an_archive_need_not_be_utf_8() {
    let mut archive = zip_bytes(&[("caf_.csv", ROWS)]);
    for at in 0..archive.len() - 8 {
        if archive[at..].starts_with(b"caf_.csv") {
            archive[at + 3] = 0xE9;
        }
    }
    assert_eq!(outline(&read_text("a.zip", archive).unwrap()).len(), 2);
    let utf_8 = read_text("a.zip", zip_bytes(&[("café.csv", ROWS)])).unwrap();
    assert_eq!(utf_8.recordings[0].source, "café.csv:2");
}

#[test]
fn an_archive_expands_within_its_budget_whatever_it_says_of_its_size() {
    for claimed in [300 << 20, u32::MAX as usize - 1] {
        let archive = bomb("base.csv", b'\n', 300, claimed);
        assert!(archive.len() < 2 << 20);
        let error = error("a.zip", &archive);
        assert!(error.contains("a.zip:base.csv: ") && error.contains("bytes expand to more than"), "{error}");
        assert!(
            error.contains("MiB, as recordings do not") && error.contains("unpack it and name the folder"),
            "{error}"
        );
    }
    let error = error("a.zip", bomb("base.csv", b'\n', 1, 1000));
    assert!(error.contains("a.zip:base.csv: damaged") && error.contains("Download the archive again"), "{error}");
}

#[test]
fn archives_inside_share_the_budget() {
    // The inner archive is as large as its member: each alone is within the budget.
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut inner = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    inner.start_file("base.csv", stored).unwrap();
    inner.write_all(&vec![b'\n'; 150 << 20]).unwrap();
    let outer = zip_bytes(&[("inner.zip", inner.finish().unwrap().into_inner())]);
    let error = error("a.zip", outer);
    assert!(error.contains("inner.zip:base.csv") && error.contains("expand to more than"), "{error}");
}

#[test]
fn many_tiny_cases_take_memory_within_the_budget() {
    // Each case is four bytes of text, and a recording.
    let cases = "@problemName a\n@classLabel true 0\n@data\n".to_owned() + &"1:0\n".repeat(1_200_000);
    let error = error("a.zip", zip_bytes(&[("a.ts", &cases)]));
    assert!(error.contains("a.zip:a.ts: ") && error.contains("expand to more than 256 MiB"), "{error}");
}

#[test]
fn of_several_archives_the_one_that_is_read_is_named() {
    let archive = zip_bytes(&[("base.csv", ROWS)]);
    let folder = folder_with(&[("a.zip", &archive), ("b.zip", &archive)]);
    let corpus = read(folder.path(), &ReadOptions::default()).unwrap();
    let warning = corpus.notices[0].to_string();
    assert!(warning.contains("only `a.zip` is read, not `b.zip`"), "{warning}");
}

#[test]
fn too_many_files_are_refused() {
    let members: Vec<(String, &str)> = (0..50_001).map(|at| (format!("{at}.txt"), "")).collect();
    let error = error("a.zip", zip_bytes(&members));
    assert!(error.contains("a.zip: more than 50000 files lie in it"), "{error}");
}

#[test]
fn arrays_take_memory_within_the_budget() {
    // Two million windows of a byte each are two kilobytes packed, and half a gigabyte as recordings.
    let n = 2_000_000;
    let x = npy("'|u1'", &format!("({n}, 1, 1)"), &vec![0; n]);
    let y = npy("'|u1'", &format!("({n},)"), &vec![0; n]);
    let error = error("a.npz", zip_bytes(&[("X_train.npy", &x), ("y_train.npy", &y)]));
    assert!(error.contains("a.npz:X_train.npy: ") && error.contains("expand to more than 256 MiB"), "{error}");
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_folder_that_links_to_itself_is_read_once() {
        let outer = folder_with(&[("set/base.csv", ROWS.as_bytes()), ("beside.csv", ROWS.as_bytes())]);
        let set = outer.path().join("set");
        for (target, link) in [(".", "again"), ("..", "up"), ("base.csv", "a-copy.csv"), ("nowhere", "broken.csv")] {
            symlink(target, set.join(link)).unwrap();
        }
        symlink("/", set.join("root")).unwrap();
        fs::create_dir(set.join("deep")).unwrap();
        symlink("../../set", set.join("deep/loop")).unwrap();
        let corpus = read(&set, &ReadOptions::default()).unwrap();
        assert_eq!(outline(&corpus), [("s1", "walk", 2), ("s2", "sit", 1)]);
        assert_eq!(corpus.recordings[0].source, "base.csv:2");
    }

    #[test]
    fn what_links_lead_to_elsewhere_is_read() {
        let elsewhere = folder_with(&[("more/base.csv", ROWS.as_bytes())]);
        let folder = tempfile::tempdir().unwrap();
        for link in ["one", "two"] {
            symlink(elsewhere.path().join("more"), folder.path().join(link)).unwrap();
        }
        let corpus = read(folder.path(), &ReadOptions::default()).unwrap();
        assert_eq!(outline(&corpus), [("s1", "walk", 2), ("s2", "sit", 1)]);
        assert_eq!(corpus.recordings[0].source, "one/base.csv:2");
    }

    #[test]
    fn names_that_are_no_utf_8_stay_apart() {
        let folder = tempfile::tempdir().unwrap();
        for (name, subject) in [(b"a\xFE.csv", "s1"), (b"a\xFF.csv", "s2")] {
            let text = format!("subject,activity,x\n{subject},walk,1\n");
            if fs::write(folder.path().join(OsStr::from_bytes(name)), text).is_err() {
                // Some file systems, as that of macOS, have no such names.
                return;
            }
        }
        let corpus = read(folder.path(), &ReadOptions::default()).unwrap();
        assert_eq!(outline(&corpus), [("s1", "walk", 1), ("s2", "walk", 1)]);
        assert_eq!(corpus.recordings[1].source, "a\\xFF.csv:2");
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = folder_with(&[("base.csv", ROWS.as_bytes())]);
        let pipe = folder.path().join("pipe.csv");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(outline(&read(folder.path(), &ReadOptions::default()).unwrap()).len(), 2);
        for path in [pipe.as_path(), "/dev/zero".as_ref()] {
            let error = read(path, &ReadOptions::default()).unwrap_err().to_string();
            assert!(error.contains("neither a file nor a folder"), "{error}");
        }
    }
}
