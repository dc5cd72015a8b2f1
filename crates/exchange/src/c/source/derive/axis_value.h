
/* Axis c of sample t of a window, as vectors are derived from it. */
static double PREFIX_axisvalue(const float *samples, int32_t first, int32_t t, int32_t c)
{
    const float *sample = samples + (first + t) % PREFIX_WINDOW * PREFIX_CHANNELS;
    return (double)AXIS;
}
