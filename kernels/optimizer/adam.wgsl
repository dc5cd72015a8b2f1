// Adam, in Keras's form:
//
//     m += (g − m)(1 − β₁),  v += (g² − v)(1 − β₂),  p −= α·m / (√v + ε),  α = lr·√(1−β₂ᵗ)/(1−β₁ᵗ)
//
// settings: 1 − β₁, 1 − β₂, ε. The rate of a step is α, computed on the host in f64: `Optimizer::step_size`.
// moments: m, v

fn updated(old: Parameters, gradient: vec4<f32>, rule: Rule) -> Parameters {
    let m = old.first + (gradient - old.first) * rule.settings.x;
    let v = old.second + (gradient * gradient - old.second) * rule.settings.y;
    var p = old.weights;
    if DECAYS {
        p -= rule.decay * p;
    }
    p -= rule.rate * m / (sqrt(v) + vec4(rule.settings.z));
    return Parameters(p, m, v);
}
