// Takes the windows of a tile, or a span of their rows, through workgroup memory: neighbouring invocations read
// neighbouring values of one window, and write neighbouring samples of one row.
//
// Composed in front: window_value(…), the value of one sample in one row (gather.wgsl or augment.wgsl), and SPAN, the rows
// that are taken at a time.
//
// memory    4 · SPAN · (SAMPLES + 1) bytes of workgroup memory. An odd number of words a row, so that writers of neighbouring
//           rows meet in no bank; and the first samples of all quads beside each other, then the second, …, so that readers
//           of neighbouring quads do not either
// barriers  1, and those of prepare_windows

const SPAN_STRIDE: u32 = SAMPLES + 1u;

var<workgroup> span: array<f32, SPAN * SPAN_STRIDE>;

// Takes rows `first` … `first` + SPAN − 1, as far as there are any. A sample beyond the end of the batch is zeros: its
// gradient is made 0 by loss.wgsl, and 0 times what is finite adds nothing to a sum.
fn take_span(tile: u32, first: u32, at: At) {
    prepare_windows(tile, at);
    // Four values at a time are on their way, where they are no more than read.
    const AT_ONCE: u32 = select(4u, 1u, VARIED);
    for (var i = local_idx; i < SPAN * SAMPLES; i += AT_ONCE * WORKGROUP) {
        let one = span_value(tile, first, i, at);
        if AT_ONCE > 1u {
            let two = span_value(tile, first, i + WORKGROUP, at);
            let three = span_value(tile, first, i + 2u * WORKGROUP, at);
            let four = span_value(tile, first, i + 3u * WORKGROUP, at);
            keep_value(i + WORKGROUP, two);
            keep_value(i + 2u * WORKGROUP, three);
            keep_value(i + 3u * WORKGROUP, four);
        }
        keep_value(i, one);
    }
    workgroupBarrier();
}

// Value `i` of a span from row `first` on: neighbours are rows of one window.
fn span_value(tile: u32, first: u32, i: u32, at: At) -> f32 {
    let row = first + i % SPAN;
    let s = i / SPAN;
    if s < SAMPLES && row < INPUT_ROWS && tile * SAMPLES + s < at.n_windows {
        return window_value(tile, s, row, at);
    }
    return 0.0;
}

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
