// Backward pass of a dense layer and the update of its weights in one dispatch, for small fleets, where a dispatch costs more
// than reading the gradients twice. A workgroup has the weights of FEATURES inputs to itself: it first computes the
// gradients of those inputs, then updates their weights.
//
// workgroup  LANES · FEATURES / 4 · QUADS quads of samples, the last one innermost
// grid       (FEATURE_BLOCKS, models); one feature more than the inputs, the bias
// barriers   for each tile 2·log2(LANES); 1; those of sum_over_workgroup

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> notes: array<f32>;

const SLOTS: u32 = FEATURES / 4u;

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
    let sq = local_idx % QUADS;
    let feature = group.x * FEATURES + local_idx / QUADS % SLOTS * 4u;
    let lane = local_idx / (QUADS * SLOTS);
    for (var tile = 0u; tile < n_tiles(at); tile++) {
        var sum = mat4x4<f32>();
        if feature < LAYER.inputs {
            sum = share_of_d_x(LAYER, tile, 0u, feature, sq, lane, LANES, at);
        }
        if LANES > 1u {
            sum = sum_over_lanes(sum, LANES);
        }
        if feature < LAYER.inputs && lane == 0u {
            write_d_x(LAYER, tile, 0u, feature, sq, sum, at);
        }
    }
    // From here on, weights that others of this workgroup have read are written.
    storageBarrier();
    var squares = 0.0;
    for (var i = local_idx; i < SLOTS * LAYER.quads; i += WORKGROUP) {
        let task = group.x * SLOTS * LAYER.quads + i;
        if task < gradient_tasks(LAYER) {
            let w = task_weights(LAYER, task);
            let n = task_rows(LAYER, task);
            let old = four_parameters(w, LAYER.quads, n, at);
            let sum = share_of_gradient(LAYER, task, 0u, 1u, at);
            squares += settle(old, w, LAYER.quads, n, sum, rule, at);
        }
    }
    squares = sum_over_workgroup(squares);
    if local_idx == 0u {
        notes[notes_of(at) + FIRST_SQUARES + group.x] = squares;
    }
}
