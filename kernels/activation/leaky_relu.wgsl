// x, or SLOPE·x below 0

fn activated(x: vec4<f32>) -> vec4<f32> {
    return select(SLOPE * x, x, x > vec4(0.0));
}

fn slope(x: vec4<f32>) -> vec4<f32> {
    return select(vec4(SLOPE), vec4(1.0), x > vec4(0.0));
}
