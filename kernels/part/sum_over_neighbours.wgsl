// Sums over neighbours: as sum_over_lanes.wgsl, but the invocations that share a sum lie beside each other, so that they
// read operands beside each other. Invocation i is lane i % lanes of slot i / lanes.
//
// On a device with subgroups, sum_over_subgroup.wgsl replaces it where the lanes fit in one; it adds in the same order.
//
// memory    64 bytes of workgroup memory for each invocation of half the workgroup
// barriers  2·log2(lanes)

var<workgroup> neighbour_sums: array<vec4<f32>, 2u * WORKGROUP>;

// The sum over the lanes of a slot of `sum`, in lane 0; the other lanes get something else. `lanes` is a power of two and
// the same in the whole workgroup, all of which must call this.
fn sum_over_neighbours(sum: mat4x4<f32>, lanes: u32) -> mat4x4<f32> {
    let lane = local_idx % lanes;
    let slot = local_idx / lanes;
    let column = WORKGROUP / 2u;
    var total = sum;
    for (var half = lanes / 2u; half > 0u; half /= 2u) {
        if lane >= half && lane < 2u * half {
            let i = slot * (lanes / 2u) + lane - half;
            neighbour_sums[i] = total[0];
            neighbour_sums[i + column] = total[1];
            neighbour_sums[i + 2u * column] = total[2];
            neighbour_sums[i + 3u * column] = total[3];
        }
        workgroupBarrier();
        if lane < half {
            let i = slot * (lanes / 2u) + lane;
            total = mat4x4<f32>(
                total[0] + neighbour_sums[i],
                total[1] + neighbour_sums[i + column],
                total[2] + neighbour_sums[i + 2u * column],
                total[3] + neighbour_sums[i + 3u * column],
            );
        }
        workgroupBarrier();
    }
    return total;
}
