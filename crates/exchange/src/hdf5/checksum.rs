//! The checksum of HDF5's newer structures: Bob Jenkins's `lookup3` (`hashlittle`), which is in the public domain.

/// The checksum of `bytes`.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let [mut a, mut b, mut c] = [start; 3];
    let mut rest = bytes;
    while rest.len() > 12 {
        let (block, after) = rest.split_at(12);
        [a, b, c] = add([a, b, c], block);
        [a, b, c] = mix(a, b, c);
        rest = after;
    }
    if rest.is_empty() {
        return c;
    }
    [a, b, c] = add([a, b, c], rest);
    last_mix(a, b, c)
}

/// Adds up to twelve bytes, little-endian, to the three words.
fn add(words: [u32; 3], bytes: &[u8]) -> [u32; 3] {
    let mut block = [0; 12];
    block[..bytes.len()].copy_from_slice(bytes);
    let word = |i: usize| u32::from_le_bytes([block[i], block[i + 1], block[i + 2], block[i + 3]]);
    [words[0].wrapping_add(word(0)), words[1].wrapping_add(word(4)), words[2].wrapping_add(word(8))]
}

fn mix(mut a: u32, mut b: u32, mut c: u32) -> [u32; 3] {
    for turns in [[4, 6, 8], [16, 19, 4]] {
        a = a.wrapping_sub(c) ^ c.rotate_left(turns[0]);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(turns[1]);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(turns[2]);
        b = b.wrapping_add(a);
    }
    [a, b, c]
}

fn last_mix(mut a: u32, mut b: u32, mut c: u32) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

#[cfg(test)]
mod tests {
    use super::checksum;

    /// The values that `lookup3.c` gives in its own self-test.
    #[test]
    fn it_is_lookup3() {
        assert_eq!(checksum(b""), 0xdead_beef);
        assert_eq!(checksum(b"Four score and seven years ago"), 0x1777_0551);
    }
}
