
/* Brings a window to what the first layer reads. It begins with sample `first` of a ring. */
static void PREFIX_load(const float *samples, int32_t first, PREFIX_Value *values)
{
FIT
    for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
        const float *sample = samples + (first + t) % PREFIX_WINDOW * PREFIX_CHANNELS;
        for (int32_t c = 0; c < PREFIX_CHANNELS; c++) {
            *values++ = VALUE;
        }
    }
}
