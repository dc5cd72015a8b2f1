// Inverted dropout, in place: `y = mask · x`, the mask 0 with probability `rate`, else 1 / (1 − rate).
//
// Four features of one window are decided by the words of one block of Philox: key = the model's seed, counter = (block,
// step (two words), DROPOUT), block = window in the batch · ⌈features / 4⌉ + feature / 4. The masks are those of
// dropout_mask in crates/random, whatever the tiles.
//
// There is no backward pass: what was dropped is 0, and affine_backward.wgsl sees that.
//
// reads and writes x rows; barriers: none

struct Dropout {
    x: u32,        // first row
    features: u32, // rows
}

// Purpose::Dropout of crates/random.
const PURPOSE_DROPOUT: u32 = 3u;

fn dropout(layer: Dropout, at: At) {
    let rate = member_f32(at, MEMBER_DROPOUT);
    let kept = member_f32(at, MEMBER_KEPT);
    let key = vec2(members[at.member + MEMBER_SEED], members[at.member + MEMBER_SEED + 1u]);
    let counter = vec2(steps[at.step + STEP_COUNTER], steps[at.step + STEP_COUNTER + 1u]);
    let quads = (layer.features + 3u) / 4u;
    for (var quad = at.local_idx; quad < quads; quad += WORKGROUP) {
        // Rows of the mask by window, then by feature.
        var masks = mat4x4<f32>();
        for (var s = 0u; s < TILE; s++) {
            let words = philox(vec4((at.window + s) * quads + quad, counter, PURPOSE_DROPOUT), key);
            let uniform_draw = vec4<f32>(words >> vec4(8u)) * (1.0 / 16777216.0);
            masks[s] = select(vec4(kept), vec4(0.0), uniform_draw < vec4(rate));
        }
        let by_feature = transpose(masks);
        let x = at.rows + layer.x + 4u * quad;
        for (var i = 0u; i < 4u && 4u * quad + i < layer.features; i++) {
            write_activations(x + i, read_activations(x + i) * by_feature[i]);
        }
    }
}
