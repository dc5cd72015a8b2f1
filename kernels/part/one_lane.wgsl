// Where no invocations share a sum.
fn sum_over_lanes(sum: mat4x4<f32>, lanes: u32) -> mat4x4<f32> {
    return sum;
}
