//! Files of other programs, and how to convert them.

use super::source::{Source, extension, file_name};
use crate::DataError;

const TO_NPZ: &str = "numpy.savez(path, X_train=…, y_train=…, subjects_train=…)";

/// What a file is that no reader takes, and what to do with it; `None` where it is not known here.
pub(crate) fn explain(source: &Source) -> Result<Option<DataError>, DataError> {
    if source.names().any(|name| name == "xl/workbook.xml") {
        return Ok(Some(DataError::malformed(source.label(), "an Excel workbook", sheet("pandas.read_excel(path)"))));
    }
    for name in source.names() {
        let head = match source.single() {
            Some(_) => source.head(name)?,
            None => Vec::new(),
        };
        if let Some((what, remedy)) = known(&head, name) {
            return Ok(Some(DataError::malformed(source.place(name), what, remedy)));
        }
    }
    Ok(None)
}

fn known(head: &[u8], name: &str) -> Option<(&'static str, String)> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let ends = |endings: &[&str]| endings.contains(&extension(name).as_str());
    let convert = |how: &str| format!("Convert it with Python: {how}, then {TO_NPZ}");
    Some(if starts(b"MATLAB ") || ends(&["mat"]) {
        ("a MATLAB file", convert("scipy.io.loadmat(path), or h5py.File(path) for version 7.3"))
    } else if starts(b"\x89HDF") || ends(&["h5", "hdf5", "hdf"]) {
        ("an HDF5 file", convert("h5py.File(path) gives its arrays, pandas.read_hdf(path) its tables"))
    } else if starts(b"PAR1") || ends(&["parquet", "pq"]) {
        ("a Parquet file", sheet("pandas.read_parquet(path)"))
    } else if starts(b"ARROW1") || ends(&["feather", "arrow"]) {
        ("an Arrow file", sheet("pandas.read_feather(path)"))
    } else if ends(&["xlsx", "xls", "ods"]) {
        ("a spreadsheet", sheet("pandas.read_excel(path)"))
    } else if (starts(b"\x80") && head.len() > 1 && head[1] <= 5) || ends(&["pkl", "pickle", "joblib"]) {
        (
            "a Python pickle, which can run programs and is never loaded",
            convert("pandas.read_pickle(path), if you trust it"),
        )
    } else if starts(b"SQLite format 3") || ends(&["sqlite", "db"]) {
        ("an SQLite database", sheet("pandas.read_sql(query, connection)"))
    } else if ends(&["pt", "pth"]) {
        ("a PyTorch file", convert("torch.load(path)"))
    } else if ends(&["tfrecord", "tfrecords"]) {
        ("a TFRecord file", convert("tf.data.TFRecordDataset(path)"))
    } else if ends(&["arff"]) {
        (
            "an ARFF file",
            "Convert it with Python: scipy.io.arff.loadarff(path); the archive has the same set as `.ts`".to_owned(),
        )
    } else if ends(&["rds", "rdata"]) {
        ("an R file", "Convert it with R: write.csv(table, path, row.names = FALSE)".to_owned())
    } else if ends(&["cwa", "gt3x"]) {
        ("a file of an accelerometer to be worn", "Export it as CSV with the program of its maker".to_owned())
    } else if starts(b"7z\xBC\xAF\x27\x1C") || starts(b"Rar!") || is_tar(head, name) {
        ("an archive that is not opened here", "Unpack it, and name the folder".to_owned())
    } else {
        return None;
    })
}

fn is_tar(head: &[u8], name: &str) -> bool {
    let name = file_name(name).to_ascii_lowercase();
    head.get(257..262) == Some(b"ustar")
        || [".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz"].iter().any(|ending| name.ends_with(ending))
}

fn sheet(read: &str) -> String {
    format!("Convert it with Python: {read}.to_csv(\"recordings.csv\", index=False)")
}
