// max(x, 0)

fn activated(x: vec4<f32>) -> vec4<f32> {
    return rectified(x);
}

fn slope(x: vec4<f32>) -> vec4<f32> {
    return select(vec4(1.0), vec4(0.0), x <= vec4(0.0));
}
