// x·Φ(x), with the distribution function of the normal distribution.

fn activated(x: vec4<f32>) -> vec4<f32> {
    return x * distribution(x, bell(x));
}

fn slope(x: vec4<f32>) -> vec4<f32> {
    let height = bell(x);
    return distribution(x, height) + x * (0.3989422804014327 * height);
}

// e^(−x²/2)
fn bell(x: vec4<f32>) -> vec4<f32> {
    return exponential(-0.5 * x * x);
}

// Φ(x), of x and e^(−x²/2). Φ(−|x|)·e^(x²/2) as a polynomial in 1 / (1 + 0.35·|x|): a least-squares fit to 3·10⁻⁸ relative, up
// to |x| = 14. Beyond, the bell is 0.
fn distribution(x: vec4<f32>, height: vec4<f32>) -> vec4<f32> {
    let t = vec4(1.0) / (vec4(1.0) + 0.35 * abs(x));
    let high = 0.15917446 + t * (-0.25571454 + t * (0.1439718 + t * -0.02914596));
    let low = 0.1396214 + t * (0.13986187 + t * (0.119832851 + t * (0.10550808 + t * (-0.023110028 + t * high))));
    let below = height * (t * low);
    return select(vec4(1.0) - below, below, x < vec4(0.0));
}
