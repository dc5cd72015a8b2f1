// Gradient of the weights of a dense layer or a convolution, summed over the batch:
//
//     d_w[k, u] = Σ x[t·stride·channels + k] · d_y[t, u]      over samples and positions t; x is 1 for the bias, k = inputs
//
// Each invocation computes four inputs by four units; a dot product takes the four samples of a tile at once. Where there
// are few weights and many positions, `gradient_lanes` invocations share the sum over tiles and positions.
//
// reads x and d_y rows of all tiles of the batch; hands each vector of gradients to `take`, which the pass declares
// barriers: those of sum_over_lanes, where gradient_lanes > 1
//
// Returns the sum of the squares of the gradients that this invocation handed over.

fn affine_gradient(layer: Affine, block: u32, at: At) -> f32 {
    let slots = WORKGROUP / layer.gradient_lanes;
    let lane = at.local_idx / slots;
    let n_tasks = ((layer.inputs + 4u) / 4u) * layer.quads;
    let task = block * slots + at.local_idx % slots;
    let k = 4u * (task / layer.quads);
    let quad = task % layer.quads;
    var sum = mat4x4<f32>();
    if task < n_tasks {
        let n_terms = (steps[at.step + STEP_N_WINDOWS] + TILE - 1u) / TILE * layer.positions;
        // The four inputs of this invocation, of which those beyond the last are the bias or nothing.
        let is_one = vec4(k, k + 1u, k + 2u, k + 3u) >= vec4(layer.inputs);
        for (var term = lane; term < n_terms; term += layer.gradient_lanes) {
            let rows = at.rows + term / layer.positions * ROWS;
            let t = term % layer.positions;
            let x = rows + layer.x + t * layer.stride * layer.channels + k;
            let d_y = four_d_y(layer, rows, t, 4u * quad);
            sum[0] += select(read_activations(x), vec4(1.0), is_one.x) * d_y;
            sum[1] += select(read_activations(x + 1u), vec4(1.0), is_one.y) * d_y;
            sum[2] += select(read_activations(x + 2u), vec4(1.0), is_one.z) * d_y;
            sum[3] += select(read_activations(x + 3u), vec4(1.0), is_one.w) * d_y;
        }
    }
    if layer.gradient_lanes > 1u {
        sum = sum_over_lanes(sum, layer.gradient_lanes, at.local_idx);
    }
    var squares = 0.0;
    if task < n_tasks && lane == 0u {
        let w = layer.weights + k * layer.quads + quad;
        for (var i = 0u; i < 4u && k + i <= layer.inputs; i++) {
            take(w + i * layer.quads, sum[i], at);
            squares += dot(sum[i], sum[i]);
        }
    }
    return squares;
}
