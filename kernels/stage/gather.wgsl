// Gathers the windows of a batch, varies and standardises them, and writes their rows. It runs where the first convolution
// cannot do so on the way: where the windows that a workgroup of forward_by_lanes.wgsl needs are too many for its memory.
//
// grid      (tiles · SPAN_BLOCKS, models)
// barriers  1, and those of prepare_windows

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> windows: array<f32>;
@group(0) @binding(2) var<storage, read> steps: array<u32>;
@group(0) @binding(3) var<storage, read> members: array<u32>;
@group(0) @binding(4) var<storage, read_write> arena: array<vec4<f32>>;

const SPAN_BLOCKS: u32 = (INPUT_ROWS + SPAN - 1u) / SPAN;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    let tile = group.x / SPAN_BLOCKS;
    if tile >= n_tiles(at) {
        return;
    }
    let first = group.x % SPAN_BLOCKS * SPAN;
    take_span(tile, first, at);
    keep_span(tile, first, first + SPAN, at);
}
