// Plain gradient descent: `p −= lr·g`.
//
// settings: none; moments: none

fn updated(old: Parameters, gradient: vec4<f32>, rule: Rule) -> Parameters {
    return Parameters(old.weights - rule.rate * gradient, old.first, old.second);
}
