
static void PREFIX_relu(float *values, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        values[i] = values[i] > 0.0f ? values[i] : 0.0f;
    }
}
