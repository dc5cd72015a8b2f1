// The end of a pass over windows that are only scored: (models, TILES · SAMPLES, CLASSES) scores, for four samples a
// workgroup.
//
// Composed in front: score_here(…), which computes the last layer where it is small.
//
// grid      (tiles · QUADS, models)
// barriers  those of score_here

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> arena: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> scores: array<f32>;

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
    for (var i = local_idx; i < 4u * CLASSES; i += WORKGROUP) {
        let window = at.model * TILES * SAMPLES + four.window + i / CLASSES;
        scores[window * CLASSES + i % CLASSES] = four_scores(four, i % CLASSES, at)[i / CLASSES];
    }
}
