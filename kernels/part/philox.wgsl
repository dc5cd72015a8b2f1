// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four words from a counter of 128
// bits and a key of 64. For four counters at once, since most stages draw for the four samples of a tile.
//
// Twin: `philox4x32` in crates/model/src/random.rs.

// The four words of four counters, or of what is drawn for them: word by word.
struct FourByFour {
    x: vec4<u32>,
    y: vec4<u32>,
    z: vec4<u32>,
    w: vec4<u32>,
}

// The upper words of a·b. WGSL has no 64-bit product; this one is made of products of halves.
fn four_multiplied_high(a: u32, b: vec4<u32>) -> vec4<u32> {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & vec4(0xffffu);
    let b_high = b >> vec4(16u);
    let low = a_low * b_low;
    let middle = a_high * b_low + (low >> vec4(16u));
    let other = a_low * b_high + (middle & vec4(0xffffu));
    return a_high * b_high + (middle >> vec4(16u)) + (other >> vec4(16u));
}

fn multiply_high(a: u32, b: u32) -> u32 {
    return four_multiplied_high(a, vec4(b)).x;
}

fn four_philox(counters: FourByFour, key: vec2<u32>) -> FourByFour {
    var c = counters;
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        c = FourByFour(
            four_multiplied_high(0xcd9e8d57u, c.z) ^ c.y ^ vec4(k.x),
            0xcd9e8d57u * c.z,
            four_multiplied_high(0xd2511f53u, c.x) ^ c.w ^ vec4(k.y),
            0xd2511f53u * c.x,
        );
        k += vec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return c;
}

fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    let c = four_philox(FourByFour(vec4(counter.x), vec4(counter.y), vec4(counter.z), vec4(counter.w)), key);
    return vec4(c.x.x, c.y.x, c.z.x, c.w.x);
}
