//! Numbers and bytes as text.

/// The decimal digits of `count` in groups of three: 1234567 as `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes as KiB, MiB or GiB.
pub fn binary_size(bytes: usize) -> String {
    let mut size = bytes as f64 / 1024.0;
    for unit in ["KiB", "MiB"] {
        if size < 1024.0 {
            return format!("{size:.2} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.2} GiB")
}

/// `bytes` in lower-case hexadecimal, two digits a byte.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_in_threes() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (114_894, "114,894"), (268_435_456, "268,435,456")];
        for (count, text) in cases {
            assert_eq!(grouped(count), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn each_byte_has_two_digits() {
        assert_eq!(hex([0x00, 0x0a, 0xff]), "000aff");
        assert_eq!(hex([]), "");
    }

    #[test]
    fn sizes_choose_their_unit() {
        assert_eq!(binary_size(512), "0.50 KiB");
        assert_eq!(binary_size(3 << 20), "3.00 MiB");
        assert_eq!(binary_size(3 << 30), "3.00 GiB");
    }
}
