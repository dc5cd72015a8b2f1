// Forward pass of a dense layer or a convolution, with its ReLU, pool and dropout:
//
//     y[t, u] = b[u] + Σ x[t·stride·channels + k] · w[k, u]      over k < inputs
//
// Each invocation computes four units of one position for four samples, four inputs at a time. LANES invocations share the
// inputs. It serves where a fleet is too small to fill a device by its outputs alone, and where there are few inputs;
// forward_staged.wgsl serves elsewhere.
//
// The first convolution takes the windows on its way (WINDOWS_BY_SPAN), and writes their rows for the backward pass.
//
// workgroup  LANES · SLOTS quads of units · POSITIONS · QUADS quads of samples, the last one innermost
// grid       (tiles · POSITION_BLOCKS · UNIT_BLOCKS, models)
// barriers   for each position of the pool, 2·log2(LANES); those of take_span
//
// Twin: `Affine` in crates/engine/src/cpu/affine.rs, with `outputs` in product.rs, pool.rs and dropout.rs.

const COLUMNS: u32 = POSITIONS * QUADS;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    let unit_block = group.x % UNIT_BLOCKS;
    let position_block = group.x / UNIT_BLOCKS % POSITION_BLOCKS;
    let tile = group.x / (UNIT_BLOCKS * POSITION_BLOCKS);
    if tile >= n_tiles(at) {
        return;
    }
    let first_position = position_block * POSITIONS;
    let position = first_position + local_idx % COLUMNS / QUADS;
    let quad = unit_block * SLOTS + local_idx / COLUMNS % SLOTS;
    let sq = local_idx % QUADS;
    let lane = local_idx / (COLUMNS * SLOTS);
    let is_task = position < LAYER.outputs && quad < LAYER.quads;
    let bias = parameters[weights_of(at) + LAYER.weights + LAYER.inputs * LAYER.quads + min(quad, LAYER.quads - 1u)];
    take_inputs(tile, first_position, at);
    var found = Pooled();
    for (var j = 0u; j < LAYER.pool; j++) {
        var sum = mat4x4<f32>();
        if is_task {
            if lane == 0u {
                sum = mat4x4<f32>(vec4(bias.x), vec4(bias.y), vec4(bias.z), vec4(bias.w));
            }
            sum = plus_share_of_outputs(sum, tile, position * LAYER.pool + j, first_position * LAYER.pool, quad, sq, lane, at);
        }
        if LANES > 1u {
            sum = sum_over_lanes(sum, LANES);
        }
        found = pooled(found, sum, j);
    }
    if is_task && lane == 0u {
        let values = outputs_of(LAYER, tile, position, quad, sq, found.values, at);
        write_outputs(LAYER, tile, position, quad, sq, values, found.winners, at);
    }
    if unit_block == 0u {
        keep_inputs(tile, first_position, at);
    }
}

// `sum` and what a lane adds to four units at position `t`; the windows' span begins at position `first_t`.
fn plus_share_of_outputs(
    sum: mat4x4<f32>,
    tile: u32,
    t: u32,
    first_t: u32,
    quad: u32,
    sq: u32,
    lane: u32,
    at: At,
) -> mat4x4<f32> {
    const WHOLE: bool = LAYER.inputs % 4u == 0u;
    let w = weights_of(at) + LAYER.weights + quad;
    var total = sum;
    for (var k = 4u * lane; k < LAYER.inputs; k += 4u * LANES) {
        let n = select(LAYER.inputs - k, 4u, WHOLE);
        let x = four_inputs(tile, t, first_t, k, n, sq, at);
        let weights = four_weights(w + k * LAYER.quads, LAYER.quads, n);
        total = plus_product(total, x, transpose(weights));
    }
    return total;
}
