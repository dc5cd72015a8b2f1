// The product of two matrices of four by four, the unit of work of every stage that multiplies.
//
//     forward    left: four inputs, a column of four samples each   right: their weights, a column a unit
//     backward   left: gradients of four units, four samples each   right: their weights, a column an input
//     gradient   left: gradients of four samples, four units each   right: four inputs, four samples each
//
// One multiply-add after the other into the same sum: a compiler contracts each to one instruction.

fn plus_column(sum: vec4<f32>, left: mat4x4<f32>, right: vec4<f32>) -> vec4<f32> {
    var total = sum;
    total += left[0] * right.x;
    total += left[1] * right.y;
    total += left[2] * right.z;
    total += left[3] * right.w;
    return total;
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
