// Backward pass of a dense layer by its input, as backward_by_lanes.wgsl, for fleets that fill a device by their inputs.
//
// Each invocation computes eight features for four samples: not beside each other, but each SLOTS after the one before, so
// that neighbours read neighbours of workgroup memory. The weights of FEATURES features and CHUNK quads of units are
// staged at a time, while the next ones are on their way to registers.
//
// workgroup  SLOTS · QUADS quads of samples, the last one innermost: 128
// grid       (tiles · FEATURE_BLOCKS, models)
// memory     16 · (CHUNK · (FEATURES + 2) + 4 · CHUNK · QUADS) bytes: 10,368
// barriers   2 for each chunk of units

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> arena: array<vec4<f32>>;

const SLOTS: u32 = 16u;
const FEATURES: u32 = 8u * SLOTS;
const QUAD_FEATURES: u32 = FEATURES + 2u;
const CHUNK: u32 = 4u; // so that CHUNK · FEATURES is 4 · WORKGROUP, and 4 · CHUNK · QUADS is WORKGROUP

var<workgroup> staged_weights: array<vec4<f32>, CHUNK * QUAD_FEATURES>; // (quads, features), two vectors of padding a row
var<workgroup> staged_d: array<vec4<f32>, WORKGROUP>;                      // (units, quads of samples)

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    local_idx = invocation;
    let at = place(index.x, group.y, n_groups.y);
    let tile = group.x / FEATURE_BLOCKS;
    if tile >= n_tiles(at) {
        return;
    }
    let first = group.x % FEATURE_BLOCKS * FEATURES;
    let sq = local_idx % QUADS;
    let slot = local_idx / QUADS;
    var one = mat4x4<f32>();
    var two = mat4x4<f32>();
    var weights = four_staged(first, 0u, at);
    var d = unit_row(tile, 0u, at);
    for (var quad = 0u; quad < LAYER.quads; quad += CHUNK) {
        workgroupBarrier();
        stage_weight(local_idx, weights[0]);
        stage_weight(local_idx + WORKGROUP, weights[1]);
        stage_weight(local_idx + 2u * WORKGROUP, weights[2]);
        stage_weight(local_idx + 3u * WORKGROUP, weights[3]);
        staged_d[local_idx] = d;
        workgroupBarrier();
        if quad + CHUNK < LAYER.quads {
            weights = four_staged(first, quad + CHUNK, at);
            d = unit_row(tile, quad + CHUNK, at);
        }
        for (var q = 0u; q < CHUNK; q++) {
            let u = 4u * q * QUADS + sq;
            let d_y = mat4x4<f32>(staged_d[u], staged_d[u + QUADS], staged_d[u + 2u * QUADS], staged_d[u + 3u * QUADS]);
            let w = q * QUAD_FEATURES + slot;
            one = plus_product(one, d_y, four_slots(w));
            two = plus_product(two, d_y, four_slots(w + 4u * SLOTS));
        }
    }
    let factor = select(1.0, member_f32(at, MEMBER_KEPT), LAYER.dropped);
    let x = row_of(at, tile, LAYER.x + first + slot) + sq;
    let step = SLOTS * QUADS;
    let n = (LAYER.inputs - min(first + slot, LAYER.inputs) + SLOTS - 1u) / SLOTS; // features of this invocation
    let one_d = mat4x4<f32>(
        passed(arena[x], one[0] * factor),
        passed(arena[x + step], one[1] * factor),
        passed(arena[x + 2u * step], one[2] * factor),
        passed(arena[x + 3u * step], one[3] * factor),
    );
    let two_d = mat4x4<f32>(
        passed(arena[x + 4u * step], two[0] * factor),
        passed(arena[x + 5u * step], two[1] * factor),
        passed(arena[x + 6u * step], two[2] * factor),
        passed(arena[x + 7u * step], two[3] * factor),
    );
    let d_x = row_of(at, tile, LAYER.d_x + first + slot) + sq;
    if n > 0u { arena[d_x] = one_d[0]; }
    if n > 1u { arena[d_x + step] = one_d[1]; }
    if n > 2u { arena[d_x + 2u * step] = one_d[2]; }
    if n > 3u { arena[d_x + 3u * step] = one_d[3]; }
    if n > 4u { arena[d_x + 4u * step] = two_d[0]; }
    if n > 5u { arena[d_x + 5u * step] = two_d[1]; }
    if n > 6u { arena[d_x + 6u * step] = two_d[2]; }
    if n > 7u { arena[d_x + 7u * step] = two_d[3]; }
}

// Vectors local_idx, local_idx + WORKGROUP, … of the weights of a chunk: (FEATURES, CHUNK).
fn four_staged(first: u32, quad: u32, at: At) -> mat4x4<f32> {
    let i = local_idx;
    return mat4x4<f32>(
        weight(first, quad, i, at),
        weight(first, quad, i + WORKGROUP, at),
        weight(first, quad, i + 2u * WORKGROUP, at),
        weight(first, quad, i + 3u * WORKGROUP, at),
    );
}

fn weight(first: u32, first_quad: u32, i: u32, at: At) -> vec4<f32> {
    let feature = min(first + i / CHUNK, LAYER.inputs);
    let quad = min(first_quad + i % CHUNK, LAYER.quads - 1u);
    return parameters[weights_of(at) + LAYER.weights + feature * LAYER.quads + quad];
}

// The gradient of one unit of a chunk, for four samples; 0 beyond the last unit, whose weights are then of no account.
fn unit_row(tile: u32, first_quad: u32, at: At) -> vec4<f32> {
    let unit = 4u * first_quad + local_idx / QUADS;
    let d = arena[row_of(at, tile, LAYER.d_y + min(unit, LAYER.units - 1u)) + local_idx % QUADS];
    return select(vec4(0.0), d, unit < LAYER.units);
}

fn stage_weight(i: u32, vector: vec4<f32>) {
    staged_weights[i % CHUNK * QUAD_FEATURES + i / CHUNK] = vector;
}

// The weights of four features of a slot.
fn four_slots(w: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        staged_weights[w],
        staged_weights[w + SLOTS],
        staged_weights[w + 2u * SLOTS],
        staged_weights[w + 3u * SLOTS],
    );
}
