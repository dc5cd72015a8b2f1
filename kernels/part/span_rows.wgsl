fn keep_value(i: u32, value: f32) {
    if i < SPAN * SAMPLES {
        let s = i / SPAN;
        span[i % SPAN * SPAN_STRIDE + s % 4u * QUADS + s / 4u] = value;
    }
}

// Four samples of row `row` of the span.
fn span_row(row: u32, sq: u32) -> vec4<f32> {
    let i = row * SPAN_STRIDE + sq;
    return vec4(span[i], span[i + QUADS], span[i + 2u * QUADS], span[i + 3u * QUADS]);
}

// Writes the rows of the span up to row `end` of the windows to the arena, for the backward pass.
fn keep_span(tile: u32, first: u32, end: u32, at: At) {
    for (var i = local_idx; i < (min(end, INPUT_ROWS) - first) * QUADS; i += WORKGROUP) {
        arena[row_of(at, tile, first) + i] = span_row(i / QUADS, i % QUADS);
    }
}
