// The product of product.wgsl for stages that wait for memory: the four terms of a column are added up by themselves first,
// so that the sum so far is needed last.

fn plus_column(sum: vec4<f32>, left: mat4x4<f32>, right: vec4<f32>) -> vec4<f32> {
    return sum + (left[0] * right.x + left[1] * right.y + left[2] * right.z + left[3] * right.w);
}

// sum + left · right
fn plus_product(sum: mat4x4<f32>, left: mat4x4<f32>, right: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        plus_column(sum[0], left, right[0]),
        plus_column(sum[1], left, right[1]),
        plus_column(sum[2], left, right[2]),
        plus_column(sum[3], left, right[3]),
    );
}
