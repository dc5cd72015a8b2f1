// Gradients of the weights of one layer and their update, as gradient_by_lanes.wgsl, for fleets that fill a device by their
// weights. A workgroup stages the inputs and the gradients of one position of one tile at a time in its memory, while the
// next ones are on their way to registers.
//
// workgroup  INPUT_QUADS quads of inputs · UNIT_QUADS quads of units, the last one innermost
// grid       (INPUT_BLOCKS · UNIT_BLOCKS, models)
// memory     16 · (INPUT_QUADS + UNIT_QUADS) · (4 · QUADS + 1) bytes: at most 12,672; and sum_over_workgroup's
// barriers   2 for each tile and position, and those of sum_over_workgroup

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read> arena: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> notes: array<f32>;

const INPUT_QUADS: u32 = 8u;
const POSITIONS: u32 = LAYER.outputs * LAYER.pool;
const STAGED_X: u32 = 4u * INPUT_QUADS * QUADS; // vectors; at most 4 · WORKGROUP
const STAGED_D: u32 = 4u * UNIT_QUADS * QUADS;  // vectors: 4 · WORKGROUP

var<workgroup> staged_x: array<vec4<f32>, INPUT_QUADS * QUAD_ROWS>;
var<workgroup> staged_d: array<vec4<f32>, UNIT_QUADS * QUAD_ROWS>;

// What an invocation holds of the next term: every WORKGROUPth vector of it.
struct Ahead {
    x: mat4x4<f32>,
    d: mat4x4<f32>,
}

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
    let first_k = group.x / UNIT_BLOCKS * 4u * INPUT_QUADS;
    let first_quad = group.x % UNIT_BLOCKS * UNIT_QUADS;
    let k = first_k + local_idx / UNIT_QUADS * 4u;
    let quad = first_quad + local_idx % UNIT_QUADS;
    let n = select(0u, min(4u, LAYER.inputs - min(k, LAYER.inputs)), quad < LAYER.quads);
    let w = LAYER.weights + min(k, LAYER.inputs) * LAYER.quads + min(quad, LAYER.quads - 1u);
    // The bias would be a row too many for the blocks of most layers. Those with the first inputs have it beside them.
    let n_bias = select(0u, 1u, k == 0u && quad < LAYER.quads);
    let w_bias = LAYER.weights + LAYER.inputs * LAYER.quads + min(quad, LAYER.quads - 1u);
    let n_terms = n_tiles(at) * POSITIONS;
    // With one term, what is to be updated is on its way while the term is; with several, it would only take registers.
    const AT_ONCE: bool = TILES * POSITIONS == 1u;
    var old = FourParameters();
    if AT_ONCE {
        old = four_parameters(w, LAYER.quads, n, at);
    }
    var sum = mat4x4<f32>();
    var bias = vec4(0.0);
    var ahead = fetch(0u, first_k, first_quad, at);
    for (var term = 0u; term < n_terms; term++) {
        workgroupBarrier();
        stage(ahead, local_idx);
        workgroupBarrier();
        if term + 1u < n_terms {
            ahead = fetch(term + 1u, first_k, first_quad, at);
        }
        let x = local_idx / UNIT_QUADS * QUAD_ROWS;
        let d = local_idx % UNIT_QUADS * QUAD_ROWS;
        for (var sq = 0u; sq < QUADS; sq++) {
            let left = mat4x4<f32>(
                staged_d[d + sq],
                staged_d[d + sq + QUADS],
                staged_d[d + sq + 2u * QUADS],
                staged_d[d + sq + 3u * QUADS],
            );
            let right = mat4x4<f32>(
                staged_x[x + sq],
                staged_x[x + sq + QUADS],
                staged_x[x + sq + 2u * QUADS],
                staged_x[x + sq + 3u * QUADS],
            );
            sum = plus_product(sum, transpose(left), right);
            if n_bias > 0u {
                bias += vec4(1.0) * left;
            }
        }
    }
    if !AT_ONCE {
        old = four_parameters(w, LAYER.quads, n, at);
    }
    var old_bias = FourParameters();
    if n_bias > 0u {
        old_bias = four_parameters(w_bias, 0u, 1u, at);
    }
    let own = settle(old, w, LAYER.quads, n, sum, rule, at);
    let of_bias = settle(old_bias, w_bias, 0u, n_bias, mat4x4<f32>(bias, bias, bias, bias), rule, at);
    let squares = sum_over_workgroup(own + of_bias);
    if local_idx == 0u {
        notes[notes_of(at) + FIRST_SQUARES + group.x] = squares;
    }
}

fn fetch(term: u32, first_k: u32, first_quad: u32, at: At) -> Ahead {
    var ahead = Ahead();
    let i = local_idx;
    let tile = term / POSITIONS;
    let t = term % POSITIONS;
    ahead.x[0] = input(tile, t, first_k, i, at);
    if STAGED_X > WORKGROUP { ahead.x[1] = input(tile, t, first_k, i + WORKGROUP, at); }
    if STAGED_X > 2u * WORKGROUP { ahead.x[2] = input(tile, t, first_k, i + 2u * WORKGROUP, at); }
    if STAGED_X > 3u * WORKGROUP { ahead.x[3] = input(tile, t, first_k, i + 3u * WORKGROUP, at); }
    ahead.d[0] = gradient(tile, t, first_quad, i, at);
    ahead.d[1] = gradient(tile, t, first_quad, i + WORKGROUP, at);
    ahead.d[2] = gradient(tile, t, first_quad, i + 2u * WORKGROUP, at);
    ahead.d[3] = gradient(tile, t, first_quad, i + 3u * WORKGROUP, at);
    return ahead;
}

fn stage(ahead: Ahead, i: u32) {
    stage_x(i, ahead.x[0]);
    if STAGED_X > WORKGROUP { stage_x(i + WORKGROUP, ahead.x[1]); }
    if STAGED_X > 2u * WORKGROUP { stage_x(i + 2u * WORKGROUP, ahead.x[2]); }
    if STAGED_X > 3u * WORKGROUP { stage_x(i + 3u * WORKGROUP, ahead.x[3]); }
    staged_d[padded(i)] = ahead.d[0];
    staged_d[padded(i + WORKGROUP)] = ahead.d[1];
    staged_d[padded(i + 2u * WORKGROUP)] = ahead.d[2];
    staged_d[padded(i + 3u * WORKGROUP)] = ahead.d[3];
}

fn stage_x(i: u32, vector: vec4<f32>) {
    if STAGED_X % WORKGROUP == 0u || i < STAGED_X {
        staged_x[padded(i)] = vector;
    }
}

// Vector `i` of the inputs of a position; 0 beyond the last.
fn input(tile: u32, t: u32, first_k: u32, i: u32, at: At) -> vec4<f32> {
    let k = first_k + i / QUADS;
    let x = LAYER.x + t * LAYER.stride * LAYER.channels + min(k, LAYER.inputs - 1u);
    return select(vec4(0.0), arena[row_of(at, tile, x) + i % QUADS], k < LAYER.inputs);
}

// Vector `i` of the gradients of a position; 0 beyond the last unit.
fn gradient(tile: u32, t: u32, first_quad: u32, i: u32, at: At) -> vec4<f32> {
    let unit = 4u * first_quad + i / QUADS;
    let d = one_d_y(LAYER, tile, t, min(unit, LAYER.units - 1u), i % QUADS, at);
    return select(vec4(0.0), d, unit < LAYER.units);
}
