// Clips the gradient by its global norm, and updates every parameter.
//
//     g · bound / norm where norm > bound, as Keras's `global_clipnorm`
//
// grid      (UPDATE_BLOCKS, models)
// barriers  those of sum_over_workgroup, twice

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> notes: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    if at.n_windows == 0u {
        return;
    }
    let rule = rule_of(at);
    // Every workgroup adds the same numbers in the same order.
    var sum = 0.0;
    for (var i = local_idx; i < GRADIENT_SQUARES; i += WORKGROUP) {
        sum += notes[notes_of(at) + FIRST_GRADIENT + i];
    }
    let norm = sqrt(sum_over_workgroup(sum));
    let bound = member_f32(at, MEMBER_CLIP);
    let factor = select(1.0, bound / norm, norm > bound);
    var bits = 0u;
    for (var w = group.x * WORKGROUP + local_idx; w < WEIGHTS; w += UPDATE_BLOCKS * WORKGROUP) {
        let next = updated(read_parameters(w, at), gradients[at.model * WEIGHTS + w] * factor, rule);
        write_parameters(w, next, at);
        bits = max(bits, bits_of(next));
    }
    // 0, or NaN where a number that was written is not finite: it is added to the squares of the gradients.
    workgroupBarrier();
    let broken = sum_over_workgroup(select(0.0, not_a_number(bits), bits >= NOT_FINITE));
    if local_idx == 0u {
        notes[notes_of(at) + FIRST_SQUARES + group.x] = broken;
    }
}
