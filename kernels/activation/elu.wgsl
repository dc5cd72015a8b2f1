// x, or eˣ − 1 below 0

fn activated(x: vec4<f32>) -> vec4<f32> {
    return select(exponential_m1(x), x, x > vec4(0.0));
}

fn slope(x: vec4<f32>) -> vec4<f32> {
    return select(exponential(x), vec4(1.0), x > vec4(0.0));
}
