// The hyperbolic tangent, by powers of e of numbers below 0, which do not overflow.

fn activated(x: vec4<f32>) -> vec4<f32> {
    let e_m1 = exponential_m1(-2.0 * abs(x));
    let magnitude = -e_m1 / (e_m1 + vec4(2.0));
    return select(magnitude, -magnitude, x < vec4(0.0));
}

fn slope(x: vec4<f32>) -> vec4<f32> {
    let e = exponential(-2.0 * abs(x));
    let whole = vec4(1.0) + e;
    return 4.0 * e / (whole * whole);
}
