// The last dense layer, the loss of its scores, and its gradient by the layer's input, for four samples a workgroup: one
// dispatch instead of three, where the layer is small.
//
// grid      (tiles · QUADS, models)
// barriers  2, and those of score_here, of see_scores for each part

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> facts: array<vec2<u32>>; // label, f32 weight of each window
@group(0) @binding(2) var<storage, read> steps: array<u32>;
@group(0) @binding(3) var<storage, read> members: array<u32>;
@group(0) @binding(4) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> arena: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> notes: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    let four = four_of(group.x);
    if four.tile >= n_tiles(at) {
        return;
    }
    for (var class_idx = CLASSES + local_idx; class_idx < 4u * LAYER.quads; class_idx += WORKGROUP) {
        d_scores_here[class_idx] = vec4(0.0);
    }
    score_here(four, at);
    let result = judge(four, at);
    workgroupBarrier();

    let factor = select(1.0, member_f32(at, MEMBER_KEPT), LAYER.dropped);
    for (var k = local_idx; k < LAYER.inputs; k += WORKGROUP) {
        let w = weights_of(at) + LAYER.weights + k * LAYER.quads;
        let x = arena[row_of(at, four.tile, LAYER.x + k) + four.sq];
        var d = vec4(0.0);
        for (var quad = 0u; quad < LAYER.quads; quad++) {
            let d_y = mat4x4<f32>(
                d_scores_here[4u * quad],
                d_scores_here[4u * quad + 1u],
                d_scores_here[4u * quad + 2u],
                d_scores_here[4u * quad + 3u],
            );
            d = plus_column(d, d_y, parameters[w + quad]);
        }
        arena[row_of(at, four.tile, LAYER.d_x + k) + four.sq] = passed(x, d * factor);
    }
    for (var class_idx = local_idx; class_idx < CLASSES; class_idx += WORKGROUP) {
        arena[row_of(at, four.tile, LAYER.y + class_idx) + four.sq] = scores_here[class_idx];
        arena[row_of(at, four.tile, LAYER.d_y + class_idx) + four.sq] = d_scores_here[class_idx];
    }
    if local_idx == 0u {
        notes[notes_of(at) + 2u * group.x] = result.x;
        notes[notes_of(at) + 2u * group.x + 1u] = result.y;
    }
}
