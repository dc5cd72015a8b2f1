// The weights of four rows of the matrix from the vector at `first` on, as columns; 0 beyond the first `n`.
fn four_weights(first: u32, quads: u32, n: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        parameters[first],
        select(vec4(0.0), parameters[first + quads], n > 1u),
        select(vec4(0.0), parameters[first + 2u * quads], n > 2u),
        select(vec4(0.0), parameters[first + 3u * quads], n > 3u),
    );
}
