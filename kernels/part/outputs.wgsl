// What becomes of the sums of a layer: its pool, its ReLU, its dropout, and the rows they are written to.

// Four units of an output position, a column of four samples each: the largest seen so far, and at which position.
struct Pooled {
    values: mat4x4<f32>,
    winners: mat4x4<f32>,
}

// The first of equals wins, and NaN, so that it is noticed.
fn wins(row: vec4<f32>, best: vec4<f32>) -> vec4<bool> {
    return is_nan(row) | ((row > best) & !is_nan(best));
}

// `so_far` and the sums of position `j` of the pool.
fn pooled(so_far: Pooled, sum: mat4x4<f32>, j: u32) -> Pooled {
    if j == 0u {
        return Pooled(sum, mat4x4<f32>());
    }
    let own = vec4(f32(j));
    let a = wins(sum[0], so_far.values[0]);
    let b = wins(sum[1], so_far.values[1]);
    let c = wins(sum[2], so_far.values[2]);
    let d = wins(sum[3], so_far.values[3]);
    return Pooled(
        mat4x4<f32>(
            select(so_far.values[0], sum[0], a),
            select(so_far.values[1], sum[1], b),
            select(so_far.values[2], sum[2], c),
            select(so_far.values[3], sum[3], d),
        ),
        mat4x4<f32>(
            select(so_far.winners[0], own, a),
            select(so_far.winners[1], own, b),
            select(so_far.winners[2], own, c),
            select(so_far.winners[3], own, d),
        ),
    );
}

// max(row, 0), except that NaN stays NaN, so that it is noticed. By bits, as a driver may take `max` for either.
fn rectified(row: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(row);
    return select(row, vec4(0.0), (bits >= vec4(0x80000000u)) & (bits <= vec4(0xff800000u)));
}

// Four units of position `position`, those from 4 · `quad` on, after ReLU and dropout, for sample quad `sq`.
fn outputs_of(layer: Layer, tile: u32, position: u32, quad: u32, sq: u32, sums: mat4x4<f32>, at: At) -> mat4x4<f32> {
    var values = sums;
    if layer.relu {
        values = mat4x4<f32>(rectified(values[0]), rectified(values[1]), rectified(values[2]), rectified(values[3]));
    }
    if layer.drops {
        let first = position * layer.units + 4u * quad;
        values = drop(values, first, layer.outputs * layer.units, 4u * (tile * QUADS + sq), at);
    }
    return values;
}

// Writes them, and which positions of the pool they were.
fn write_outputs(
    layer: Layer,
    tile: u32,
    position: u32,
    quad: u32,
    sq: u32,
    values: mat4x4<f32>,
    winners: mat4x4<f32>,
    at: At,
) {
    let y = row_of(at, tile, layer.y + position * layer.units + 4u * quad) + sq;
    write_rows(y, select(layer.units - 4u * quad, 4u, layer.units % 4u == 0u), values);
    if KEEPS_WINNERS && layer.pool > 1u {
        if layer.pool <= PACKED_POOL {
            let packed = winners[0] + 64.0 * winners[1] + 4096.0 * winners[2] + 262144.0 * winners[3];
            arena[row_of(at, tile, layer.winners + position * layer.quads + quad) + sq] = packed;
        } else {
            let first = row_of(at, tile, layer.winners + position * layer.units + 4u * quad) + sq;
            write_rows(first, layer.units - 4u * quad, winners);
        }
    }
}

fn write_rows(first: u32, n: u32, rows: mat4x4<f32>) {
    arena[first] = rows[0];
    if n > 1u { arena[first + QUADS] = rows[1]; }
    if n > 2u { arena[first + 2u * QUADS] = rows[2]; }
    if n > 3u { arena[first + 3u * QUADS] = rows[3]; }
}
