//! Golden files: values computed by another program, kept in the repository with the script that wrote them.

use std::path::Path;

use serde::de::DeserializeOwned;

/// Reads a golden JSON file. The path should begin with `env!("CARGO_MANIFEST_DIR")`, so that it does not depend on the
/// working directory.
///
/// # Panics
/// If the file is absent or has another form. A golden test is never skipped.
pub fn golden<T: DeserializeOwned>(path: impl AsRef<Path>) -> T {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("golden file {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("golden file {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::golden;

    #[test]
    #[should_panic(expected = "golden file no/such/file.json")]
    fn an_absent_file_fails_the_test() {
        golden::<Vec<f64>>("no/such/file.json");
    }
}
