
/* Channel c of sample t of a window, which begins with sample `first` of a ring. */
static double PREFIX_rawvalue(const float *samples, int32_t first, int32_t t, int32_t c)
{
    return (double)samples[(first + t) % PREFIX_WINDOW * PREFIX_CHANNELS + c];
}
