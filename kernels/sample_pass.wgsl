// The sample pass: a tile of four samples of one model through all layers, its loss, and the gradient of every activation.
//
// bindings (group 0)
//     0  windows       (n_windows, WINDOW_VALUES)        f32        read
//     1  facts         (n_windows)                       label, f32 weight    read
//     2  steps         (steps, models, STEP_WORDS)       words      read: tile.wgsl names them
//     3  members       (models, MEMBER_WORDS)            words      read: tile.wgsl names them
//     4  weights       (models, WEIGHTS)                 vec4<f32>  read
//     5  activations   (models, TILES, ROWS)             vec4<f32>  written with `=`
//     6  tile_results  (steps, models, TILES)            loss, hits of each tile: written with `=`
//     7  index         which of `steps`                             uniform
// workgroup  WORKGROUP invocations for a tile
// grid       (tiles, models)
// barriers   one between stages, and those of the stages

@group(0) @binding(0) var<storage, read> windows: array<f32>;
@group(0) @binding(1) var<storage, read> facts: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> steps: array<u32>;
@group(0) @binding(3) var<storage, read> members: array<u32>;
@group(0) @binding(6) var<storage, read_write> tile_results: array<vec2<f32>>;
@group(0) @binding(7) var<uniform> index: vec4<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local_idx: u32,
) {
    let tile = group.x;
    let model = group.y;
    let step = index.x * n_groups.y + model;
    if tile * TILE >= steps[step * STEP_WORDS + STEP_N_WINDOWS] {
        return;
    }
    let at = At(
        (model * TILES + tile) * ROWS,
        model * WEIGHTS,
        model * MEMBER_WORDS,
        step * STEP_WORDS,
        tile * TILE,
        local_idx,
    );
    take_windows(at);
    vectors_barrier();
    forward(at);
    var result = vec2(0.0);
    for (var part = 0u; part < PARTS; part++) {
        if part > 0u {
            workgroupBarrier();
        }
        see_scores(SCORES, part, at);
        for (var s = 0u; local_idx == 0u && s < TILE; s++) {
            if is_sample(at, s) {
                let is_hit = part == 0u && seen[s * LOSS_LANES].best_class == label_of(at, s, part);
                result += vec2(loss_of(at, s, weight_of(at, s, part)), select(0.0, 1.0, is_hit));
            }
        }
        loss_backward(SCORES, D_SCORES, part, at);
    }
    if local_idx == 0u {
        tile_results[step * TILES + tile] = result;
    }
    vectors_barrier();
    backward(at);
}
