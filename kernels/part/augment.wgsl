// The value of a window, varied as triax_engine::Augmentation says:
//     x = (factor · R · S · P · value(t + shift + d(t)) − mean) / scale + jitter · normal
// of the value between samples by linear interpolation, P an order of the axes of each triple of channels, S their signs,
// R a rotation. The last channels of a model may be no axes (scalars): P, S and R leave them as they are.
// Where a fleet mixes windows (PARTS = 2), each is blended with its partner, another window of the batch that is varied by
// its own draws, before the scaler: x = own + share · (partner − own). loss.wgsl judges by the labels of both.
//
// What is drawn for a window is drawn once, by four words of Philox a layer: key = the model's seed, counter = (block,
// step (two words), AUGMENT | layer · 256). Layers: 0 shift, warp, phase, factor; 1 angle, height and azimuth of the axis
// (and, by their lowest bits, signs), order; 3 how far behind a window its partner is, share (mix.wgsl); in these, block =
// window in the batch. 2 noise: block = window in the batch · ⌈values / 4⌉ + value / 4.
//
// Sine, cosine and logarithm are series, as WGSL allows a driver's own an error in the fourth digit.
//
// Twin: crates/engine/src/cpu/augment.rs.
//
// memory    96 · PARTS · SAMPLES bytes of workgroup memory
// barriers  1

const TIME_AND_FACTOR: u32 = 0u;
const AXES: u32 = 1u;
const NOISE: u32 = 2u;

const PI: f32 = 3.14159265358979;
const LN_2: f32 = 0.693147180559945;
const SQRT_2: f32 = 1.41421356237310;

const TIMES: u32 = WINDOW_VALUES / CHANNELS;

// What was drawn for one window.
struct Drawn {
    window_idx: u32, // which window of the data set it is
    share: f32,      // what it contributes as a partner
    shift: f32,
    sway: f32,   // amplitude of the way through time, in samples
    phase: f32,  // in turns
    middle: f32, // sine at the window's middle, which stays where it is
    factor: f32,
    order: vec3<u32>,
    turn: mat3x3<f32>, // row after row
}

var<workgroup> drawn: array<Drawn, PARTS * SAMPLES>; // the windows of the tile, then their partners

// Draws what the windows of a tile are varied by.
fn prepare_windows(tile: u32, at: At) {
    for (var i = local_idx; i < PARTS * SAMPLES; i += WORKGROUP) {
        let window = tile * SAMPLES + i % SAMPLES;
        if window < at.n_windows {
            if i < SAMPLES {
                drawn[i] = draw(at, window, 0.0);
            } else {
                let its = partner_of(at, window);
                drawn[i] = draw(at, its.window, its.share);
            }
        }
    }
    workgroupBarrier();
}

// Value `row` of sample `s` of a tile.
fn window_value(tile: u32, s: u32, row: u32, at: At) -> f32 {
    var value = varied(s, row, at);
    if PARTS > 1u {
        value += drawn[SAMPLES + s].share * (varied(SAMPLES + s, row, at) - value);
    }
    value = standardised(value, row, at);
    if JITTERS {
        value += member_f32(at, MEMBER_JITTER) * normal(at, tile * SAMPLES + s, row);
    }
    return value;
}

fn draw(at: At, window: u32, share: f32) -> Drawn {
    let time = augment_words(at, window, TIME_AND_FACTOR);
    let axes = augment_words(at, window, AXES);
    let shift = members[at.member + MEMBER_SHIFT];
    let phase = unit_f32(time.z);
    let kinds = members[at.member + MEMBER_AXES];
    let order = select(0u, multiply_high(axes.w, 6u), (kinds & 1u) != 0u);
    // By bits that the fractions drawn from these words leave out.
    let signs = select(vec3(1.0), vec3(-1.0), (axes.xyz & vec3((kinds & 2u) >> 1u)) == vec3(1u));
    let turn = rotation(member_f32(at, MEMBER_TURN) * symmetric(axes.x), symmetric(axes.y), unit_f32(axes.z));
    return Drawn(
        steps[at.step + STEP_WINDOWS + window],
        share,
        f32(multiply_high(time.x, 2u * shift + 1u)) - f32(shift),
        member_f32(at, MEMBER_WARP) * symmetric(time.y) * f32(TIMES) / PI,
        phase,
        sine_and_cosine(phase + 0.25).x,
        1.0 + member_f32(at, MEMBER_SCALING) * symmetric(time.w),
        vec3(order / 2u, (order / 2u + 1u + order % 2u) % 3u, (order / 2u + 2u - order % 2u) % 3u),
        mat3x3(turn[0] * signs, turn[1] * signs, turn[2] * signs),
    );
}

