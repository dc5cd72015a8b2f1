
/* The axes without their low-pass. */
static void PREFIX_derivelinear(const float *samples, int32_t first, float *derived)
{
    for (int32_t c = 0; c < PREFIX_CHANNELS; c++) {
        for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
            PREFIX_slow[t] = PREFIX_axisvalue(samples, first, t, c);
        }
        PREFIX_lowpass(PREFIX_slow);
        for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
            derived[t * PREFIX_INPUTS + c] = (float)(PREFIX_axisvalue(samples, first, t, c) - PREFIX_slow[t]);
        }
    }
}
