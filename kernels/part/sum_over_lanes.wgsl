// Sums over lanes: several invocations share a long sum, each adds up every so many terms of it, and their partial sums
// are added as a tree. The order is fixed, so that the same numbers give the same bits.
//
// Invocation i is lane i / (WORKGROUP / lanes) of slot i % (WORKGROUP / lanes): invocations beside each other work on
// results beside each other, whose operands lie beside each other.
//
// memory    32 bytes of workgroup memory for each invocation, a column after the other, so that neighbours read neighbours
// barriers  2·log2(lanes)

var<workgroup> lane_sums: array<vec4<f32>, 2u * WORKGROUP>;

// The sum over the lanes of a slot of `sum`, in lane 0; the other lanes get something else. `lanes` is a power of two and
// the same in the whole workgroup, all of which must call this.
fn sum_over_lanes(sum: mat4x4<f32>, lanes: u32) -> mat4x4<f32> {
    let slots = WORKGROUP / lanes;
    let lane = local_idx / slots;
    let column = WORKGROUP / 2u;
    var total = sum;
    for (var half = lanes / 2u; half > 0u; half /= 2u) {
        if lane >= half && lane < 2u * half {
            let i = local_idx - half * slots;
            lane_sums[i] = total[0];
            lane_sums[i + column] = total[1];
            lane_sums[i + 2u * column] = total[2];
            lane_sums[i + 3u * column] = total[3];
        }
        workgroupBarrier();
        if lane < half {
            let i = local_idx;
            total = mat4x4<f32>(
                total[0] + lane_sums[i],
                total[1] + lane_sums[i + column],
                total[2] + lane_sums[i + 2u * column],
                total[3] + lane_sums[i + 3u * column],
            );
        }
        workgroupBarrier();
    }
    return total;
}
