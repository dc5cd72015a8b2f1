// The zeros at the ends of inputs that are padded, at the beginning of a pass: a padded convolution is one without padding over
// rows that are there.
//
// Composed in front: padding_row(i), which tells the row of zero `i` of PADDING_ROWS.
//
// grid      (tiles · ROW_BLOCKS, models)
// barriers  none

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read_write> arena: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    let tile = group.x / ROW_BLOCKS;
    let i = (group.x % ROW_BLOCKS * WORKGROUP + local_idx) / QUADS;
    if tile < n_tiles(at) && i < PADDING_ROWS {
        arena[row_of(at, tile, padding_row(i)) + local_idx % QUADS] = vec4(0.0);
    }
}
