// Gradient of the weights of a dense layer or a convolution, summed over the batch:
//
//     d_w[k, u] = Σ x[t·stride·channels + k] · d_y[t, u]      over samples and positions t; x is 1 for the bias, k = inputs
//
// A task is four inputs by four units. A term of its sum is four samples of a tile at a position.

// Tasks of a layer: (quads of inputs and the bias, quads of units).
fn gradient_tasks(layer: Layer) -> u32 {
    return (layer.inputs + 4u) / 4u * layer.quads;
}

// What lane `lane` of `lanes` adds to the gradients of task `task`: a column an input, four units each.
fn share_of_gradient(layer: Layer, task: u32, lane: u32, lanes: u32, at: At) -> mat4x4<f32> {
    let k = task / layer.quads * 4u;
    let quad = task % layer.quads;
    let positions = layer.outputs * layer.pool;
    let n_terms = n_tiles(at) * positions * QUADS;
    var sum = mat4x4<f32>();
    for (var term = lane; term < n_terms; term += lanes) {
        let sq = term % QUADS;
        let t = term / QUADS % positions;
        let tile = term / (QUADS * positions);
        let d_y = four_d_y(layer, tile, t, quad, sq, at);
        let x = four_rows(row_of(at, tile, layer.x + t * layer.stride * layer.channels + k) + sq, 4u);
        sum = plus_product(sum, transpose(d_y), with_bias(x, k, layer.inputs));
    }
    return sum;
}

// Four inputs from `k` on: 1 where it is the bias, 0 beyond it.
fn with_bias(x: mat4x4<f32>, k: u32, inputs: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        select(vec4(select(0.0, 1.0, k == inputs)), x[0], k < inputs),
        select(vec4(select(0.0, 1.0, k + 1u == inputs)), x[1], k + 1u < inputs),
        select(vec4(select(0.0, 1.0, k + 2u == inputs)), x[2], k + 2u < inputs),
        select(vec4(select(0.0, 1.0, k + 3u == inputs)), x[3], k + 3u < inputs),
    );
}

// The first vector of the weights of a task, in those of the model.
fn task_weights(layer: Layer, task: u32) -> u32 {
    return layer.weights + task / layer.quads * 4u * layer.quads + task % layer.quads;
}

// Rows of a task: four, or those up to the bias.
fn task_rows(layer: Layer, task: u32) -> u32 {
    return min(4u, layer.inputs + 1u - task / layer.quads * 4u);
}
