
/* The mean of up to PREFIX_HALF samples to each side of each. */
static void PREFIX_average(const double *from, double *to)
{
    double sum = 0.0;
    int32_t start = 0, end = 0;
    for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
        for (; end < PREFIX_WINDOW && end - PREFIX_HALF <= t; end++) {
            sum += from[end];
        }
        for (; start + PREFIX_HALF < t; start++) {
            sum -= from[start];
        }
        to[t] = sum / (end - start);
    }
}

/* Brings a channel to its low-pass: two averages of differences from its first sample. */
static void PREFIX_lowpass(double *channel)
{
    const double begin = channel[0];
    for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
        channel[t] -= begin;
    }
    PREFIX_average(channel, PREFIX_averaged);
    PREFIX_average(PREFIX_averaged, channel);
    for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
        channel[t] += begin;
    }
}
