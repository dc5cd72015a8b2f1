// RMSprop, in Keras's form:
//
//     v = ρ·v + (1 − ρ)·g²,  d = lr·g / √(v + ε),  p −= d,  or with momentum  b = momentum·b + d,  p −= b
//
// settings: ρ, 1 − ρ, ε, momentum; moments: v, and b where MOMENTS is 2

fn update(w: u32, gradient: vec4<f32>, at: At) {
    let first = at.weights * MOMENTS + w;
    let v = member_f32(at, MEMBER_SETTINGS) * read_moments(first)
        + member_f32(at, MEMBER_SETTINGS + 1u) * gradient * gradient;
    write_moments(first, v);
    var d = step_f32(at, STEP_RATE) * gradient / sqrt(v + vec4(member_f32(at, MEMBER_SETTINGS + 2u)));
    if MOMENTS == 2u {
        d += member_f32(at, MEMBER_SETTINGS + 3u) * read_moments(first + WEIGHTS);
        write_moments(first + WEIGHTS, d);
    }
    let p = at.weights + w;
    write_weights(p, read_weights(p) - d);
}
