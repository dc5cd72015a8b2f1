// RMSprop, in Keras's form:
//
//     v = ρ·v + (1 − ρ)·g²,  d = lr·g / √(v + ε),  p −= d,  or with momentum  b = momentum·b + d,  p −= b
//
// settings: ρ, 1 − ρ, ε, momentum; moments: v, and b where MOMENTS is 2

fn updated(old: Parameters, gradient: vec4<f32>, rule: Rule) -> Parameters {
    let v = rule.settings.x * old.first + rule.settings.y * gradient * gradient;
    var d = rule.rate * gradient / sqrt(v + vec4(rule.settings.z));
    if MOMENTS == 2u {
        d += rule.settings.w * old.second;
    }
    return Parameters(old.weights - d, v, d);
}
