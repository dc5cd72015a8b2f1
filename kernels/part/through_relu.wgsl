// The gradient `d` of a ReLU's output `y`, back through it.
fn passed(y: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
    return select(d, vec4(0.0), y <= vec4(0.0));
}
