// The inputs of the first layer are windows, taken through workgroup memory.

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> windows: array<f32>;
@group(0) @binding(2) var<storage, read> steps: array<u32>;
@group(0) @binding(3) var<storage, read> members: array<u32>;
@group(0) @binding(4) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> arena: array<vec4<f32>>;

// Rows between two positions of the convolution.
const STEP_ROWS: u32 = LAYER.stride * LAYER.channels;

// Takes the rows of a workgroup's positions.
fn take_inputs(tile: u32, first_position: u32, at: At) {
    take_span(tile, first_position * LAYER.pool * STEP_ROWS, at);
}

// Keeps them, up to those of the next workgroup, for the backward pass.
fn keep_inputs(tile: u32, first_position: u32, at: At) {
    if KEEPS_WINDOWS {
        let next = first_position + POSITIONS;
        let first = first_position * LAYER.pool * STEP_ROWS;
        keep_span(tile, first, select(INPUT_ROWS, next * LAYER.pool * STEP_ROWS, next < LAYER.outputs), at);
    }
}

// Four inputs of position `t` from input `k` on, of which `n` exist.
fn four_inputs(tile: u32, t: u32, first_t: u32, k: u32, n: u32, sq: u32, at: At) -> mat4x4<f32> {
    let row = (t - first_t) * STEP_ROWS + k;
    return mat4x4<f32>(
        span_row(row, sq),
        select(vec4(0.0), span_row(min(row + 1u, SPAN - 1u), sq), n > 1u),
        select(vec4(0.0), span_row(min(row + 2u, SPAN - 1u), sq), n > 2u),
        select(vec4(0.0), span_row(min(row + 3u, SPAN - 1u), sq), n > 3u),
    );
}
