
/* e^x - 1 for x near 0: the Taylor series. */
static inline float PREFIX_series(float x)
{
    float sum = 1.0f;
    for (int32_t n = 9; n > 1; n--) {
        sum = 1.0f + x / (float)n * sum;
    }
    return x * sum;
}

/* e^x for x up to 0: x = r - n log 2, and log 2 = 0.693359375 - 2.12194440e-4. */
static inline float PREFIX_exp(float x)
{
    if (x < -87.0f) {
        return 0.0f;
    }
    if (!(x < 0.0f)) {
        return 1.0f + x;
    }
    const int32_t n = (int32_t)(0.5f - x * 1.44269504f);
    float power = 1.0f + PREFIX_series(x + (float)n * 0.693359375f - (float)n * 2.12194440e-4f);
    for (int32_t halvings = 0; halvings < n; halvings++) {
        power *= 0.5f;
    }
    return power;
}
