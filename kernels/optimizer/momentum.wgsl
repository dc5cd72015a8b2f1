// Gradient descent with momentum, in Keras's form:
//
//     v = momentum·v − lr·g,  p += v,  or with Nesterov  p += momentum·v − lr·g
//
// settings: momentum; moments: v

fn updated(old: Parameters, gradient: vec4<f32>, rule: Rule) -> Parameters {
    let momentum = rule.settings.x;
    let move_by = rule.rate * gradient;
    let v = momentum * old.first - move_by;
    return Parameters(old.weights + select(v, momentum * v - move_by, NESTEROV), v, old.second);
}
