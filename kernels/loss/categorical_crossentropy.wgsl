// Categorical cross-entropy of a row of scores p taken as logits, as in Keras 3 with `from_logits=True`:
//
//     l = log Σ exp(p) − p_true
//     ∂l/∂p = exp(p)/Σ exp(p) − y,   y = 1 for the true class, 0 for the others
//
// Exponentials are taken relative to the largest score seen so far, and rescaled when a larger one turns up, so that
// none overflows and one pass is enough (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).
//
// Twin: crates/losses/src/twins/categorical_crossentropy.rs. The interface of a loss is described in kernels/README.md.

struct CategoricalCrossentropyRow {
    largest: f32,
    sum: f32, // Σ exp(p − largest); 0 while no class has been seen, at least 1 after
    score_of_true: f32,
}

fn categorical_crossentropy_identity() -> CategoricalCrossentropyRow {
    return CategoricalCrossentropyRow(0.0, 0.0, 0.0);
}

fn categorical_crossentropy_term(score: f32, is_true: bool) -> CategoricalCrossentropyRow {
    return CategoricalCrossentropyRow(score, 1.0, select(0.0, score, is_true));
}

fn categorical_crossentropy_combine(
    a: CategoricalCrossentropyRow,
    b: CategoricalCrossentropyRow,
) -> CategoricalCrossentropyRow {
    // `largest` of an empty row means nothing, and no number is low enough to stand for it safely.
    if a.sum == 0.0 {
        return b;
    }
    if b.sum == 0.0 {
        return a;
    }
    let scale = exp(-abs(a.largest - b.largest));
    let a_leads = a.largest >= b.largest;
    let sum = select(a.sum * scale + b.sum, a.sum + b.sum * scale, a_leads);
    return CategoricalCrossentropyRow(max(a.largest, b.largest), sum, a.score_of_true + b.score_of_true);
}

fn categorical_crossentropy_value(row: CategoricalCrossentropyRow, n_classes: u32) -> f32 {
    return (row.largest - row.score_of_true) + log(row.sum);
}

fn categorical_crossentropy_gradient(
    row: CategoricalCrossentropyRow,
    score: f32,
    is_true: bool,
    n_classes: u32,
) -> f32 {
    return exp(score - row.largest) / row.sum - select(0.0, 1.0, is_true);
}
