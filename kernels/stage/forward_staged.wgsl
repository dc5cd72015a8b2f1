// Forward pass of a dense layer or a convolution, as forward_by_lanes.wgsl, for fleets that fill a device by their outputs.
//
// Each invocation computes two times four units of one position for four samples. The workgroup stages the rows and the
// weights of CHUNK inputs at a time in its memory; while it computes with one chunk, the next is on its way to registers.
//
// workgroup  SLOTS pairs of quads of units · POSITIONS · QUADS quads of samples, the last one innermost
// grid       (tiles · POSITION_BLOCKS · UNIT_BLOCKS, models)
// memory     16 · CHUNK · (2 · SLOTS + COLUMNS) bytes: at most 12 KiB by the plan
// barriers   2 for each chunk of inputs, for each position of the pool

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> arena: array<vec4<f32>>;

const COLUMNS: u32 = POSITIONS * QUADS;
const CHUNK: u32 = 16u;
const CHUNK_QUADS: u32 = 2u * SLOTS;
const CHUNK_WEIGHTS: u32 = CHUNK * CHUNK_QUADS; // at most 4 · WORKGROUP
const CHUNK_ROWS: u32 = CHUNK * COLUMNS;        // at most 8 · WORKGROUP

var<workgroup> staged_weights: array<vec4<f32>, CHUNK_WEIGHTS>;
var<workgroup> staged_rows: array<vec4<f32>, CHUNK_ROWS>;

// What an invocation holds of the next chunk: every WORKGROUPth vector of it.
struct Ahead {
    weights: mat4x4<f32>,
    rows: mat4x4<f32>,
    more_rows: mat4x4<f32>,
}

// Where a workgroup works.
struct Block {
    tile: u32,
    position: u32, // first output position
    quad: u32,     // first quad of units
    j: u32,        // position of the pool
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    let tile = group.x / (UNIT_BLOCKS * POSITION_BLOCKS);
    if tile >= n_tiles(at) {
        return;
    }
    let first_position = group.x / UNIT_BLOCKS % POSITION_BLOCKS * POSITIONS;
    let first_quad = group.x % UNIT_BLOCKS * CHUNK_QUADS;
    let column = local_idx % COLUMNS;
    let slot = local_idx / COLUMNS;
    let position = first_position + column / QUADS;
    let sq = column % QUADS;
    let one = first_quad + slot;
    let two = one + SLOTS;
    let w = weights_of(at) + LAYER.weights + LAYER.inputs * LAYER.quads;
    let one_bias = parameters[w + min(one, LAYER.quads - 1u)];
    let two_bias = parameters[w + min(two, LAYER.quads - 1u)];
    var one_found = Pooled();
    var two_found = Pooled();
    for (var j = 0u; j < LAYER.pool; j++) {
        let block = Block(tile, first_position, first_quad, j);
        var one_sum = mat4x4<f32>(vec4(one_bias.x), vec4(one_bias.y), vec4(one_bias.z), vec4(one_bias.w));
        var two_sum = mat4x4<f32>(vec4(two_bias.x), vec4(two_bias.y), vec4(two_bias.z), vec4(two_bias.w));
        var ahead = fetch(block, 0u, at);
        for (var first_k = 0u; first_k < LAYER.inputs; first_k += CHUNK) {
            workgroupBarrier();
            stage(ahead, local_idx);
            workgroupBarrier();
            if first_k + CHUNK < LAYER.inputs {
                ahead = fetch(block, first_k + CHUNK, at);
            }
            for (var k = 0u; k < CHUNK; k += 4u) {
                let x = k * COLUMNS + column;
                let rows = mat4x4<f32>(
                    staged_rows[x],
                    staged_rows[x + COLUMNS],
                    staged_rows[x + 2u * COLUMNS],
                    staged_rows[x + 3u * COLUMNS],
                );
                let v = k * CHUNK_QUADS + slot;
                one_sum = plus_product(one_sum, rows, transpose(staged_quad(v)));
                two_sum = plus_product(two_sum, rows, transpose(staged_quad(v + SLOTS)));
            }
        }
        one_found = pooled(one_found, one_sum, j);
        two_found = pooled(two_found, two_sum, j);
    }
    let one_values = outputs_of(LAYER, tile, position, one, sq, one_found.values, at);
    let two_values = outputs_of(LAYER, tile, position, two, sq, two_found.values, at);
    if position < LAYER.outputs && one < LAYER.quads {
        write_outputs(LAYER, tile, position, one, sq, one_values, one_found.winners, at);
    }
    if position < LAYER.outputs && two < LAYER.quads {
        write_outputs(LAYER, tile, position, two, sq, two_values, two_found.winners, at);
    }
}

// The staged weights of four inputs.
fn staged_quad(v: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        staged_weights[v],
        staged_weights[v + CHUNK_QUADS],
        staged_weights[v + 2u * CHUNK_QUADS],
        staged_weights[v + 3u * CHUNK_QUADS],
    );
}

