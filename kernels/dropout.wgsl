// Inverted dropout, in place: `y = mask · x`, the mask 0 with probability `rate`, else 1 / (1 − rate).
//
// Four features of one window are decided by the words of one block of Philox: key = the model's seed, counter = (block,
// step (two words), DROPOUT), block = window in the batch · ⌈features / 4⌉ + feature / 4. The masks are those of
// `dropout_mask` in crates/model/src/random.rs, whatever the tiles.
//
// Twin: crates/engine/src/cpu/dropout.rs.
//
// There is no backward pass: what was dropped is 0, and affine_backward.wgsl sees that.
//
// reads and writes x rows; barriers: none

struct Dropout {
    x: u32,        // first row
    features: u32, // rows
}

// `Purpose::Dropout` of crates/model/src/random.rs.
const PURPOSE_DROPOUT: u32 = 3u;

fn dropout(layer: Dropout, at: At) {
    let rate = member_f32(at, MEMBER_DROPOUT);
    let kept = member_f32(at, MEMBER_KEPT);
    let key = vec2(members[at.member + MEMBER_SEED], members[at.member + MEMBER_SEED + 1u]);
    let counter = vec2(steps[at.step + STEP_COUNTER], steps[at.step + STEP_COUNTER + 1u]);
    let quads = (layer.features + 3u) / 4u;
    for (var quad = at.local_idx; quad < quads; quad += WORKGROUP) {
        let blocks = (vec4(at.window) + vec4(0u, 1u, 2u, 3u)) * quads + quad;
        let counters = FourByFour(blocks, vec4(counter.x), vec4(counter.y), vec4(PURPOSE_DROPOUT));
        let words = four_philox(counters, key);
        let x = at.rows + layer.x + 4u * quad;
        let n = layer.features - 4u * quad;
        drop(x, words.x, rate, kept);
        if n > 1u { drop(x + 1u, words.y, rate, kept); }
        if n > 2u { drop(x + 2u, words.z, rate, kept); }
        if n > 3u { drop(x + 3u, words.w, rate, kept); }
    }
}

// Drops what a row's words say, and scales the rest.
fn drop(x: u32, words: vec4<u32>, rate: f32, kept: f32) {
    let uniform_draw = vec4<f32>(words >> vec4(8u)) * (1.0 / 16777216.0);
    write_activations(x, read_activations(x) * select(vec4(kept), vec4(0.0), uniform_draw < vec4(rate)));
}
