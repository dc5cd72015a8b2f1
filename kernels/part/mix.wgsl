// Which window of the batch another is mixed with, and by which share: part of augment.wgsl, and of the loss, which judges
// by the labels of both.

// `Purpose::Augment` of crates/model/src/random.rs.
const PURPOSE_AUGMENT: u32 = 6u;
const MIX: u32 = 3u;

struct Partner {
    window: u32, // number in the batch
    share: f32,
}

fn augment_words(at: At, block: u32, layer: u32) -> vec4<u32> {
    let key = vec2(members[at.member + MEMBER_SEED], members[at.member + MEMBER_SEED + 1u]);
    let counter = vec2(steps[at.step + STEP_COUNTER], steps[at.step + STEP_COUNTER + 1u]);
    return philox(vec4(block, counter, PURPOSE_AUGMENT | (layer << 8u)), key);
}

fn unit_f32(word: u32) -> f32 {
    return f32(word >> 8u) * (1.0 / 16777216.0);
}

fn partner_of(at: At, window: u32) -> Partner {
    let words = augment_words(at, window, MIX);
    let partner = (window + 1u + multiply_high(words.x, at.n_windows - 1u)) % at.n_windows;
    return Partner(partner, member_f32(at, MEMBER_MIX) * unit_f32(words.y));
}
