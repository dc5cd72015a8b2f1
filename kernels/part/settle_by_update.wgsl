// What becomes of the gradients of four rows: the update of their weights.

// Updates the first `n` rows by their gradients, and returns the sum of the squares of these; NaN where a number that was
// written is not finite, so that it is noticed in this step, whatever a driver makes of NaN before.
fn settle(old: FourParameters, w: u32, stride: u32, n: u32, sum: mat4x4<f32>, rule: Rule, at: At) -> f32 {
    let a = updated(old.a, sum[0], rule);
    let b = updated(old.b, sum[1], rule);
    let c = updated(old.c, sum[2], rule);
    let d = updated(old.d, sum[3], rule);
    var squares = 0.0;
    var bits = 0u;
    if n > 0u {
        write_parameters(w, a, at);
        squares += dot(sum[0], sum[0]);
        bits = max(bits, bits_of(a));
    }
    if n > 1u {
        write_parameters(w + stride, b, at);
        squares += dot(sum[1], sum[1]);
        bits = max(bits, bits_of(b));
    }
    if n > 2u {
        write_parameters(w + 2u * stride, c, at);
        squares += dot(sum[2], sum[2]);
        bits = max(bits, bits_of(c));
    }
    if n > 3u {
        write_parameters(w + 3u * stride, d, at);
        squares += dot(sum[3], sum[3]);
        bits = max(bits, bits_of(d));
    }
    if bits >= NOT_FINITE {
        return not_a_number(bits);
    }
    return squares;
}
