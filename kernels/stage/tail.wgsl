// The tail of a layer (part/tail.wgsl) forward: its activation, pool and dropout.
//
//     y[t, u] = largest or mean of f(x[p, u])      over the positions p that the pool reads for t
//
// Each invocation computes four units of one position for four samples.
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
    let t = task / LAYER.quads;
    let quad = task % LAYER.quads;
    let sq = local_idx % QUADS;
    if tile >= n_tiles(at) || t >= LAYER.outputs {
        return;
    }
    let first = first_read(t);
    let end = end_read(t);
    var found = Pooled();
    for (var p = first; p < end; p++) {
        let x = four_units(tile, p, quad, sq, at);
        let values = mat4x4<f32>(activated(x[0]), activated(x[1]), activated(x[2]), activated(x[3]));
        if AVERAGES {
            found.values += values;
        } else {
            found = pooled(found, values, p - first);
        }
    }
    if AVERAGES {
        found.values *= 1.0 / f32(end - first);
    }
    let values = outputs_of(LAYER, tile, t, quad, sq, found.values, at);
    write_outputs(LAYER, tile, t, quad, sq, values, found.winners, at);
}
