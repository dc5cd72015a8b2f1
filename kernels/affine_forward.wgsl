// Forward pass of a dense layer or a convolution:
//
//     y[t, u] = b[u] + Σ x[t·stride·channels + k] · w[k, u]      over k < inputs, then max(y, 0) where a ReLU follows
//
// Each invocation computes four units of one position for the four samples, four inputs at a time: eight vectors are read
// for 64 multiply-adds. Where there are few outputs and many inputs, `lanes` invocations share the inputs.
//
// reads x rows and weights; writes y rows with `=`
// barriers: those of sum_over_lanes, where lanes > 1
//
// Twin: `Affine` in crates/engine/src/cpu/affine.rs, with `outputs` in product.rs.

fn affine_forward(layer: Affine, at: At) {
    let slots = WORKGROUP / layer.lanes;
    let lane = at.local_idx / slots;
    let n_tasks = layer.positions * layer.quads;
    for (var first = 0u; first < n_tasks; first += slots) {
        let task = first + at.local_idx % slots;
        let t = task / layer.quads;
        let quad = task % layer.quads;
        var sum = mat4x4<f32>();
        if task < n_tasks {
            let x = at.rows + layer.x + t * layer.stride * layer.channels;
            let w = at.weights + layer.weights + quad;
            if lane == 0u {
                let bias = read_weights(w + layer.inputs * layer.quads);
                sum = mat4x4<f32>(vec4(bias.x), vec4(bias.y), vec4(bias.z), vec4(bias.w));
            }
            // Four inputs at a time, then those left over.
            let whole = layer.inputs / 4u * 4u;
            for (var k = 4u * lane; k < whole; k += 4u * layer.lanes) {
                let row = x + k;
                let rows = mat4x4<f32>(
                    read_activations(row),
                    read_activations(row + 1u),
                    read_activations(row + 2u),
                    read_activations(row + 3u),
                );
                sum += rows * four_inputs(w + k * layer.quads, layer.quads);
            }
            for (var k = whole + lane; k < layer.inputs; k += layer.lanes) {
                let row = read_activations(x + k);
                let weight = read_weights(w + k * layer.quads);
                sum[0] += row * weight.x;
                sum[1] += row * weight.y;
                sum[2] += row * weight.z;
                sum[3] += row * weight.w;
            }
        }
        if SHARED && layer.lanes > 1u {
            sum = sum_over_lanes(sum, layer.lanes, at.local_idx);
        }
        if task < n_tasks && lane == 0u {
            let unit = 4u * quad;
            let y = at.rows + layer.y + t * layer.units + unit;
            write_activations(y, rectified(layer.relu, sum[0]));
            if unit + 1u < layer.units { write_activations(y + 1u, rectified(layer.relu, sum[1])); }
            if unit + 2u < layer.units { write_activations(y + 2u, rectified(layer.relu, sum[2])); }
            if unit + 3u < layer.units { write_activations(y + 3u, rectified(layer.relu, sum[3])); }
        }
    }
}

// The weights of four inputs, from the vector at `w` on: a column for each of four units.
fn four_inputs(w: u32, quads: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        read_weights(w),
        read_weights(w + quads),
        read_weights(w + 2u * quads),
        read_weights(w + 3u * quads),
    ));
}

// max(row, 0), except that NaN stays NaN, so that it is noticed.
fn rectified(relu: bool, row: vec4<f32>) -> vec4<f32> {
    return select(row, vec4(0.0), (row < vec4(0.0)) & vec4(relu));
}