// Reads a chunk from input `k` on.
fn fetch(block: Block, k: u32, at: At) -> Ahead {
    var ahead = Ahead();
    let i = local_idx;
    ahead.weights[0] = weight(block, k, i, at);
    if CHUNK_WEIGHTS > WORKGROUP { ahead.weights[1] = weight(block, k, i + WORKGROUP, at); }
    if CHUNK_WEIGHTS > 2u * WORKGROUP { ahead.weights[2] = weight(block, k, i + 2u * WORKGROUP, at); }
    if CHUNK_WEIGHTS > 3u * WORKGROUP { ahead.weights[3] = weight(block, k, i + 3u * WORKGROUP, at); }
    ahead.rows[0] = row(block, k, i, at);
    if CHUNK_ROWS > WORKGROUP { ahead.rows[1] = row(block, k, i + WORKGROUP, at); }
    if CHUNK_ROWS > 2u * WORKGROUP { ahead.rows[2] = row(block, k, i + 2u * WORKGROUP, at); }
    if CHUNK_ROWS > 3u * WORKGROUP { ahead.rows[3] = row(block, k, i + 3u * WORKGROUP, at); }
    if CHUNK_ROWS > 4u * WORKGROUP { ahead.more_rows[0] = row(block, k, i + 4u * WORKGROUP, at); }
    if CHUNK_ROWS > 5u * WORKGROUP { ahead.more_rows[1] = row(block, k, i + 5u * WORKGROUP, at); }
    if CHUNK_ROWS > 6u * WORKGROUP { ahead.more_rows[2] = row(block, k, i + 6u * WORKGROUP, at); }
    if CHUNK_ROWS > 7u * WORKGROUP { ahead.more_rows[3] = row(block, k, i + 7u * WORKGROUP, at); }
    return ahead;
}

// Writes it to workgroup memory.
fn stage(ahead: Ahead, i: u32) {
    stage_weight(i, ahead.weights[0]);
    if CHUNK_WEIGHTS > WORKGROUP { stage_weight(i + WORKGROUP, ahead.weights[1]); }
    if CHUNK_WEIGHTS > 2u * WORKGROUP { stage_weight(i + 2u * WORKGROUP, ahead.weights[2]); }
    if CHUNK_WEIGHTS > 3u * WORKGROUP { stage_weight(i + 3u * WORKGROUP, ahead.weights[3]); }
    stage_row(i, ahead.rows[0]);
    if CHUNK_ROWS > WORKGROUP { stage_row(i + WORKGROUP, ahead.rows[1]); }
    if CHUNK_ROWS > 2u * WORKGROUP { stage_row(i + 2u * WORKGROUP, ahead.rows[2]); }
    if CHUNK_ROWS > 3u * WORKGROUP { stage_row(i + 3u * WORKGROUP, ahead.rows[3]); }
    if CHUNK_ROWS > 4u * WORKGROUP { stage_row(i + 4u * WORKGROUP, ahead.more_rows[0]); }
    if CHUNK_ROWS > 5u * WORKGROUP { stage_row(i + 5u * WORKGROUP, ahead.more_rows[1]); }
    if CHUNK_ROWS > 6u * WORKGROUP { stage_row(i + 6u * WORKGROUP, ahead.more_rows[2]); }
    if CHUNK_ROWS > 7u * WORKGROUP { stage_row(i + 7u * WORKGROUP, ahead.more_rows[3]); }
}

// Vector `i` of the weights of a chunk: (CHUNK, CHUNK_QUADS); 0 beyond the last input and the last unit.
fn weight(block: Block, first_k: u32, i: u32, at: At) -> vec4<f32> {
    let k = first_k + i / CHUNK_QUADS;
    let quad = block.quad + i % CHUNK_QUADS;
    let w = min(k, LAYER.inputs) * LAYER.quads + min(quad, LAYER.quads - 1u);
    return select(vec4(0.0), parameters[weights_of(at) + LAYER.weights + w], k < LAYER.inputs && quad < LAYER.quads);
}

// Vector `i` of the rows of a chunk: (CHUNK, COLUMNS); 0 beyond the last input and the last position.
fn row(block: Block, first_k: u32, i: u32, at: At) -> vec4<f32> {
    let k = first_k + i / COLUMNS;
    let position = block.position + i % COLUMNS / QUADS;
    let t = min(position, LAYER.outputs - 1u) * LAYER.pool + block.j;
    let x = LAYER.x + t * LAYER.stride * LAYER.channels + min(k, LAYER.inputs - 1u);
    return select(vec4(0.0), arena[row_of(at, block.tile, x) + i % QUADS], k < LAYER.inputs);
}

fn stage_weight(i: u32, vector: vec4<f32>) {
    if CHUNK_WEIGHTS % WORKGROUP == 0u || i < CHUNK_WEIGHTS {
        staged_weights[i] = vector;
    }
}

fn stage_row(i: u32, vector: vec4<f32>) {
    if CHUNK_ROWS % WORKGROUP == 0u || i < CHUNK_ROWS {
        staged_rows[i] = vector;
    }
}
