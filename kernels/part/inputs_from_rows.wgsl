// The inputs of a layer are rows of the arena.

@group(0) @binding(0) var<uniform> index: vec4<u32>; // which of `steps`
@group(0) @binding(1) var<storage, read> steps: array<u32>;
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> arena: array<vec4<f32>>;

fn take_inputs(tile: u32, first_position: u32, at: At) {
}

fn keep_inputs(tile: u32, first_position: u32, at: At) {
}

// Four inputs of position `t` from input `k` on, of which `n` exist.
fn four_inputs(tile: u32, t: u32, first_t: u32, k: u32, n: u32, sq: u32, at: At) -> mat4x4<f32> {
    return four_rows(row_of(at, tile, LAYER.x + t * LAYER.stride * LAYER.channels + k) + sq, n);
}
