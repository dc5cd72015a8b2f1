
static void PREFIX_leaky(float *values, int32_t n, float slope)
{
    for (int32_t i = 0; i < n; i++) {
        values[i] = values[i] > 0.0f ? values[i] : slope * values[i];
    }
}
