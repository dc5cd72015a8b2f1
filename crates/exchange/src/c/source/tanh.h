
/* tanh |x| = (1 - e^(-2|x|)) / (1 + e^(-2|x|)) */
static void PREFIX_tanh(float *values, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        const float power = PREFIX_expm1(values[i] < 0.0f ? 2.0f * values[i] : -2.0f * values[i]);
        const float magnitude = -power / (2.0f + power);
        values[i] = values[i] < 0.0f ? -magnitude : magnitude;
    }
}
