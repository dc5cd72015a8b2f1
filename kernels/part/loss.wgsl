// Loss of each of four samples, its gradient, and whether the sample was classified right.
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
// memory    128 · size of Seen: at most 7,168 bytes where a fleet has all four losses
// barriers  1 + log2(LOSS_LANES) for see_scores
//
// Twin: crates/engine/src/cpu/loss.rs.
//
// Composed in front: the losses of the fleet from loss/, with loss_*(which, …) choosing among them by `which`; part_of(…),
// which tells the window and the share of a part; and where scores and their gradients are kept: four_scores(…),
// four_d_scores(…) and keep_d_scores(…).

// What is known of a sample's scores.
struct Seen {
    row: LossRow,
    bits: u32,        // magnitude bits of the largest in magnitude
    best: f32,        // the largest score,
    best_class: u32,  // and the first class that has it; CLASSES where nothing was seen
}

var<workgroup> seen: array<Seen, 4u * LOSS_LANES>; // the first of each sample's ends as the whole

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

// Looks at all scores of the four samples, with the labels of `part`.
fn see_scores(four: Four, part: u32, at: At) {
    let which = members[at.member + MEMBER_LOSS];
    let s = local_idx / LOSS_LANES;
    let lane = local_idx % LOSS_LANES;
    if s < 4u {
        let label = label_of(four, s, part, at);
        var all = Seen(loss_identity(), 0u, 0.0, CLASSES);
        for (var class_idx = lane; class_idx < CLASSES; class_idx += LOSS_LANES) {
            let score = four_scores(four, class_idx, at)[s];
            let term = loss_term(which, score, class_idx == label);
            all = fold(which, all, Seen(term, magnitude_bits(score), score, class_idx));
        }
        seen[local_idx] = all;
    }
    for (var half = LOSS_LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if s < 4u && lane < half {
            seen[local_idx] = fold(which, seen[local_idx], seen[local_idx + half]);
        }
    }
    workgroupBarrier();
}

fn is_sample(four: Four, s: u32, at: At) -> bool {
    return four.window + s < at.n_windows;
}

// Class of a part of sample `s`; 0 beyond the end of the batch.
fn label_of(four: Four, s: u32, part: u32, at: At) -> u32 {
    if !is_sample(four, s, at) {
        return 0u;
    }
    return facts[part_of(four.window + s, part, at).window_idx].x;
}

// Weight of a part of sample `s` in the loss; 0 beyond the end of the batch.
fn weight_of(four: Four, s: u32, part: u32, at: At) -> f32 {
    if !is_sample(four, s, at) {
        return 0.0;
    }
    let its = part_of(four.window + s, part, at);
    let fact = facts[its.window_idx];
    return its.share * bitcast<f32>(fact.y) * member_f32(at, MEMBER_CHANNELS + 2u * CHANNELS + fact.x);
}

// The loss of sample `s`, times `weight`.
fn loss_of(s: u32, weight: f32, at: At) -> f32 {
    let all = seen[s * LOSS_LANES];
    if all.bits >= NOT_FINITE {
        return not_a_number(all.bits);
    }
    return weight * loss_value(members[at.member + MEMBER_LOSS], all.row, CLASSES);
}

// The class that sample `s` was taken for.
fn predicted_class(s: u32) -> u32 {
    return seen[s * LOSS_LANES].best_class;
}

// Loss and hits of the four samples, added up; the gradient of the mean loss of the batch is kept.
fn judge(four: Four, at: At) -> vec2<f32> {
    let which = members[at.member + MEMBER_LOSS];
    var result = vec2(0.0);
    for (var part = 0u; part < PARTS; part++) {
        if part > 0u {
            workgroupBarrier();
        }
        see_scores(four, part, at);
        if local_idx == 0u {
            for (var s = 0u; s < 4u; s++) {
                if is_sample(four, s, at) {
                    let is_hit = part == 0u && predicted_class(s) == label_of(four, s, part, at);
                    result += vec2(loss_of(s, weight_of(four, s, part, at), at), select(0.0, 1.0, is_hit));
                }
            }
        }
        for (var class_idx = local_idx; class_idx < CLASSES; class_idx += WORKGROUP) {
            let row = four_scores(four, class_idx, at);
            var d = vec4(
                d_score(four, 0u, row.x, class_idx, part, which, at),
                d_score(four, 1u, row.y, class_idx, part, which, at),
                d_score(four, 2u, row.z, class_idx, part, which, at),
                d_score(four, 3u, row.w, class_idx, part, which, at),
            );
            if part > 0u {
                d += four_d_scores(four, class_idx, at);
            }
            keep_d_scores(four, class_idx, d, at);
        }
    }
    return result;
}

// The gradient of the mean loss of the batch by one score.
fn d_score(four: Four, s: u32, score: f32, class_idx: u32, part: u32, which: u32, at: At) -> f32 {
    if !is_sample(four, s, at) {
        return 0.0;
    }
    let all = seen[s * LOSS_LANES];
    if all.bits >= NOT_FINITE {
        return not_a_number(all.bits);
    }
    let is_true = class_idx == label_of(four, s, part, at);
    return weight_of(four, s, part, at) * loss_gradient(which, all.row, score, is_true, CLASSES) / f32(at.n_windows);
}
