// The sum of one number of each invocation, in a fixed order.
//
// memory    4 bytes of workgroup memory for each invocation
// barriers  2

var<workgroup> workgroup_sums: array<f32, WORKGROUP>;

// The sum of `value` over the whole workgroup, in every invocation. It may be called again only after a barrier.
fn sum_over_workgroup(value: f32) -> f32 {
    workgroup_sums[local_idx] = value;
    workgroupBarrier();
    if local_idx < 16u {
        var sum = 0.0;
        for (var i = local_idx; i < WORKGROUP; i += 16u) {
            sum += workgroup_sums[i];
        }
        workgroup_sums[local_idx] = sum;
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < min(16u, WORKGROUP); i++) {
        sum += workgroup_sums[i];
    }
    return sum;
}
