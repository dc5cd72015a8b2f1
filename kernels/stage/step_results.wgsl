// What each step of a submission leaves behind: its loss, its hits, and the norm of its gradient.
//
//     loss = Σ w·l / n_windows      norm = √Σ g²
//
// grid      (steps, models)
// barriers  those of sum_over_workgroup, three times

@group(0) @binding(0) var<storage, read> steps: array<u32>;
@group(0) @binding(1) var<storage, read> notes: array<f32>;
@group(0) @binding(2) var<storage, read_write> results: array<vec4<u32>>; // (results, models): f32 loss, hits, f32 norm

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(group.x, group.y, n_groups.y);
    if at.n_windows == 0u {
        return;
    }
    let first = notes_of(at);
    var sum = vec3(0.0); // loss, hits, square of the norm; hits are exact up to 2²⁴
    for (var i = local_idx; i < n_tiles(at) * QUADS; i += WORKGROUP) {
        sum += vec3(notes[first + 2u * i], notes[first + 2u * i + 1u], 0.0);
    }
    for (var i = local_idx; i < SQUARES; i += WORKGROUP) {
        sum.z += notes[first + 2u * TILES * QUADS + i];
    }
    let loss = sum_over_workgroup(sum.x) / f32(at.n_windows);
    workgroupBarrier();
    let hits = sum_over_workgroup(sum.y);
    workgroupBarrier();
    let norm = sqrt(sum_over_workgroup(sum.z));
    if local_idx == 0u {
        let result = steps[at.step + STEP_RESULT] * n_groups.y + group.y;
        results[result] = vec4(bitcast<u32>(loss), u32(hits), bitcast<u32>(norm), at.n_windows);
    }
}
