// The numbers of one step of one model's optimizer. A kernel reads them once, before anything that some invocations skip:
// there, a software device reads them for all lanes at once.

struct Rule {
    rate: f32,  // learning rate; Adam's α
    decay: f32, // learning rate · weight decay
    settings: vec4<f32>, // as the optimizer's file names them
}

// The rule of the model whose words begin at `member`, in the step whose words begin at `step`.
fn rule_of(member: u32, step: u32) -> Rule {
    let words = vec4(
        members[member + MEMBER_SETTINGS],
        members[member + MEMBER_SETTINGS + 1u],
        members[member + MEMBER_SETTINGS + 2u],
        members[member + MEMBER_SETTINGS + 3u],
    );
    let rates = vec2(steps[step + STEP_RATE], steps[step + STEP_DECAY]);
    return Rule(bitcast<f32>(rates.x), bitcast<f32>(rates.y), bitcast<vec4<f32>>(words));
}
