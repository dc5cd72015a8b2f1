
/* A convolution, or a dense layer as one with a single position. Weights are (outputs, size, inputs). */
typedef struct {
    PREFIX_Shape shape;
    const float *weights, *bias;
} PREFIX_Layer;

static void PREFIX_affine(const PREFIX_Layer *layer, const float *input, float *output)
{
    const PREFIX_Shape *shape = &layer->shape;
    for (int32_t t = 0; t < shape->results; t++) {
        const int32_t first = PREFIX_first(shape, t);
        const int32_t left_out = first - (t * shape->stride - shape->before);
        const int32_t n = (PREFIX_end(shape, t) - first) * shape->inputs;
        const float *x = input + first * shape->inputs;
        for (int32_t o = 0; o < shape->outputs; o++) {
            const float *weights = layer->weights + (o * shape->size + left_out) * shape->inputs;
            float sum = layer->bias[o];
            for (int32_t i = 0; i < n; i++) {
                sum += x[i] * weights[i];
            }
            *output++ = sum;
        }
    }
}
