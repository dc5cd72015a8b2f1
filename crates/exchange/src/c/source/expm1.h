
/* e^x - 1 for x up to 0. */
static inline float PREFIX_expm1(float x)
{
    return x > -0.35f ? PREFIX_series(x) : PREFIX_exp(x) - 1.0f;
}
