// Scores and their gradients of four samples are in workgroup memory. Those of classes beyond the last are 0.
//
// memory  128 bytes for each quad of classes

var<workgroup> scores_here: array<vec4<f32>, 4u * LAYER.quads>;
var<workgroup> d_scores_here: array<vec4<f32>, 4u * LAYER.quads>;

fn four_scores(four: Four, class_idx: u32, at: At) -> vec4<f32> {
    return scores_here[class_idx];
}

fn four_d_scores(four: Four, class_idx: u32, at: At) -> vec4<f32> {
    return d_scores_here[class_idx];
}

fn keep_d_scores(four: Four, class_idx: u32, d: vec4<f32>, at: At) {
    d_scores_here[class_idx] = d;
}
