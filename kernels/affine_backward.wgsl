// Backward pass of a dense layer or a convolution, by its input:
//
//     d_x[p, c] = Σ d_y[t, u] · w[(p − t·stride)·channels + c, u]      over the positions t that read p, and all units u
//
// and on through the dropout and the ReLU that made x: 0 where x ≤ 0, and what dropout kept times its factor. A feature
// that was dropped is 0 too, so that x alone tells.
//
// Each invocation computes four channels of one input position for the four samples.
//
// reads d_y rows, x rows and weights; writes d_x rows with `=`
// barriers: none
//
// Twin: `Affine` in crates/engine/src/cpu/affine.rs, with `add_input_gradients` in product.rs.

fn affine_backward(layer: Affine, at: At) {
    let channel_quads = (layer.channels + 3u) / 4u;
    let n_tasks = layer.positions_in * channel_quads;
    let stride = layer.quads;
    for (var task = at.local_idx; task < n_tasks; task += WORKGROUP) {
        let p = task / channel_quads;
        let c = 4u * (task % channel_quads);
        var sum = mat4x4<f32>();
        // The first position whose kernel reaches p, and the last that begins at or before it.
        let first_t = (max(p + layer.stride, layer.kernel) - layer.kernel) / layer.stride;
        let last_t = min(p / layer.stride, layer.positions - 1u);
        for (var t = first_t; t <= last_t; t++) {
            let k = (p - t * layer.stride) * layer.channels + c;
            let w = at.weights + layer.weights + k * layer.quads;
            for (var quad = 0u; quad < layer.quads; quad++) {
                let d_y = four_d_y(layer, at.rows, t, 4u * quad);
                sum[0] += d_y * read_weights(w + quad);
                sum[1] += d_y * read_weights(w + quad + stride);
                sum[2] += d_y * read_weights(w + quad + 2u * stride);
                sum[3] += d_y * read_weights(w + quad + 3u * stride);
            }
        }
        // Where this quad has fewer than four channels, the rest was computed with weights of others, and is not kept.
        let factor = select(1.0, member_f32(at, MEMBER_KEPT), layer.dropped);
        let x = at.rows + layer.x + p * layer.channels + c;
        let d_x = at.rows + layer.d_x + p * layer.channels + c;
        write_activations(d_x, passed(read_activations(x), sum[0] * factor));
        if c + 1u < layer.channels { write_activations(d_x + 1u, passed(read_activations(x + 1u), sum[1] * factor)); }
        if c + 2u < layer.channels { write_activations(d_x + 2u, passed(read_activations(x + 2u), sum[2] * factor)); }
        if c + 3u < layer.channels { write_activations(d_x + 3u, passed(read_activations(x + 3u), sum[3] * factor)); }
    }
}

// The gradient `d` of a ReLU's output `y`, back through it.
fn passed(y: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
    return select(d, vec4(0.0), y <= vec4(0.0));
}
