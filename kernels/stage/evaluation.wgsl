// The end of a pass over validation windows, for four samples a workgroup: the loss of each, and which class it was taken for.
//
// Composed in front: score_here(…), which computes the last layer where it is small.
//
// grid      (tiles · QUADS, models)
// barriers  those of score_here and see_scores

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> facts: array<vec2<u32>>; // label, f32 weight of each window
@group(0) @binding(2) var<storage, read> steps: array<u32>;
@group(0) @binding(3) var<storage, read> members: array<u32>;
@group(0) @binding(4) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> arena: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> notes: array<f32>;
@group(0) @binding(7) var<storage, read_write> confusion: array<atomic<u32>>; // (models, label, CLASSES): integers, in any order

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    let four = four_of(group.x);
    if four.window >= at.n_windows {
        return;
    }
    score_here(four, at);
    see_scores(four, 0u, at);
    if local_idx < 4u && is_sample(four, local_idx, at) {
        let label = label_of(four, local_idx, 0u, at);
        atomicAdd(&confusion[(at.model * CLASSES + label) * CLASSES + predicted_class(local_idx)], 1u);
        notes[notes_of(at) + four.window + local_idx] = loss_of(local_idx, 1.0, at);
    }
}
