// The sum of one number of each invocation, of which there are a multiple of 16, in a fixed order.
//
// memory    4 bytes of workgroup memory for each invocation, and 4
// barriers  4

// One for each invocation, and their sum.
var<workgroup> workgroup_sums: array<f32, WORKGROUP + 1u>;

// The sum of `value` over the whole workgroup, in every invocation.
fn sum_over_workgroup(value: f32, local_idx: u32) -> f32 {
    workgroup_sums[local_idx] = value;
    workgroupBarrier();
    var sum = 0.0;
    if local_idx < WORKGROUP / 16u {
        for (var i = 0u; i < 16u; i++) {
            sum += workgroup_sums[16u * local_idx + i];
        }
    }
    workgroupBarrier();
    if local_idx < WORKGROUP / 16u {
        workgroup_sums[local_idx] = sum;
    }
    workgroupBarrier();
    if local_idx == 0u {
        sum = 0.0;
        for (var i = 0u; i < WORKGROUP / 16u; i++) {
            sum += workgroup_sums[i];
        }
        workgroup_sums[WORKGROUP] = sum;
    }
    workgroupBarrier();
    return workgroup_sums[WORKGROUP];
}
