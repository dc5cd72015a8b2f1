// Takes the windows of a tile, or a span of their rows, through workgroup memory: neighbouring invocations read
// neighbouring values of one window, and write neighbouring samples of one row.
//
// Composed in front: window_value(…), the value of one sample in one row (gather.wgsl or augment.wgsl), and SPAN, the rows
// that are taken at a time.
//
// memory    4 · SPAN · (SAMPLES + 1) bytes of workgroup memory; an odd number of words a row, so that neither way of
//           reading it meets one bank twice
// barriers  1, and those of prepare_windows

const SPAN_STRIDE: u32 = SAMPLES + 1u;

var<workgroup> span: array<f32, SPAN * SPAN_STRIDE>;

// Takes rows `first` … `first` + SPAN − 1, as far as there are any. A sample beyond the end of the batch is zeros: its
// gradient is made 0 by loss.wgsl, and 0 times what is finite adds nothing to a sum.
fn take_span(tile: u32, first: u32, at: At) {
    prepare_windows(tile, at);
    for (var i = local_idx; i < SPAN * SAMPLES; i += WORKGROUP) {
        let row = first + i % SPAN;
        let s = i / SPAN;
        var value = 0.0;
        if row < INPUT_ROWS && tile * SAMPLES + s < at.n_windows {
            value = window_value(tile, s, row, at);
        }
        span[i % SPAN * SPAN_STRIDE + s] = value;
    }
    workgroupBarrier();
}

// Four samples of row `row` of the span.
fn span_row(row: u32, sq: u32) -> vec4<f32> {
    let i = row * SPAN_STRIDE + 4u * sq;
    return vec4(span[i], span[i + 1u], span[i + 2u], span[i + 3u]);
}

// Writes the rows of the span up to row `end` of the windows to the arena, for the backward pass.
fn keep_span(tile: u32, first: u32, end: u32, at: At) {
    for (var i = local_idx; i < (min(end, INPUT_ROWS) - first) * QUADS; i += WORKGROUP) {
        arena[row_of(at, tile, first) + i] = span_row(i / QUADS, i % QUADS);
    }
}
