// Loss of each sample of a tile, its gradient, and whether the sample was classified right.
//
//     loss = w · l(scores, label)      d_scores = w / n_windows · ∂l/∂scores      w = weight of the window · of its class
//
// Where windows are mixed, a sample is judged by the label of each of its parts in turn, w times the part's share, and these
// are added up.
//
// A sample with a score that is not finite gets NaN for its loss and its gradient; one beyond the end of the batch gets 0.
//
// LOSS_LANES invocations (a power of two) share the classes of a sample. What they saw is folded as a tree.
//
// reads score rows; writes their gradient's rows with `=`, of a second part with `+=`
// memory    128 · size of Seen: at most 7,168 bytes where a fleet has all four losses
// barriers  1 + log2(LOSS_LANES)
//
// Twin: crates/engine/src/cpu/loss.rs.
//
// Composed in front: the losses of the fleet from loss/, with loss_*(which, …) choosing among them by `which`; and
// part_of(…), which tells the window and the share of a part.

// What is known of a sample's scores.
struct Seen {
    row: LossRow,
    bits: u32,        // magnitude bits of the largest in magnitude
    best: f32,        // the largest score,
    best_class: u32,  // and the first class that has it; CLASSES where nothing was seen
}

var<workgroup> seen: array<Seen, 128>; // (TILE, LOSS_LANES); the first of each sample's ends as the whole

fn fold(which: u32, a: Seen, b: Seen) -> Seen {
    var both = a;
    both.row = loss_combine(which, a.row, b.row);
    both.bits = max(a.bits, b.bits);
    if a.best_class == CLASSES || b.best > a.best || (b.best == a.best && b.best_class < a.best_class) {
        both.best = b.best;
        both.best_class = b.best_class;
    }
    return both;
}

// Looks at all scores of the tile, from row `scores` on, with the labels of `part`.
fn see_scores(scores: u32, part: u32, at: At) {
    let which = members[at.member + MEMBER_LOSS];
    let s = at.local_idx / LOSS_LANES;
    let lane = at.local_idx % LOSS_LANES;
    if s < TILE {
        let label = label_of(at, s, part);
        var all = Seen(loss_identity(), 0u, 0.0, CLASSES);
        for (var class_idx = lane; class_idx < CLASSES; class_idx += LOSS_LANES) {
            let score = read_activations(at.rows + scores + class_idx)[s];
            let term = loss_term(which, score, class_idx == label);
            all = fold(which, all, Seen(term, magnitude_bits(score), score, class_idx));
        }
        seen[at.local_idx] = all;
    }
    for (var half = LOSS_LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if s < TILE && lane < half {
            seen[at.local_idx] = fold(which, seen[at.local_idx], seen[at.local_idx + half]);
        }
    }
    workgroupBarrier();
}

fn is_sample(at: At, s: u32) -> bool {
    return at.window + s < steps[at.step + STEP_N_WINDOWS];
}

// Class of a part of sample `s`; 0 beyond the end of the batch.
fn label_of(at: At, s: u32, part: u32) -> u32 {
    if !is_sample(at, s) {
        return 0u;
    }
    return facts[part_of(at, s, part).window_idx].x;
}

// Weight of a part of sample `s` in the loss; 0 beyond the end of the batch.
fn weight_of(at: At, s: u32, part: u32) -> f32 {
    if !is_sample(at, s) {
        return 0.0;
    }
    let its = part_of(at, s, part);
    let fact = facts[its.window_idx];
    return its.share * bitcast<f32>(fact.y) * member_f32(at, MEMBER_CHANNELS + 2u * CHANNELS + fact.x);
}

// The loss of sample `s`, times `weight`.
fn loss_of(at: At, s: u32, weight: f32) -> f32 {
    let all = seen[s * LOSS_LANES];
    if all.bits >= NOT_FINITE {
        return not_a_number(all.bits);
    }
    return weight * loss_value(members[at.member + MEMBER_LOSS], all.row, CLASSES);
}

// The gradient of the mean loss of the batch, to the rows from `d_scores` on.
fn loss_backward(scores: u32, d_scores: u32, part: u32, at: At) {
    let which = members[at.member + MEMBER_LOSS];
    let n_windows = f32(steps[at.step + STEP_N_WINDOWS]);
    for (var class_idx = at.local_idx; class_idx < CLASSES; class_idx += WORKGROUP) {
        let row = read_activations(at.rows + scores + class_idx);
        var d = vec4(0.0);
        for (var s = 0u; s < TILE; s++) {
            if is_sample(at, s) {
                let all = seen[s * LOSS_LANES];
                let is_true = class_idx == label_of(at, s, part);
                d[s] = weight_of(at, s, part) * loss_gradient(which, all.row, row[s], is_true, CLASSES);
                d[s] = select(d[s] / n_windows, not_a_number(all.bits), all.bits >= NOT_FINITE);
            }
        }
        if part > 0u {
            d += read_activations(at.rows + d_scores + class_idx);
        }
        write_activations(at.rows + d_scores + class_idx, d);
    }
}
