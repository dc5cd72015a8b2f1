
/* A convolution, or a dense layer as one with a single position. Weights are (outputs, size, inputs). A sum is multiplied by
 * fraction * 2^(shift - 31), where shift is 0 or below; of these there is one for each output, or a single one. */
typedef struct {
    PREFIX_Shape shape;
    int32_t input_zero, sum_zero, least, multipliers;
    const int8_t *weights;
    const int32_t *bias, *fractions;
    const int8_t *shifts;
    const int8_t *lookup; /* the result for each sum from -128 on, or 0 */
} PREFIX_Layer;

/* The product with a multiplier below 1, rounded twice as in TensorFlow Lite. */
static inline int32_t PREFIX_scaled(int32_t sum, int32_t fraction, int8_t shift)
{
    const int64_t product = (int64_t)sum * fraction;
    const int64_t nudge = product < 0 ? 1 - ((int64_t)1 << 30) : (int64_t)1 << 30;
    const int32_t high = (int32_t)((product + nudge) / ((int64_t)1 << 31));
    const uint32_t half = ((uint32_t)1 << -shift) >> 1;
    return high < 0 ? -(int32_t)(((uint32_t)-high + half) >> -shift) : (int32_t)(((uint32_t)high + half) >> -shift);
}

/* What becomes of the sum of output o. */
static inline int8_t PREFIX_result(const PREFIX_Layer *layer, int32_t o, int32_t sum)
{
    const int32_t m = layer->multipliers == 1 ? 0 : o;
    sum = PREFIX_scaled(sum, layer->fractions[m], layer->shifts[m]) + layer->sum_zero;
    sum = sum < layer->least ? layer->least : sum > 127 ? 127 : sum;
    return layer->lookup ? layer->lookup[sum + 128] : (int8_t)sum;
}

static void PREFIX_affine(const PREFIX_Layer *layer, const int8_t *input, int8_t *output)
{
    const PREFIX_Shape *shape = &layer->shape;
    for (int32_t t = 0; t < shape->results; t++) {
        const int32_t first = PREFIX_first(shape, t);
        const int32_t left_out = first - (t * shape->stride - shape->before);
        const int32_t n = (PREFIX_end(shape, t) - first) * shape->inputs;
        const int8_t *x = input + first * shape->inputs;
        for (int32_t o = 0; o < shape->outputs; o++) {
            const int8_t *weights = layer->weights + (o * shape->size + left_out) * shape->inputs;
            int32_t sum = layer->bias[o];
            for (int32_t i = 0; i < n; i++) {
                sum += (x[i] - layer->input_zero) * weights[i];
            }
            *output++ = PREFIX_result(layer, o, sum);
        }
    }
}
