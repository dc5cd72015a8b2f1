
/* x times the normal distribution function, within 1e-7: Abramowitz and Stegun, 7.1.26. */
static void PREFIX_gelu(float *values, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        const float x = values[i], z = 0.707106781f * (x < 0.0f ? -x : x);
        const float t = 1.0f / (1.0f + 0.3275911f * z);
        const float sum = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
        const float tail = 0.5f * sum * PREFIX_exp(-z * z);
        values[i] = x * (x < 0.0f ? tail : 1.0f - tail);
    }
}
