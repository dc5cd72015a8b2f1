// Gradient descent with momentum, in Keras's form:
//
//     v = momentum·v − lr·g,  p += v,  or with Nesterov  p += momentum·v − lr·g
//
// settings: momentum; moments: v

fn update(w: u32, gradient: vec4<f32>, at: At, rule: Rule) {
    let momentum = rule.settings.x;
    let move_by = rule.rate * gradient;
    let p = at.weights + w;
    let v = momentum * read_moments(p) - move_by;
    write_moments(p, v);
    write_weights(p, read_weights(p) + select(v, momentum * v - move_by, NESTEROV));
}
