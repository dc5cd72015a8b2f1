// What the taps of a dilated convolution read (stage/taps.wgsl), backward:
//
//     d_x[p, c] = f'(x[p, c]) · Σ d_y[t·taps + j, c]      over the taps j and positions t with t + j·dilation − BEFORE = p
//
// where f is the ReLU of the layer before, which x has gone through, or nothing where a tail of that layer takes the gradient
// further. Each invocation gathers the gradients of a row for four samples, so that no two write the same.
//
// workgroup  rows · QUADS quads of samples, the last one innermost
// grid       (tiles · TASK_BLOCKS, models)
// barriers   none
//
// Twin: `Affine` in crates/engine/src/cpu/affine.rs.

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
    if tile >= n_tiles(at) || row >= LAYER.positions_in * LAYER.units {
        return;
    }
    let p = row / LAYER.units + BEFORE;
    let c = row % LAYER.units;
    let x = arena[row_of(at, tile, LAYER.x + row) + sq];
    var sum = vec4(0.0);
    for (var j = 0u; j < LAYER.kernel && j * LAYER.stride <= p; j++) {
        let copy = (p - j * LAYER.stride) * LAYER.kernel + j;
        if copy < LAYER.outputs {
            sum += arena[row_of(at, tile, LAYER.d_y + copy * LAYER.units + c) + sq];
        }
    }
    arena[row_of(at, tile, LAYER.d_x + row) + sq] = sum * slope(x);
}
