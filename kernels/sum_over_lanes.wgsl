// Sums over lanes: several invocations share a long sum, each adds up every so many terms of it, and their partial sums
// are added as a tree. The order is fixed, so that the same numbers give the same bits.
//
// Invocation i is lane i / (WORKGROUP / lanes) of slot i % (WORKGROUP / lanes): invocations beside each other work on
// results beside each other, whose weights lie beside each other.
//
// memory    8,192 bytes of workgroup memory
// barriers  2·log2(lanes)

var<workgroup> lane_sums: array<mat4x4<f32>, 128>;

// The sum over the lanes of a slot of `sum`, in lane 0; the other lanes get something else. `lanes` is a power of two and
// the same in the whole workgroup, all of which must call this.
fn sum_over_lanes(sum: mat4x4<f32>, lanes: u32, local_idx: u32) -> mat4x4<f32> {
    let slots = WORKGROUP / lanes;
    let lane = local_idx / slots;
    var total = sum;
    for (var half = lanes / 2u; half > 0u; half /= 2u) {
        if lane >= half && lane < 2u * half {
            lane_sums[local_idx - half * slots] = total;
        }
        workgroupBarrier();
        if lane < half {
            total += lane_sums[local_idx];
        }
        workgroupBarrier();
    }
    return total;
}
