
/* Means are rounded to the nearest, halves away from 0. */
static void PREFIX_meanpool(const PREFIX_Shape *shape, const int8_t *input, int8_t *output)
{
    for (int32_t t = 0; t < shape->results; t++) {
        const int32_t first = PREFIX_first(shape, t), end = PREFIX_end(shape, t), n = end - first;
        for (int32_t c = 0; c < shape->inputs; c++) {
            int32_t sum = 0;
            for (int32_t position = first; position < end; position++) {
                sum += input[position * shape->inputs + c];
            }
            *output++ = (int8_t)((sum > 0 ? sum + n / 2 : sum - n / 2) / n);
        }
    }
}
