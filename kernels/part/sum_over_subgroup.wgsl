// Sums over the neighbours of a subgroup, without memory and barriers. It adds in the order of sum_over_neighbours.wgsl.
//
// Composed where every subgroup of the device has at least as many invocations as share a sum.

fn sum_over_neighbours(sum: mat4x4<f32>, lanes: u32) -> mat4x4<f32> {
    var total = sum;
    for (var half = lanes / 2u; half > 0u; half /= 2u) {
        total = mat4x4<f32>(
            total[0] + subgroupShuffleXor(total[0], half),
            total[1] + subgroupShuffleXor(total[1], half),
            total[2] + subgroupShuffleXor(total[2], half),
            total[3] + subgroupShuffleXor(total[3], half),
        );
    }
    return total;
}
