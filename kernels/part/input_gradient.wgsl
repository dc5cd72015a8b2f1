// Gradient of a layer by its input:
//
//     d_x[p, c] = Σ d_y[t, u] · w[(p − t·stride)·channels + c, u]      over the positions t that read p, and all units u
//
// and on through the dropout and the ReLU that made x: 0 where x ≤ 0, and what dropout kept times its factor. A feature
// that was dropped is 0 too, so that x alone tells.

// What lane `lane` of `lanes` adds to four channels from `c` on at input position `p`, a column of four samples each.
// Where there are fewer than four channels, the rest is computed with weights of others, and not kept.
fn share_of_d_x(layer: Layer, tile: u32, p: u32, c: u32, sq: u32, lane: u32, lanes: u32, at: At) -> mat4x4<f32> {
    var sum = mat4x4<f32>();
    // The first position whose kernel reaches p, and the last that begins at or before it.
    let first_t = (max(p + layer.stride, layer.kernel) - layer.kernel) / layer.stride;
    let last_t = min(p / layer.stride, layer.outputs * layer.pool - 1u);
    for (var t = first_t; t <= last_t; t++) {
        let k = (p - t * layer.stride) * layer.channels + c;
        let w = weights_of(at) + layer.weights + k * layer.quads;
        for (var quad = lane; quad < layer.quads; quad += lanes) {
            let d_y = four_d_y(layer, tile, t, quad, sq, at);
            sum = plus_product(sum, d_y, four_weights(w + quad, layer.quads, 4u));
        }
    }
    return sum;
}

// Writes the gradients `sum` of four channels from `c` on at input position `p`.
fn write_d_x(layer: Layer, tile: u32, p: u32, c: u32, sq: u32, sum: mat4x4<f32>, at: At) {
    let factor = select(1.0, member_f32(at, MEMBER_KEPT), layer.dropped);
    let n = select(layer.channels - c, 4u, layer.channels % 4u == 0u);
    let first = p * layer.channels + c;
    let x = four_rows(row_of(at, tile, layer.x + first) + sq, n);
    let d_x = row_of(at, tile, layer.d_x + first) + sq;
    let d = mat4x4<f32>(
        passed(x[0], sum[0] * factor),
        passed(x[1], sum[1] * factor),
        passed(x[2], sum[2] * factor),
        passed(x[3], sum[3] * factor),
    );
    arena[d_x] = d[0];
    if n > 1u { arena[d_x + QUADS] = d[1]; }
    if n > 2u { arena[d_x + 2u * QUADS] = d[2]; }
    if n > 3u { arena[d_x + 3u * QUADS] = d[3]; }
}
