// The numbers of one step of one model's optimizer.

struct Rule {
    rate: f32,  // learning rate; Adam's α
    decay: f32, // learning rate · weight decay
    settings: vec4<f32>, // as the optimizer's file names them
}

fn rule_of(at: At) -> Rule {
    let settings = vec4(
        member_f32(at, MEMBER_SETTINGS),
        member_f32(at, MEMBER_SETTINGS + 1u),
        member_f32(at, MEMBER_SETTINGS + 2u),
        member_f32(at, MEMBER_SETTINGS + 3u),
    );
    return Rule(bitcast<f32>(steps[at.step + STEP_RATE]), bitcast<f32>(steps[at.step + STEP_DECAY]), settings);
}

// Four units of a row of weights, with the moments of the optimizer.
struct Parameters {
    weights: vec4<f32>,
    first: vec4<f32>,  // the first moment, where MOMENTS is at least 1
    second: vec4<f32>, // the second, where it is 2
}
