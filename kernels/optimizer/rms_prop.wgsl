// RMSprop, in Keras's form:
//
//     v = ρ·v + (1 − ρ)·g²,  d = lr·g / √(v + ε),  p −= d,  or with momentum  b = momentum·b + d,  p −= b
//
// settings: ρ, 1 − ρ, ε, momentum; moments: v, and b where MOMENTS is 2

fn update(w: u32, gradient: vec4<f32>, at: At, rule: Rule) {
    let first = at.weights * MOMENTS + w;
    let v = rule.settings.x * read_moments(first)
        + rule.settings.y * gradient * gradient;
    write_moments(first, v);
    var d = rule.rate * gradient / sqrt(v + vec4(rule.settings.z));
    if MOMENTS == 2u {
        d += rule.settings.w * read_moments(first + WEIGHTS);
        write_moments(first + WEIGHTS, d);
    }
    let p = at.weights + w;
    write_weights(p, read_weights(p) - d);
}
