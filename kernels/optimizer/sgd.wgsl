// Plain gradient descent: `p −= lr·g`.
//
// settings: none; moments: none

fn update(w: u32, gradient: vec4<f32>, at: At, rule: Rule) {
    let p = at.weights + w;
    write_weights(p, read_weights(p) - rule.rate * gradient);
}
