// Plain gradient descent: `p −= lr·g`.
//
// settings: none; moments: none

fn update(w: u32, gradient: vec4<f32>, at: At) {
    weights[at.weights + w] -= step_f32(at, STEP_RATE) * gradient;
}
