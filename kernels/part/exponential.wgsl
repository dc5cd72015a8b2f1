// eˣ and eˣ − 1 to a few units in the last place, as WGSL's own functions are not on every driver. NaN stays NaN.
//
//     x = n·ln 2 + r      eˣ = 2ⁿ·eʳ      |r| ≤ ln 2 / 2

struct Power {
    two_n: vec4<f32>, // 2ⁿ
    e_r: vec4<f32>,   // eʳ − 1
}

const LN_2_HIGH: f32 = 0.693359375; // few bits, so that its product with n is exact
const LN_2_LOW: f32 = -0.00021219444;

// For x from −87 to 88, between which 2ⁿ is a normal number. What is beyond is taken for the next end.
fn power(x: vec4<f32>) -> Power {
    let bounded = clamp(x, vec4(-87.0), vec4(88.0));
    let n = round(bounded * 1.4426950408889634);
    let r = (bounded - n * LN_2_HIGH) - n * LN_2_LOW;
    let series = 0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0)))));
    let two_n = bitcast<vec4<f32>>(vec4<u32>(vec4<i32>(n) + vec4(127)) << vec4(23u));
    return Power(two_n, r + r * r * series);
}

// eˣ; 0 below e⁻⁸⁷
fn exponential(x: vec4<f32>) -> vec4<f32> {
    let its = power(x);
    let value = select(its.two_n + its.two_n * its.e_r, vec4(0.0), x < vec4(-87.0));
    return select(value, x, is_nan(x));
}

// eˣ − 1
fn exponential_m1(x: vec4<f32>) -> vec4<f32> {
    let its = power(x);
    return select((its.two_n - vec4(1.0)) + its.two_n * its.e_r, x, is_nan(x));
}
