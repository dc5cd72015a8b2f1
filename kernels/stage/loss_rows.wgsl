// The loss as an operation: weighted loss of each row, and its gradient, in one dispatch.
//
//     losses[r] = weights[r] · l(scores[r], labels[r])        d_scores[r] = weights[r] · ∂l/∂scores[r]
//
// A row with a score that is not finite, or with a label that is no class, gets NaN for its loss and its gradient.
//
// bindings (group 0)
//     0  scores    (rows, classes) f32   read
//     1  labels    (rows)          u32   read
//     2  weights   (rows)          f32   read
//     3  losses    (rows)          f32   written with `=`
//     4  d_scores  (rows, classes) f32   written with `=`
//     5  shape     rows, classes   u32   read
// workgroup  256 invocations; LANES of them (a power of two) share a row, 256 / LANES rows a workgroup
// grid       x·y workgroups cover the rows; y > 1 where 65,535 in x are not enough
// memory     256 · (LossRow + 4) bytes of workgroup memory: at most 4,096
// barriers   log2(LANES) + 1, none where LANES = 1
//
// Composed in front of this file (crates/losses/src/wgsl.rs): finite.wgsl, one file of loss/, the names LossRow and
// loss_* bound to it, and LANES.

// All but the shape are read_write: a runtime may hand out slices of one buffer, and WebGPU does not let a dispatch bind
// a buffer both for reading and for writing.
@group(0) @binding(0) var<storage, read_write> scores: array<f32>;
@group(0) @binding(1) var<storage, read_write> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_scores: array<f32>;
@group(0) @binding(5) var<storage, read> shape: vec2<u32>;

const WORKGROUP: u32 = 256u;

var<workgroup> partial_rows: array<LossRow, WORKGROUP>;
var<workgroup> partial_bits: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local_idx: u32,
) {
    let n_rows = shape.x;
    let n_classes = shape.y;
    let lane = local_idx % LANES;
    let row_idx = (group.y * n_groups.x + group.x) * (WORKGROUP / LANES) + local_idx / LANES;
    // Lanes past the last row go along to the barriers with an empty row.
    let is_row = row_idx < n_rows;
    let first = row_idx * n_classes;

    var label = 0u;
    var row = loss_identity();
    var bits = 0u; // magnitude bits of the row's largest score
    if is_row {
        label = labels[row_idx];
        for (var class_idx = lane; class_idx < n_classes; class_idx += LANES) {
            let score = scores[first + class_idx];
            bits = max(bits, magnitude_bits(score));
            row = loss_combine(row, loss_term(score, class_idx == label));
        }
    }

    if LANES > 1u {
        partial_rows[local_idx] = row;
        partial_bits[local_idx] = bits;
        workgroupBarrier();
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            if lane < half {
                partial_rows[local_idx] = loss_combine(partial_rows[local_idx], partial_rows[local_idx + half]);
                partial_bits[local_idx] = max(partial_bits[local_idx], partial_bits[local_idx + half]);
            }
            workgroupBarrier();
        }
        row = partial_rows[local_idx - lane];
        bits = partial_bits[local_idx - lane];
    }

    if !is_row {
        return;
    }
    let is_broken = bits >= NOT_FINITE || label >= n_classes;
    let weight = weights[row_idx];
    if lane == 0u {
        losses[row_idx] = select(weight * loss_value(row, n_classes), not_a_number(bits), is_broken);
    }
    for (var class_idx = lane; class_idx < n_classes; class_idx += LANES) {
        let d = loss_gradient(row, scores[first + class_idx], class_idx == label, n_classes);
        d_scores[first + class_idx] = select(weight * d, not_a_number(bits), is_broken);
    }
}
