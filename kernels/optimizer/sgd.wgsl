// Plain gradient descent: `p −= lr·g`.
//
// settings: none; moments: none

fn update(w: u32, gradient: vec4<f32>, at: At) {
    let p = at.weights + w;
    write_weights(p, read_weights(p) - step_f32(at, STEP_RATE) * gradient);
}
