// Squared hinge loss of a row of scores p, as in Keras 3:
//
//     l = 1/C Σ max(1 − y·p, 0)²,   y = 1 for the true class and −1 for the others
//     ∂l/∂p = −2·y·max(1 − y·p, 0)/C
//
// Twin: crates/losses/src/twins/squared_hinge.rs. The interface of a loss is described in kernels/README.md.

struct SquaredHingeRow {
    sum: f32, // Σ max(1 − y·p, 0)²
}

fn squared_hinge_margin(score: f32, is_true: bool) -> f32 {
    return max(1.0 - select(-score, score, is_true), 0.0);
}

fn squared_hinge_identity() -> SquaredHingeRow {
    return SquaredHingeRow(0.0);
}

fn squared_hinge_term(score: f32, is_true: bool) -> SquaredHingeRow {
    let margin = squared_hinge_margin(score, is_true);
    return SquaredHingeRow(margin * margin);
}

fn squared_hinge_combine(a: SquaredHingeRow, b: SquaredHingeRow) -> SquaredHingeRow {
    return SquaredHingeRow(a.sum + b.sum);
}

fn squared_hinge_value(row: SquaredHingeRow, n_classes: u32) -> f32 {
    return row.sum / f32(n_classes);
}

fn squared_hinge_gradient(row: SquaredHingeRow, score: f32, is_true: bool, n_classes: u32) -> f32 {
    return select(2.0, -2.0, is_true) * squared_hinge_margin(score, is_true) / f32(n_classes);
}
