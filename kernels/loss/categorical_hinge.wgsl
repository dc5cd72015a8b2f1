// Categorical hinge loss of a row of scores p, as in Keras 3:
//
//     l = max(neg − pos + 1, 0),   pos = Σ y·p,   neg = max((1 − y)·p),   y = 1 for the true class, 0 for the others
//
// so that the true class contributes a 0 to the maximum, and neg ≥ 0. Where l > 0
//
//     ∂l/∂p = −1 for the true class, 1/ties for each other class whose score is neg, else 0
//
// with `ties` counting every term of the maximum that equals it, the true class's 0 among them: Keras shares the
// gradient of a maximum evenly. Where l = 0 (at the kink too) the gradient is 0.
//
// Twin: crates/losses/src/twins/categorical_hinge.rs. The interface of a loss is described in kernels/README.md.

struct CategoricalHingeRow {
    pos: f32,
    neg: f32,
    ties: f32,
}

// neg starts at 0 and not at the lowest number: the true class is in every row, so the maximum is never below 0.
fn categorical_hinge_identity() -> CategoricalHingeRow {
    return CategoricalHingeRow(0.0, 0.0, 0.0);
}

fn categorical_hinge_term(score: f32, is_true: bool) -> CategoricalHingeRow {
    return CategoricalHingeRow(select(0.0, score, is_true), select(score, 0.0, is_true), 1.0);
}

fn categorical_hinge_combine(a: CategoricalHingeRow, b: CategoricalHingeRow) -> CategoricalHingeRow {
    let neg = max(a.neg, b.neg);
    let ties = select(0.0, a.ties, a.neg == neg) + select(0.0, b.ties, b.neg == neg);
    return CategoricalHingeRow(a.pos + b.pos, neg, ties);
}

fn categorical_hinge_value(row: CategoricalHingeRow, n_classes: u32) -> f32 {
    return max(row.neg - row.pos + 1.0, 0.0);
}

fn categorical_hinge_gradient(row: CategoricalHingeRow, score: f32, is_true: bool, n_classes: u32) -> f32 {
    let d_other = select(0.0, 1.0 / row.ties, score == row.neg);
    return select(0.0, select(d_other, -1.0, is_true), categorical_hinge_value(row, n_classes) > 0.0);
}
