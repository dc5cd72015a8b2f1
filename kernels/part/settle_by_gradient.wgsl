// What becomes of the gradients of four rows where a fleet clips: they are kept, until the norm of all of them is known.

@group(0) @binding(5) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> gradients: array<vec4<f32>>;

// Nothing that would have to be read before.
struct FourParameters {
    nothing: u32,
}

fn four_parameters(w: u32, stride: u32, n: u32, at: At) -> FourParameters {
    return FourParameters();
}

// Writes the gradients of the first `n` rows, and returns the sum of their squares; NaN where one is not finite.
fn settle(old: FourParameters, w: u32, stride: u32, n: u32, sum: mat4x4<f32>, rule: Rule, at: At) -> f32 {
    let g = at.model * WEIGHTS + w;
    var squares = 0.0;
    var bits = 0u;
    if n > 0u {
        gradients[g] = sum[0];
        squares += dot(sum[0], sum[0]);
        bits = max(bits, largest_bits(sum[0]));
    }
    if n > 1u {
        gradients[g + stride] = sum[1];
        squares += dot(sum[1], sum[1]);
        bits = max(bits, largest_bits(sum[1]));
    }
    if n > 2u {
        gradients[g + 2u * stride] = sum[2];
        squares += dot(sum[2], sum[2]);
        bits = max(bits, largest_bits(sum[2]));
    }
    if n > 3u {
        gradients[g + 3u * stride] = sum[3];
        squares += dot(sum[3], sum[3]);
        bits = max(bits, largest_bits(sum[3]));
    }
    if bits >= NOT_FINITE {
        return not_a_number(bits);
    }
    return squares;
}
