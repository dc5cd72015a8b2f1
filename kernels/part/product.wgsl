// A column of a product for stages that stage their operands: one multiply-add after the other into the same sum, of which a
// compiler contracts each to one instruction.

// sum + left · right
fn plus_column(sum: vec4<f32>, left: mat4x4<f32>, right: vec4<f32>) -> vec4<f32> {
    var total = sum;
    total += left[0] * right.x;
    total += left[1] * right.y;
    total += left[2] * right.z;
    total += left[3] * right.w;
    return total;
}
