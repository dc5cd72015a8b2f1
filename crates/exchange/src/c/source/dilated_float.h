
/* A convolution whose kernel reads one position of every `dilation`, from t - before on. */
static void PREFIX_dilated(const PREFIX_Layer *layer, int32_t dilation, const float *input, float *output)
{
    const PREFIX_Shape *shape = &layer->shape;
    for (int32_t t = 0; t < shape->results; t++) {
        const float *weights = layer->weights;
        for (int32_t o = 0; o < shape->outputs; o++) {
            float sum = layer->bias[o];
            for (int32_t k = 0; k < shape->size; k++, weights += shape->inputs) {
                const int32_t position = t + k * dilation - shape->before;
                if (position < 0 || position >= shape->positions) {
                    continue;
                }
                const float *x = input + position * shape->inputs;
                for (int32_t i = 0; i < shape->inputs; i++) {
                    sum += x[i] * weights[i];
                }
            }
            *output++ = sum;
        }
    }
}
