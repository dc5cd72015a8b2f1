
/* The length of each group of three channels. */
static void PREFIX_derivenorm(const float *samples, int32_t first, float *derived)
{
    for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
        for (int32_t c = 0; c < PREFIX_CHANNELS; c += 3) {
            const double x = PREFIX_rawvalue(samples, first, t, c), y = PREFIX_rawvalue(samples, first, t, c + 1);
            const double z = PREFIX_rawvalue(samples, first, t, c + 2);
            derived[t * PREFIX_INPUTS + c / 3] = (float)PREFIX_root(x * x + y * y + z * z);
        }
    }
}
