// Adam, in Keras's form:
//
//     m += (g − m)(1 − β₁),  v += (g² − v)(1 − β₂),  p −= α·m / (√v + ε),  α = lr·√(1−β₂ᵗ)/(1−β₁ᵗ)
//
// settings: 1 − β₁, 1 − β₂, ε. The rate of a step is α, computed on the host in f64: `Optimizer::step_size`.
// moments: m, v

fn update(w: u32, gradient: vec4<f32>, at: At, rule: Rule) {
    let first = at.weights * MOMENTS + w;
    let old_m = read_moments(first);
    let m = old_m + (gradient - old_m) * rule.settings.x;
    let old_v = read_moments(first + WEIGHTS);
    let v = old_v + (gradient * gradient - old_v) * rule.settings.y;
    write_moments(first, m);
    write_moments(first + WEIGHTS, v);
    var p = read_weights(at.weights + w);
    if DECAYS {
        p -= rule.decay * p;
    }
    p -= rule.rate * m / (sqrt(v) + vec4(rule.settings.z));
    write_weights(at.weights + w, p);
}
