// The gradient pass: each parameter's gradient, summed over the batch. It stands in for the parameter pass where the
// norm of the whole gradient must be known before anything is updated.
//
// bindings (group 0)
//     0  steps        (steps, models, STEP_WORDS)      words      read: tile.wgsl names them
//     1  activations  (models, TILES, ROWS)            vec4<f32>  read
//     2  gradients    (models, WEIGHTS)                vec4<f32>  written with `=`
//     3  squares      (steps, models, GRADIENT_GROUPS) f32        written with `=`: sums of squared gradients
//     4  index        which of `steps`                            uniform
// workgroup  WORKGROUP invocations for a block of a layer's parameters, or several blocks in turn
// grid       (GRADIENT_GROUPS, models)

@group(0) @binding(0) var<storage, read> steps: array<u32>;
@group(0) @binding(3) var<storage, read_write> squares: array<f32>;
@group(0) @binding(4) var<uniform> index: vec4<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local_idx: u32,
) {
    let model = group.y;
    let step = index.x * n_groups.y + model;
    if steps[step * STEP_WORDS + STEP_N_WINDOWS] == 0u {
        return;
    }
    let at = At(model * TILES * ROWS, model * WEIGHTS, 0u, step * STEP_WORDS, 0u, local_idx);
    var sum = 0.0;
    for (var block = group.x; block < GRADIENT_BLOCKS; block += GRADIENT_GROUPS) {
        let gradient = gradient_block(block, at);
        for (var i = 0u; i < gradient.n; i++) {
            write_gradients(at.weights + gradient.w + i * gradient.stride, gradient.vectors[i]);
        }
        sum += sum_of_squares(gradient);
    }
    sum = sum_over_workgroup(sum, local_idx);
    if local_idx == 0u {
        squares[step * GRADIENT_GROUPS + group.x] = sum;
    }
}
