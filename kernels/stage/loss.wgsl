// The loss of scores that are rows of the arena, and its gradient, for four samples a workgroup. It runs where the last
// layer is too large for head.wgsl.
//
// grid      (tiles · QUADS, models)
// barriers  those of see_scores for each part

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> facts: array<vec2<u32>>; // label, f32 weight of each window
@group(0) @binding(2) var<storage, read> steps: array<u32>;
@group(0) @binding(3) var<storage, read> members: array<u32>;
@group(0) @binding(4) var<storage, read_write> arena: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> notes: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    let four = four_of(group.x);
    if four.tile >= n_tiles(at) {
        return;
    }
    let result = judge(four, at);
    if local_idx == 0u {
        notes[notes_of(at) + 2u * group.x] = result.x;
        notes[notes_of(at) + 2u * group.x + 1u] = result.y;
    }
}
