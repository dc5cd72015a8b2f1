// The words of a model in `members`; f32 are stored as their bits.
//
// They are written by crates/engine/src/gpu/members.rs.

const MEMBER_SEED: u32 = 0u;     // two words, low first
const MEMBER_LOSS: u32 = 2u;     // which loss
const MEMBER_DROPOUT: u32 = 3u;  // f32: probability that a feature is dropped
const MEMBER_KEPT: u32 = 4u;     // f32: 1 / (1 − that), the factor of what is kept
const MEMBER_CLIP: u32 = 5u;     // f32: bound of the gradient's norm
const MEMBER_SETTINGS: u32 = 6u; // four f32: the optimizer's settings, as its file names them
// Strengths of augmentation; 0 for none.
const MEMBER_TURN: u32 = 10u;     // f32: largest rotation, in whole turns
const MEMBER_AXES: u32 = 11u;     // 1 where axes change places, plus 2 where they are turned around
const MEMBER_SCALING: u32 = 12u;  // f32: most by which a factor differs from 1
const MEMBER_SHIFT: u32 = 13u;    // largest shift, in samples
const MEMBER_WARP: u32 = 14u;     // f32: largest relative change of speed
const MEMBER_JITTER: u32 = 15u;   // f32: deviation of the noise
const MEMBER_MIX: u32 = 16u;      // f32: largest share of another window
const MEMBER_CHANNELS: u32 = 17u; // from here on: mean of each channel, scale of each channel, weight of each class

fn member_f32(at: At, word: u32) -> f32 {
    return bitcast<f32>(members[at.member + word]);
}
