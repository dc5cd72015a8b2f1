// Recognising NaN and infinity without float comparisons: an implementation of WGSL may assume that no value is NaN or
// infinite, and remove a test like `x != x`. It must respect the bits of a u32.

// |x| as bits. Ordered like the magnitudes; infinity and every NaN lie at or above NOT_FINITE.
fn magnitude_bits(x: f32) -> u32 {
    return bitcast<u32>(x) & 0x7fffffffu;
}

const NOT_FINITE: u32 = 0x7f800000u;

// A NaN. `bits` are the magnitude bits of whatever was not finite; WGSL refuses a NaN it can compute before it runs.
fn not_a_number(bits: u32) -> f32 {
    return bitcast<f32>(bits | 0x7fc00000u);
}

fn is_nan(row: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(row) & vec4(0x7fffffffu)) > vec4(NOT_FINITE);
}

// The largest magnitude of four numbers, as bits.
fn largest_bits(row: vec4<f32>) -> u32 {
    let bits = bitcast<vec4<u32>>(row) & vec4(0x7fffffffu);
    return max(max(bits.x, bits.y), max(bits.z, bits.w));
}
