// The gradient `d` of a tail's output, which its own backward stage takes further.
fn passed(y: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
    return d;
}
