
/* The mean of channel c. The window begins with sample `first` of a ring. */
static double PREFIX_mean(const float *samples, int32_t first, int32_t c)
{
    double sum = 0.0;
    for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
        sum += (double)samples[(first + t) % PREFIX_WINDOW * PREFIX_CHANNELS + c];
    }
    return sum / PREFIX_WINDOW;
}
