// What the taps of a dilated convolution read, spread out: a copy for each tap, beside each other, so that the stages of a
// layer compute it as a convolution whose stride is as long as its kernel.
//
//     y[t·taps + j, c] = x[t + j·dilation − BEFORE, c]      0 beyond the ends
//
// LAYER describes it as a layer without weights: `kernel` is the number of taps, and `stride` the dilation. Each invocation
// copies a row for four samples.
//
// workgroup  rows · QUADS quads of samples, the last one innermost
// grid       (tiles · TASK_BLOCKS, models)
// barriers   none
//
// Twin: `Affine` in crates/engine/src/cpu/affine.rs, which reads the taps where they are.

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
    let row = (group.x % TASK_BLOCKS * WORKGROUP + local_idx) / QUADS;
    let sq = local_idx % QUADS;
    if tile >= n_tiles(at) || row >= LAYER.outputs * LAYER.units {
        return;
    }
    let copy = row / LAYER.units;
    let p = copy / LAYER.kernel + copy % LAYER.kernel * LAYER.stride;
    var value = vec4(0.0);
    if p >= BEFORE && p - BEFORE < LAYER.positions_in {
        value = arena[row_of(at, tile, LAYER.x + (p - BEFORE) * LAYER.units + row % LAYER.units) + sq];
    }
    arena[row_of(at, tile, LAYER.y + row) + sq] = value;
}
