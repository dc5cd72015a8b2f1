// Gradients of the weights of one or more layers (weight_gradient.wgsl), and at once their update, or, where the norm of the
// whole gradient must be known first, the gradients alone. The lanes that share a task lie beside each other, and read
// samples beside each other.
//
// Composed in front: gradient_block(block, …), which calls gradient_of(…) for the layer that the block belongs to.
//
// grid      (blocks of all these layers, models)
// barriers  2·log2(lanes), and those of sum_over_workgroup

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read> arena: array<vec4<f32>>;
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
    let squares = sum_over_workgroup(gradient_block(group.x, at));
    if local_idx == 0u {
        notes[notes_of(at) + FIRST_SQUARES + group.x] = squares;
    }
}

// Block `block` of a layer's tasks, of which `lanes` invocations share each. Returns the sum of the squares.
fn gradient_of(layer: Layer, block: u32, lanes: u32, at: At) -> f32 {
    let slots = WORKGROUP / lanes;
    let lane = local_idx % lanes;
    let task = block * slots + local_idx / lanes;
    let rule = rule_of(at);
    let is_task = task < gradient_tasks(layer);
    let settles = is_task && lane == 0u;
    let w = task_weights(layer, task);
    let n = task_rows(layer, task);
    // What is to be updated is on its way while the sum is.
    var old = FourParameters();
    if settles {
        old = four_parameters(w, layer.quads, n, at);
    }
    var sum = mat4x4<f32>();
    if is_task {
        sum = share_of_gradient(layer, task, lane, lanes, at);
    }
    if lanes > 1u {
        sum = sum_over_neighbours(sum, lanes);
    }
    if settles {
        return settle(old, w, layer.quads, n, sum, rule, at);
    }
    return 0.0;
}
