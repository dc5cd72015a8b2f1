// Hinge loss of a row of scores p, as in Keras 3:
//
//     l = 1/C Σ max(1 − y·p, 0),   y = 1 for the true class and −1 for the others
//     ∂l/∂p = −y/C where 1 − y·p > 0, else 0 (at the kink too)
//
// Twin: crates/losses/src/twins/hinge.rs. The interface of a loss is described in kernels/README.md.

struct HingeRow {
    sum: f32, // Σ max(1 − y·p, 0)
}

fn hinge_margin(score: f32, is_true: bool) -> f32 {
    return 1.0 - select(-score, score, is_true);
}

fn hinge_identity() -> HingeRow {
    return HingeRow(0.0);
}

fn hinge_term(score: f32, is_true: bool) -> HingeRow {
    return HingeRow(max(hinge_margin(score, is_true), 0.0));
}

fn hinge_combine(a: HingeRow, b: HingeRow) -> HingeRow {
    return HingeRow(a.sum + b.sum);
}

fn hinge_value(row: HingeRow, n_classes: u32) -> f32 {
    return row.sum / f32(n_classes);
}

fn hinge_gradient(row: HingeRow, score: f32, is_true: bool, n_classes: u32) -> f32 {
    let d = select(1.0, -1.0, is_true) / f32(n_classes);
    return select(0.0, d, hinge_margin(score, is_true) > 0.0);
}
