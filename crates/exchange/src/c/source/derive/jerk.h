
/* The difference to the sample before; the first sample repeats that of the second. */
static void PREFIX_derivejerk(const float *samples, int32_t first, float *derived)
{
    for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
        const int32_t later = t > 0 || PREFIX_WINDOW == 1 ? t : 1, earlier = later > 0 ? later - 1 : 0;
        for (int32_t c = 0; c < PREFIX_CHANNELS; c++) {
            derived[t * PREFIX_INPUTS + c] = (float)(PREFIX_axisvalue(samples, first, later, c)
                                                     - PREFIX_axisvalue(samples, first, earlier, c));
        }
    }
}
