// Categorical cross-entropy of a row of scores p by smoothed labels, as in Keras 3 with `label_smoothing` (Szegedy et al.,
// "Rethinking the Inception architecture for computer vision", 2016):
//
//     l = log Σ exp(p) − Σ t·p,   t = (1 − ε)·y + ε/C,   y = 1 for the true class, 0 for the others
//       = (log Σ exp(p) − p_true) + ε·(p_true − 1/C Σ p)
//     ∂l/∂p = exp(p)/Σ exp(p) − t
//
// Value and gradient take one argument more than those of other losses: ε, a constant of the kernel.
//
// Twin: crates/losses/src/twins/smoothed_crossentropy.rs. The interface of a loss is described in kernels/README.md.

struct SmoothedCrossentropyRow {
    plain: CategoricalCrossentropyRow,
    sum_of_scores: f32, // Σ p
}

fn smoothed_crossentropy_identity() -> SmoothedCrossentropyRow {
    return SmoothedCrossentropyRow(categorical_crossentropy_identity(), 0.0);
}

fn smoothed_crossentropy_term(score: f32, is_true: bool) -> SmoothedCrossentropyRow {
    return SmoothedCrossentropyRow(categorical_crossentropy_term(score, is_true), score);
}

fn smoothed_crossentropy_combine(a: SmoothedCrossentropyRow, b: SmoothedCrossentropyRow) -> SmoothedCrossentropyRow {
    return SmoothedCrossentropyRow(
        categorical_crossentropy_combine(a.plain, b.plain),
        a.sum_of_scores + b.sum_of_scores,
    );
}

fn smoothed_crossentropy_value(row: SmoothedCrossentropyRow, n_classes: u32, smoothing: f32) -> f32 {
    let plain = categorical_crossentropy_value(row.plain, n_classes);
    return plain + smoothing * (row.plain.score_of_true - row.sum_of_scores / f32(n_classes));
}

fn smoothed_crossentropy_gradient(
    row: SmoothedCrossentropyRow,
    score: f32,
    is_true: bool,
    n_classes: u32,
    smoothing: f32,
) -> f32 {
    let plain = categorical_crossentropy_gradient(row.plain, score, is_true, n_classes);
    return plain + smoothing * (select(0.0, 1.0, is_true) - 1.0 / f32(n_classes));
}
