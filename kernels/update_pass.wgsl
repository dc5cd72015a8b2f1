// The update pass: clips the gradient by its global norm, and updates every parameter.
//
//     g · bound / norm where norm > bound, as Keras's `global_clipnorm`
//
// bindings (group 0)
//     0  steps      (steps, models, STEP_WORDS)      words      read: tile.wgsl names them
//     1  members    (models, MEMBER_WORDS)           words      read: tile.wgsl names them
//     2  gradients  (models, WEIGHTS)                vec4<f32>  read
//     3  squares    (steps, models, GRADIENT_GROUPS) f32        read: sums of squared gradients
//     4  weights    (models, WEIGHTS)                vec4<f32>  updated
//     5  moments    (models, MOMENTS, WEIGHTS)       vec4<f32>  updated
//     6  index      which of `steps`                            uniform
// workgroup  WORKGROUP invocations, each for every so many vectors of parameters
// grid       (any number, models)

@group(0) @binding(0) var<storage, read> steps: array<u32>;
@group(0) @binding(1) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read> squares: array<f32>;
@group(0) @binding(6) var<uniform> index: vec4<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local_idx: u32,
) {
    let model = group.y;
    let step = index.x * n_groups.y + model;
    let rule = rule_of(model * MEMBER_WORDS, step * STEP_WORDS);
    if steps[step * STEP_WORDS + STEP_N_WINDOWS] == 0u {
        return;
    }
    let at = At(0u, model * WEIGHTS, model * MEMBER_WORDS, step * STEP_WORDS, 0u, local_idx);
    // Every workgroup adds the same numbers in the same order.
    var sum = 0.0;
    for (var i = local_idx; i < GRADIENT_GROUPS; i += WORKGROUP) {
        sum += squares[step * GRADIENT_GROUPS + i];
    }
    let norm = sqrt(sum_over_workgroup(sum, local_idx));
    let bound = member_f32(at, MEMBER_CLIP);
    let factor = select(1.0, bound / norm, norm > bound);
    for (var w = group.x * WORKGROUP + local_idx; w < WEIGHTS; w += n_groups.x * WORKGROUP) {
        update(w, read_gradients(at.weights + w) * factor, at, rule);
    }
}
