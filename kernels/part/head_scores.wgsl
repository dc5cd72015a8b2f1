// The last dense layer of four samples, to workgroup memory: a quad of classes has WORKGROUP / CLASS_SLOTS neighbours, which
// share its inputs.
//
// barriers  1, and those of sum_over_neighbours

const HEAD_LANES: u32 = WORKGROUP / CLASS_SLOTS;

fn score_here(four: Four, at: At) {
    let lane = local_idx % HEAD_LANES;
    let quad = local_idx / HEAD_LANES;
    let x = row_of(at, four.tile, LAYER.x) + four.sq;
    let w = weights_of(at) + LAYER.weights + quad;
    var sum = mat4x4<f32>();
    if quad < LAYER.quads {
        if lane == 0u {
            let bias = parameters[w + LAYER.inputs * LAYER.quads];
            sum = mat4x4<f32>(vec4(bias.x), vec4(bias.y), vec4(bias.z), vec4(bias.w));
        }
        for (var k = lane; k < LAYER.inputs; k += HEAD_LANES) {
            let row = arena[x + k * QUADS];
            let weights = parameters[w + k * LAYER.quads];
            sum = mat4x4<f32>(
                sum[0] + row * weights.x,
                sum[1] + row * weights.y,
                sum[2] + row * weights.z,
                sum[3] + row * weights.w,
            );
        }
    }
    sum = sum_over_neighbours(sum, HEAD_LANES);
    if quad < LAYER.quads && lane == 0u {
        scores_here[4u * quad] = sum[0];
        scores_here[4u * quad + 1u] = sum[1];
        scores_here[4u * quad + 2u] = sum[2];
        scores_here[4u * quad + 3u] = sum[3];
    }
    workgroupBarrier();
}
