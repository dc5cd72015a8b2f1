//! Golden windows with their scores: what a network gives, for tests of the programs that use it.

use crate::c::CText;
use crate::{Unsupported, c};

/// A file of NumPy (`.npy`, version 1.0) with `values` of `shape`.
///
/// # Panics
/// If `shape` is not that of as many values.
pub fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    assert_eq!(shape.iter().product::<usize>(), values.len(), "{shape:?}");
    let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Magic, version, length and header take a multiple of 64 bytes, with a line feed at the end.
    let before = 10;
    let padding = 63 - (before + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    // The few sizes of a tensor make no header of more than 64 KiB.
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    file
}

/// A header with the `windows` (n, window, channels) and `scores` (n, classes) as tables of C: `PREFIX_goldenwindows` and
/// `PREFIX_goldenscores`, with their number `PREFIX_GOLDEN`.
///
/// # Errors
/// A sentence, if names cannot begin with `prefix`.
pub fn c_arrays(prefix: &str, n: usize, windows: &[f32], scores: &[f32]) -> Result<String, Unsupported> {
    c::check_prefix(prefix)?;
    let mut text = CText::new(prefix);
    text.source("#ifndef PREFIX_GOLDENH\n#define PREFIX_GOLDENH\n\n");
    text.source("/* Windows, and the scores that PREFIX_window gives for them. */\n");
    text.constant("GOLDEN", &n.to_string());
    text.source("\n");
    text.table("goldenwindows", windows.iter().copied());
    text.source("\n");
    text.table("goldenscores", scores.iter().copied());
    text.source("\n#endif /* PREFIX_GOLDENH */\n");
    Ok(text.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numpy_s_format_is_kept() {
        let file = npy(&[2, 1, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, -5.5]);
        let length = usize::from(u16::from_le_bytes([file[8], file[9]]));
        let header = std::str::from_utf8(&file[10..10 + length]).unwrap();
        assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2,1,3,), }  "), "{header}");
        assert!(header.ends_with(" \n") && (10 + length).is_multiple_of(64));
        assert_eq!(file.len(), 10 + length + 6 * 4);
        assert_eq!(file[file.len() - 4..], (-5.5_f32).to_le_bytes());
    }
}
