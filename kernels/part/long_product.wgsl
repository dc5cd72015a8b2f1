// A column of a product for stages that wait for memory: its four terms are added up by themselves first, so that the sum so
// far is needed last.

// sum + left · right
fn plus_column(sum: vec4<f32>, left: mat4x4<f32>, right: vec4<f32>) -> vec4<f32> {
    return sum + (left[0] * right.x + left[1] * right.y + left[2] * right.z + left[3] * right.w);
}
