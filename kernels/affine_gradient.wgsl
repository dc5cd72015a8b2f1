// Gradient of the weights of a dense layer or a convolution, summed over the batch:
//
//     d_w[k, u] = Σ x[t·stride·channels + k] · d_y[t, u]      over samples and positions t; x is 1 for the bias, k = inputs
//
// Each invocation computes four inputs by four units; a dot product takes the four samples of a tile at once. Where there
// are few weights and many positions, `gradient_lanes` invocations share the sum over tiles and positions.
//
// reads x and d_y rows of all tiles of the batch
// barriers: those of sum_over_lanes, where gradient_lanes > 1
//
// Twin: `weight_gradients` in crates/engine/src/cpu/product.rs.

// What one invocation found: the gradients of up to four vectors of the weights.
struct Gradient {
    w: u32,      // the first of them, in those of the model
    stride: u32, // from one to the next
    n: u32,      // how many there are; 0 where another invocation has them, or none
    vectors: mat4x4<f32>,
}

fn affine_gradient(layer: Affine, block: u32, at: At) -> Gradient {
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
        // From term to term by so many tiles and positions: a division each time would cost as much as the sum.
        let next_tiles = layer.gradient_lanes / layer.positions;
        let next_positions = layer.gradient_lanes % layer.positions;
        var rows = at.rows + lane / layer.positions * ROWS;
        var t = lane % layer.positions;
        for (var term = lane; term < n_terms; term += layer.gradient_lanes) {
            let x = rows + layer.x + t * layer.stride * layer.channels + k;
            let d_y = four_d_y(layer, rows, t, 4u * quad);
            sum[0] += select(read_activations(x), vec4(1.0), is_one.x) * d_y;
            sum[1] += select(read_activations(x + 1u), vec4(1.0), is_one.y) * d_y;
            sum[2] += select(read_activations(x + 2u), vec4(1.0), is_one.z) * d_y;
            sum[3] += select(read_activations(x + 3u), vec4(1.0), is_one.w) * d_y;
            t += next_positions;
            let is_beyond = t >= layer.positions;
            t -= select(0u, layer.positions, is_beyond);
            rows += (next_tiles + select(0u, 1u, is_beyond)) * ROWS;
        }
    }
    if SHARED && layer.gradient_lanes > 1u {
        sum = sum_over_lanes(sum, layer.gradient_lanes, at.local_idx);
    }
    let is_taken = task < n_tasks && lane == 0u;
    let n = select(0u, min(4u, layer.inputs + 1u - k), is_taken);
    return Gradient(layer.weights + k * layer.quads + quad, layer.quads, n, sum);
}

// The sum of the squares of a gradient.
fn sum_of_squares(gradient: Gradient) -> f32 {
    let v = gradient.vectors;
    let squares = vec4(dot(v[0], v[0]), dot(v[1], v[1]), dot(v[2], v[2]), dot(v[3], v[3]));
    return dot(select(vec4(0.0), squares, vec4(gradient.n) > vec4(0u, 1u, 2u, 3u)), vec4(1.0));
}
