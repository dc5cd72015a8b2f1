// The product of two matrices of four by four, the unit of work of every stage that multiplies.
//
//     forward    left: four inputs, a column of four samples each   right: their weights, a column a unit
//     backward   left: gradients of four units, four samples each   right: their weights, a column an input
//     gradient   left: gradients of four samples, four units each   right: four inputs, four samples each
//
// Composed in front: plus_column(…), of product.wgsl or long_product.wgsl.

// sum + left · right
fn plus_product(sum: mat4x4<f32>, left: mat4x4<f32>, right: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        plus_column(sum[0], left, right[0]),
        plus_column(sum[1], left, right[1]),
        plus_column(sum[2], left, right[2]),
        plus_column(sum[3], left, right[3]),
    );
}
