
static void PREFIX_maxpool(const PREFIX_Shape *shape, const PREFIX_Value *input, PREFIX_Value *output)
{
    for (int32_t t = 0; t < shape->results; t++) {
        for (int32_t c = 0; c < shape->inputs; c++) {
            int32_t position = PREFIX_first(shape, t);
            PREFIX_Value largest = input[position * shape->inputs + c];
            for (position++; position < PREFIX_end(shape, t); position++) {
                const PREFIX_Value value = input[position * shape->inputs + c];
                largest = value > largest ? value : largest;
            }
            *output++ = largest;
        }
    }
}
