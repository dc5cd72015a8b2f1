// Rows of QUADS vectors in workgroup memory: a vector of padding after every four rows keeps the rows of neighbours in
// different banks.

// Vectors of four rows, with their padding.
const QUAD_ROWS: u32 = 4u * QUADS + 1u;

// The place of vector `i`.
fn padded(i: u32) -> u32 {
    return i + i / (4u * QUADS);
}
