// Backward pass of a dense layer or a convolution, by its input (input_gradient.wgsl). Each invocation computes four channels
// of one input position for four samples, or eight where a fleet fills a device (PAIRED), so that the gradients it reads
// serve twice. LANES invocations share the units.
//
// workgroup  LANES · SLOTS quads of channels, or pairs of quads · QUADS quads of samples, the last one innermost
// grid       (tiles · TASK_BLOCKS, models)
// barriers   2·log2(LANES)
//
// Twin: `Affine` in crates/engine/src/cpu/affine.rs, with `add_input_gradients` in product.rs.

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> arena: array<vec4<f32>>;

const TASK_CHANNELS: u32 = select(4u, 8u, PAIRED);
const POSITION_TASKS: u32 = (LAYER.channels + TASK_CHANNELS - 1u) / TASK_CHANNELS;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    let tile = group.x / TASK_BLOCKS;
    if tile >= n_tiles(at) {
        return;
    }
    let task = group.x % TASK_BLOCKS * SLOTS + local_idx / QUADS % SLOTS;
    let p = task / POSITION_TASKS;
    let c = task % POSITION_TASKS * TASK_CHANNELS;
    let sq = local_idx % QUADS;
    let lane = local_idx / (QUADS * SLOTS);
    var sum = InputGradient();
    if p < LAYER.positions_in {
        sum = share_of_d_x(LAYER, tile, p, c, sq, lane, at);
    }
    // Pairs share no sums: a fleet that fills a device needs no lanes.
    if LANES > 1u {
        sum.one = sum_over_lanes(sum.one, LANES);
    }
    if p < LAYER.positions_in && lane == 0u {
        let one = d_x_of(LAYER, tile, p, c, sq, sum.one, at);
        if PAIRED {
            let two = d_x_of(LAYER, tile, p, c + 4u, sq, sum.two, at);
            write_d_x(LAYER, tile, p, c + 4u, sq, two, at);
        }
        write_d_x(LAYER, tile, p, c, sq, one, at);
    }
}
