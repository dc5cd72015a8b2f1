// What each step of a submission leaves behind: its loss, its hits, and the norm of its gradient.
//
//     loss = Σ w·l / n_windows      norm = √Σ g²
//
// bindings (group 0)
//     0  steps         (steps, models, STEP_WORDS)      words  read: tile.wgsl names them
//     1  tile_results  (steps, models, TILES)           loss, hits of each tile: read
//     2  squares       (steps, models, GRADIENT_GROUPS) f32    read
//     3  results       (results, models)                f32 loss, hits, f32 norm, n_windows    written with `=`
// workgroup  WORKGROUP invocations for one step of one model
// grid       (steps, models)

@group(0) @binding(0) var<storage, read> steps: array<u32>;
@group(0) @binding(1) var<storage, read> tile_results: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read_write> results: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local_idx: u32,
) {
    let model = group.y;
    let step = group.x * n_groups.y + model;
    let n_windows = steps[step * STEP_WORDS + STEP_N_WINDOWS];
    if n_windows == 0u {
        return;
    }
    var sum = vec3(0.0); // loss, hits, square of the norm; hits are exact up to 2²⁴
    for (var tile = local_idx; tile < (n_windows + TILE - 1u) / TILE; tile += WORKGROUP) {
        sum += vec3(tile_results[step * TILES + tile], 0.0);
    }
    for (var i = local_idx; i < GRADIENT_GROUPS; i += WORKGROUP) {
        sum.z += squares[step * GRADIENT_GROUPS + i];
    }
    let loss = sum_over_workgroup(sum.x, local_idx) / f32(n_windows);
    let hits = sum_over_workgroup(sum.y, local_idx);
    let norm = sqrt(sum_over_workgroup(sum.z, local_idx));
    if local_idx == 0u {
        let result = steps[step * STEP_WORDS + STEP_RESULT] * n_groups.y + model;
        results[result] = vec4(bitcast<u32>(loss), u32(hits), bitcast<u32>(norm), n_windows);
    }
}
