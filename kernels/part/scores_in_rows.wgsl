// Scores and their gradients are rows of the arena.

fn four_scores(four: Four, class_idx: u32, at: At) -> vec4<f32> {
    return arena[row_of(at, four.tile, LAYER.y + class_idx) + four.sq];
}

fn four_d_scores(four: Four, class_idx: u32, at: At) -> vec4<f32> {
    return arena[row_of(at, four.tile, LAYER.d_y + class_idx) + four.sq];
}

fn keep_d_scores(four: Four, class_idx: u32, d: vec4<f32>, at: At) {
    arena[row_of(at, four.tile, LAYER.d_y + class_idx) + four.sq] = d;
}
