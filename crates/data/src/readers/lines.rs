//! The lines of a file, one at a time.

use super::source::Source;
use crate::DataError;
use std::io::{BufRead, Read};

/// The longest line of the UEA archive has 3 MB.
const MAX_LINE: u64 = 64 << 20;

/// Calls `visit` with the number of each line, from 1, and its text without surrounding space, until it fails or is done.
pub(crate) fn for_each_line(
    source: &Source,
    name: &str,
    mut visit: impl FnMut(usize, &[u8]) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut reader = source.reader(name)?;
    let mut buffer = Vec::new();
    for line in 1.. {
        buffer.clear();
        let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut buffer);
        match read.map_err(|error| source.failed(name, error))? as u64 {
            0 => break,
            MAX_LINE => {
                let place = format!("{}:{line}", source.place(name));
                return Err(DataError::malformed(place, "a line of 64 MiB", "Give text, a row a line"));
            }
            _ => {}
        }
        let text = buffer.strip_prefix(b"\xEF\xBB\xBF").filter(|_| line == 1).unwrap_or(&buffer);
        visit(line, text.trim_ascii())?;
    }
    Ok(())
}
