// Gradient of a layer by its input:
//
//     d_x[p, c] = Σ d_y[t, u] · w[(p − t·stride)·channels + c, u]      over the positions t that read p, and all units u
//
// and on through the dropout and the ReLU that made x: 0 where x ≤ 0, and what dropout kept times its factor. A feature
// that was dropped is 0 too, so that x alone tells.

// Four channels, and four more where an invocation has two quads of them: a column of four samples each.
struct InputGradient {
    one: mat4x4<f32>,
    two: mat4x4<f32>,
}

// What lane `lane` of LANES adds to the channels from `c` on at input position `p`. Where there are fewer channels than that,
// the rest is computed with weights of others, and not kept.
fn share_of_d_x(layer: Layer, tile: u32, p: u32, c: u32, sq: u32, lane: u32, at: At) -> InputGradient {
    var sum = InputGradient();
    // The first position whose kernel reaches p, and the last that begins at or before it.
    let first_t = (max(p + layer.stride, layer.kernel) - layer.kernel) / layer.stride;
    let last_t = min(p / layer.stride, layer.outputs * layer.pool - 1u);
    for (var t = first_t; t <= last_t; t++) {
        let k = (p - t * layer.stride) * layer.channels + c;
        let w = weights_of(at) + layer.weights + k * layer.quads;
        for (var quad = lane; quad < layer.quads; quad += LANES) {
            let d_y = four_d_y(layer, tile, t, quad, sq, at);
            sum.one = plus_product(sum.one, d_y, four_weights(w + quad, layer.quads, 4u));
            if PAIRED {
                sum.two = plus_product(sum.two, d_y, four_weights(w + quad + 4u * layer.quads, layer.quads, 4u));
            }
        }
    }
    return sum;
}

// The gradients `sum` of four channels from `c` on at input position `p`, through dropout and ReLU.
fn d_x_of(layer: Layer, tile: u32, p: u32, c: u32, sq: u32, sum: mat4x4<f32>, at: At) -> mat4x4<f32> {
    let factor = select(1.0, member_f32(at, MEMBER_KEPT), layer.dropped);
    let x = four_rows(row_of(at, tile, layer.x + p * layer.channels + c) + sq, 4u);
    return mat4x4<f32>(
        passed(x[0], sum[0] * factor),
        passed(x[1], sum[1] * factor),
        passed(x[2], sum[2] * factor),
        passed(x[3], sum[3] * factor),
    );
}

// Writes them.
fn write_d_x(layer: Layer, tile: u32, p: u32, c: u32, sq: u32, d: mat4x4<f32>, at: At) {
    let n = select(layer.channels - c, 4u, layer.channels % 4u == 0u);
    let d_x = row_of(at, tile, layer.d_x + p * layer.channels + c) + sq;
    arena[d_x] = d[0];
    if n > 1u { arena[d_x + QUADS] = d[1]; }
    if n > 2u { arena[d_x + 2u * QUADS] = d[2]; }
    if n > 3u { arena[d_x + 3u * QUADS] = d[3]; }
}
