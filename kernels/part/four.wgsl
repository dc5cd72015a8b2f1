// Four samples of a batch: a quad of samples of a tile.
struct Four {
    tile: u32,
    sq: u32,
    window: u32, // number in the batch of the first of them
}

fn four_of(quad_of_batch: u32) -> Four {
    return Four(quad_of_batch / QUADS, quad_of_batch % QUADS, 4u * quad_of_batch);
}
