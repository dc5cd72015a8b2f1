// Reading and writing of parameters: everything that is needed is read before anything is written, as a compiler may not
// move a read across a write to what could be the same memory.

@group(0) @binding(5) var<storage, read_write> parameters: array<vec4<f32>>;

// Four rows of the matrix of a layer.
struct FourParameters {
    a: Parameters,
    b: Parameters,
    c: Parameters,
    d: Parameters,
}

fn read_parameters(w: u32, at: At) -> Parameters {
    let p = weights_of(at) + w;
    var old = Parameters();
    old.weights = parameters[p];
    if MOMENTS > 0u { old.first = parameters[p + WEIGHTS]; }
    if MOMENTS > 1u { old.second = parameters[p + 2u * WEIGHTS]; }
    return old;
}

fn write_parameters(w: u32, next: Parameters, at: At) {
    let p = weights_of(at) + w;
    parameters[p] = next.weights;
    if MOMENTS > 0u { parameters[p + WEIGHTS] = next.first; }
    if MOMENTS > 1u { parameters[p + 2u * WEIGHTS] = next.second; }
}

// The magnitude bits of the largest number of `next`.
fn bits_of(next: Parameters) -> u32 {
    return max(largest_bits(next.weights), max(largest_bits(next.first), largest_bits(next.second)));
}

// The parameters of the first `n` of four rows, `stride` vectors apart.
fn four_parameters(w: u32, stride: u32, n: u32, at: At) -> FourParameters {
    let last = max(n, 1u) - 1u;
    return FourParameters(
        read_parameters(w, at),
        read_parameters(w + min(1u, last) * stride, at),
        read_parameters(w + min(2u, last) * stride, at),
        read_parameters(w + min(3u, last) * stride, at),
    );
}
