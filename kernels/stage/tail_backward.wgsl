// The tail of a layer (part/tail.wgsl) backward:
//
//     d_x[p, u] = f'(x[p, u]) · Σ d_y[t, u] · share      over the positions t whose pool reads p
//
// where share is 1 or 0 for a largest value, and 1 / n for a mean of n. Each invocation gathers the gradients of four units of
// one input position for four samples, so that no two write the same.
//
// workgroup  quads of units of positions · QUADS quads of samples, the last one innermost
// grid       (tiles · TASK_BLOCKS, models)
// barriers   none
//
// Twins: crates/engine/src/cpu/activation.rs and pool.rs.

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    let tile = group.x / TASK_BLOCKS;
    let task = (group.x % TASK_BLOCKS * WORKGROUP + local_idx) / QUADS;
    let p = task / LAYER.quads;
    let quad = task % LAYER.quads;
    let sq = local_idx % QUADS;
    if tile >= n_tiles(at) || p >= LAYER.positions_in {
        return;
    }
    let x = four_units(tile, p, quad, sq, at);
    var sum = mat4x4<f32>();
    // The first position whose pool reaches p, and the last that begins at or before it.
    let first_t = (max(p + BEFORE + LAYER.stride, LAYER.kernel) - LAYER.kernel) / LAYER.stride;
    let last_t = min((p + BEFORE) / LAYER.stride, LAYER.outputs - 1u);
    for (var t = first_t; t <= last_t; t++) {
        sum += share_of(tile, t, p, quad, sq, at);
    }
    let d_x = mat4x4<f32>(
        sum[0] * slope(x[0]),
        sum[1] * slope(x[1]),
        sum[2] * slope(x[2]),
        sum[3] * slope(x[3]),
    );
    let first = row_of(at, tile, LAYER.d_x + p * LAYER.units + 4u * quad) + sq;
    write_rows(first, select(LAYER.units - 4u * quad, 4u, LAYER.units % 4u == 0u), d_x);
}

// What input position `p` has of the gradients of output position `t`, which reads it.
fn share_of(tile: u32, t: u32, p: u32, quad: u32, sq: u32, at: At) -> mat4x4<f32> {
    let j = select(p - first_read(t), 0u, AVERAGES);
    var d = four_d_y(LAYER, tile, t * LAYER.pool + j, quad, sq, at);
    if LAYER.drops {
        let first = t * LAYER.units + 4u * quad;
        d = drop(d, first, LAYER.outputs * LAYER.units, 4u * (tile * QUADS + sq), at);
    }
    if AVERAGES {
        d *= 1.0 / f32(end_read(t) - first_read(t));
    }
    return d;
}
