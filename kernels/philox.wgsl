// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four words from a counter of 128
// bits and a key of 64.
//
// Twin: philox4x32 in crates/random/src/lib.rs.

// The upper word of a·b. WGSL has no 64-bit product; this one is made of products of halves.
fn multiply_high(a: u32, b: u32) -> u32 {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let low = a_low * b_low;
    let middle = a_high * b_low + (low >> 16u);
    let other = a_low * b_high + (middle & 0xffffu);
    return a_high * b_high + (middle >> 16u) + (other >> 16u);
}

fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        c = vec4(
            multiply_high(0xcd9e8d57u, c.z) ^ c.y ^ k.x,
            0xcd9e8d57u * c.z,
            multiply_high(0xd2511f53u, c.x) ^ c.w ^ k.y,
            0xd2511f53u * c.x,
        );
        k += vec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return c;
}