// Value `i` of the window that `drawn[s]` is of.
fn varied(s: u32, i: u32, at: At) -> f32 {
    let start = drawn[s].window_idx * WINDOW_VALUES;
    let t = i / CHANNELS;
    let c = i % CHANNELS;
    var time = f32(t);
    if RESAMPLES {
        let sine = sine_and_cosine(f32(t) * (0.5 / f32(TIMES)) + drawn[s].phase).x;
        time = clamp(f32(t) + drawn[s].shift + drawn[s].sway * (sine - drawn[s].middle), 0.0, f32(TIMES - 1u));
    }
    // The bits of MEMBER_AXES above the kinds count the scalars.
    if !TURNS || c + (members[at.member + MEMBER_AXES] >> 2u) >= CHANNELS {
        return value_between(start + c, time) * drawn[s].factor;
    }
    let triple = start + c - c % 3u;
    let order = drawn[s].order;
    let v = vec3(
        value_between(triple + order.x, time),
        value_between(triple + order.y, time),
        value_between(triple + order.z, time),
    );
    let row = drawn[s].turn[c % 3u];
    return (row.x * v.x + row.y * v.y + row.z * v.z) * drawn[s].factor;
}

// The channel whose values begin at `start`, at `time`, in samples.
fn value_between(start: u32, time: f32) -> f32 {
    let before = u32(time);
    let a = windows[start + before * CHANNELS];
    if !RESAMPLES {
        return a;
    }
    let b = windows[start + min(before + 1u, TIMES - 1u) * CHANNELS];
    return a + (time - f32(before)) * (b - a);
}

// A standard normal number for a value of a window, by Box and Muller: each pair of words gives a pair.
fn normal(at: At, window: u32, value: u32) -> f32 {
    let words = augment_words(at, window * ((WINDOW_VALUES + 3u) / 4u) + value / 4u, NOISE);
    let pair = select(words.zw, words.xy, value % 4u < 2u);
    let both = sine_and_cosine(unit_f32(pair.y)) * sqrt(-2.0 * logarithm(1.0 - unit_f32(pair.x)));
    return select(both.x, both.y, value % 2u == 0u);
}

// A word as a number in [-1, 1).
fn symmetric(word: u32) -> f32 {
    return 2.0 * unit_f32(word) - 1.0;
}

// The rows of a rotation by `turn` (in whole turns) about the axis of this height and azimuth (in turns), by Rodrigues.
fn rotation(turn: f32, height: f32, azimuth: f32) -> mat3x3<f32> {
    let angle = sine_and_cosine(turn);
    let compass = sine_and_cosine(azimuth);
    let level = sqrt(max(1.0 - height * height, 0.0));
    let axis = vec3(level * compass.y, level * compass.x, height);
    let rest = 1.0 - angle.y;
    let s = angle.x * axis;
    let xy = rest * axis.x * axis.y;
    let xz = rest * axis.x * axis.z;
    let yz = rest * axis.y * axis.z;
    let squares = axis * axis;
    return mat3x3(
        vec3(1.0 - rest * (squares.y + squares.z), xy - s.z, xz + s.y),
        vec3(xy + s.z, 1.0 - rest * (squares.x + squares.z), yz - s.x),
        vec3(xz - s.y, yz + s.x, 1.0 - rest * (squares.x + squares.y)),
    );
}

// Sine and cosine of an angle in whole turns: their series, an eighth of a turn to either side of the nearest quarter.
fn sine_and_cosine(turns: f32) -> vec2<f32> {
    let quarter = floor(4.0 * turns + 0.5);
    let angle = (turns - 0.25 * quarter) * (2.0 * PI);
    let square = angle * angle;
    let odd = 1.0 / 120.0 + square * (-1.0 / 5040.0 + square * (1.0 / 362880.0));
    let sine = angle + angle * square * (-1.0 / 6.0 + square * odd);
    let even = 1.0 / 24.0 + square * (-1.0 / 720.0 + square * (1.0 / 40320.0));
    let cosine = 1.0 + square * (-0.5 + square * even);
    let n = i32(quarter);
    let turned = select(vec2(cosine, -sine), vec2(sine, cosine), (n & 1) == 0);
    return select(-turned, turned, (n & 2) == 0);
}

// Natural logarithm of a normal positive number: of its mantissa m, between √½ and √2, as 2·artanh((m − 1)/(m + 1)).
fn logarithm(value: f32) -> f32 {
    let bits = bitcast<u32>(value);
    let m = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
    let is_upper = m > SQRT_2;
    let exponent = f32(i32(bits >> 23u) - 127) + select(0.0, 1.0, is_upper);
    let mantissa = m * select(1.0, 0.5, is_upper);
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = 1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0 + square * (1.0 / 9.0)));
    return exponent * LN_2 + 2.0 * s * (1.0 + square * series);
}
