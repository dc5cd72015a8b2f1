
/* Each channel of a window gets mean 0 and deviation 1; a constant one becomes 0. */
static void PREFIX_fit(const float *samples, int32_t first)
{
    for (int32_t c = 0; c < PREFIX_CHANNELS; c++) {
        const double mean = PREFIX_mean(samples, first, c);
        double sum = 0.0, deviation;
        for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
            const double distance = (double)samples[(first + t) % PREFIX_WINDOW * PREFIX_CHANNELS + c] - mean;
            sum += distance * distance;
        }
        deviation = PREFIX_root(sum / PREFIX_WINDOW);
        PREFIX_centres[c] = mean;
        PREFIX_factors[c] = deviation <= (mean < 0.0 ? -mean : mean) * 1.1920928955078125e-7 ? 0.0 : 1.0 / deviation;
    }
}

static float PREFIX_normalised(const float *sample, int32_t c)
{
    return (float)(((double)sample[c] - PREFIX_centres[c]) * PREFIX_factors[c]);
}
