
static void PREFIX_meanpool(const PREFIX_Shape *shape, const float *input, float *output)
{
    for (int32_t t = 0; t < shape->results; t++) {
        const int32_t first = PREFIX_first(shape, t), end = PREFIX_end(shape, t);
        for (int32_t c = 0; c < shape->inputs; c++) {
            float sum = 0.0f;
            for (int32_t position = first; position < end; position++) {
                sum += input[position * shape->inputs + c];
            }
            *output++ = sum / (float)(end - first);
        }
    }
}
