// Backward pass of a dense layer and the update of its weights in one dispatch, for small fleets, where a dispatch costs more
// than reading the gradients twice. A workgroup has the weights of FEATURES inputs to itself: with the gradients of PIECE
// quads of units in its memory, it first adds what these units have to the gradients of the inputs, then updates their
// weights. The batch is one tile.
//
// workgroup  FEATURES · QUADS quads of samples, the last one innermost
// grid       (FEATURE_BLOCKS, models); one feature more than the inputs, the bias
// memory     16 · (FEATURES / 4 + PIECE) · (4 · QUADS + 1) bytes: at most 12,672; and sum_over_workgroup's
// barriers   3 for each piece, and those of sum_over_workgroup

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> notes: array<f32>;

const INPUT_QUADS: u32 = FEATURES / 4u;

var<workgroup> staged_x: array<vec4<f32>, INPUT_QUADS * QUAD_ROWS>;
var<workgroup> staged_d: array<vec4<f32>, PIECE * QUAD_ROWS>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    if at.n_windows == 0u {
        return;
    }
    let rule = rule_of(at);
    let first = group.x * FEATURES;
    let feature = first + local_idx / QUADS;
    let sq = local_idx % QUADS;
    let x = input(feature, sq, at);
    staged_x[padded(local_idx)] = x;
    var d_x = vec4(0.0);
    var squares = 0.0;
    for (var quad = 0u; quad < LAYER.quads; quad += PIECE) {
        workgroupBarrier();
        for (var i = local_idx; i < 4u * PIECE * QUADS; i += WORKGROUP) {
            staged_d[padded(i)] = unit_row(4u * quad + i / QUADS, i % QUADS, at);
        }
        workgroupBarrier();
        if feature < LAYER.inputs {
            d_x = plus_piece(d_x, weights_of(at) + LAYER.weights + feature * LAYER.quads, quad, sq);
        }
        // From here on, weights that others of this workgroup have read are written.
        storageBarrier();
        for (var task = local_idx; task < INPUT_QUADS * PIECE; task += WORKGROUP) {
            let k = first + task / PIECE * 4u;
            let own = quad + task % PIECE;
            if k <= LAYER.inputs && own < LAYER.quads {
                let w = LAYER.weights + k * LAYER.quads + own;
                let n = min(4u, LAYER.inputs + 1u - k);
                let old = four_parameters(w, LAYER.quads, n, at);
                squares += settle(old, w, LAYER.quads, n, gradient(task / PIECE, task % PIECE), rule, at);
            }
        }
    }
    if feature < LAYER.inputs {
        let factor = select(1.0, member_f32(at, MEMBER_KEPT), LAYER.dropped);
        arena[row_of(at, 0u, LAYER.d_x + feature) + sq] = passed(x, d_x * factor);
    }
    squares = sum_over_workgroup(squares);
    if local_idx == 0u {
        notes[notes_of(at) + FIRST_SQUARES + group.x] = squares;
    }
}

// Four samples of an input: 1 for the bias, 0 beyond it.
fn input(feature: u32, sq: u32, at: At) -> vec4<f32> {
    let other = vec4(select(0.0, 1.0, feature == LAYER.inputs));
    let x = arena[row_of(at, 0u, LAYER.x + min(feature, LAYER.inputs - 1u)) + sq];
    return select(other, x, feature < LAYER.inputs);
}

// Four samples of the gradient of a unit; 0 beyond the last.
fn unit_row(unit: u32, sq: u32, at: At) -> vec4<f32> {
    let d = arena[row_of(at, 0u, LAYER.d_y + min(unit, LAYER.units - 1u)) + sq];
    return select(vec4(0.0), d, unit < LAYER.units);
}

// `d_x` and what the staged units, those from 4 · `quad` on, have to it. The weights of the input begin at `w`.
fn plus_piece(d_x: vec4<f32>, w: u32, quad: u32, sq: u32) -> vec4<f32> {
    var sum = d_x;
    for (var q = 0u; q < min(PIECE, LAYER.quads - quad); q++) {
        sum = plus_column(sum, four_staged_d(q, sq), parameters[w + quad + q]);
    }
    return sum;
}

fn four_staged_d(q: u32, sq: u32) -> mat4x4<f32> {
    let d = q * QUAD_ROWS + sq;
    return mat4x4<f32>(staged_d[d], staged_d[d + QUADS], staged_d[d + 2u * QUADS], staged_d[d + 3u * QUADS]);
}

// The gradients of four inputs by four units of what is staged: a column an input.
fn gradient(input_quad: u32, unit_quad: u32) -> mat4x4<f32> {
    var sum = mat4x4<f32>();
    for (var sq = 0u; sq < QUADS; sq++) {
        let x = input_quad * QUAD_ROWS + sq;
        let right =
            mat4x4<f32>(staged_x[x], staged_x[x + QUADS], staged_x[x + 2u * QUADS], staged_x[x + 3u * QUADS]);
        sum = plus_product(sum, transpose(four_staged_d(unit_quad, sq)), right);
    }
    return sum;
}
