// Inverted dropout: `y = mask · x`, the mask 0 with probability `rate`, else 1 / (1 − rate).
//
// Four features of one window are decided by the words of one block of Philox: key = the model's seed, counter = (block,
// step (two words), DROPOUT), block = window in the batch · ⌈features / 4⌉ + feature / 4. The masks are those of
// `dropout_mask` in crates/model/src/random.rs, whatever the tiles.
//
// Twin: crates/engine/src/cpu/dropout.rs.
//
// Behind a ReLU there is no backward pass: what was dropped is 0, and through_relu.wgsl sees that. A tail draws
// the masks again.

// `Purpose::Dropout` of crates/model/src/random.rs.
const PURPOSE_DROPOUT: u32 = 3u;

// Drops four features from `first` on of `features`, a column of four samples each, from window `window` of the batch on.
fn drop(values: mat4x4<f32>, first: u32, features: u32, window: u32, at: At) -> mat4x4<f32> {
    let words = dropout_words(first / 4u, features, window, at);
    let shift = first % 4u;
    if shift == 0u {
        return mat4x4<f32>(
            kept(values[0], words.x, at),
            kept(values[1], words.y, at),
            kept(values[2], words.z, at),
            kept(values[3], words.w, at),
        );
    }
    // Where the units of a position are no whole number of vectors, four features may lie in two blocks.
    let next = dropout_words(first / 4u + 1u, features, window, at);
    let is_one = vec4(shift == 1u);
    let is_two = vec4(shift == 2u);
    return mat4x4<f32>(
        kept(values[0], select(select(words.w, words.z, is_two), words.y, is_one), at),
        kept(values[1], select(select(next.x, words.w, is_two), words.z, is_one), at),
        kept(values[2], select(select(next.y, next.x, is_two), words.w, is_one), at),
        kept(values[3], select(select(next.z, next.y, is_two), next.x, is_one), at),
    );
}

// The words of one block of features, for four windows.
fn dropout_words(block: u32, features: u32, window: u32, at: At) -> FourByFour {
    let key = vec2(members[at.member + MEMBER_SEED], members[at.member + MEMBER_SEED + 1u]);
    let counter = vec2(steps[at.step + STEP_COUNTER], steps[at.step + STEP_COUNTER + 1u]);
    let blocks = (vec4(window) + vec4(0u, 1u, 2u, 3u)) * ((features + 3u) / 4u) + block;
    return four_philox(FourByFour(blocks, vec4(counter.x), vec4(counter.y), vec4(PURPOSE_DROPOUT)), key);
}

// What the words of a row leave of it.
fn kept(row: vec4<f32>, words: vec4<u32>, at: At) -> vec4<f32> {
    let uniform_draw = vec4<f32>(words >> vec4(8u)) * (1.0 / 16777216.0);
    let is_dropped = uniform_draw < vec4(member_f32(at, MEMBER_DROPOUT));
    return row * select(vec4(member_f32(at, MEMBER_KEPT)), vec4(0.0), is_dropped);
}
