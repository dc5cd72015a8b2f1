
/* The component of each group of three channels along gravity. */
static void PREFIX_derivevertical(const float *samples, int32_t first, float *derived)
{
    PREFIX_split(samples, first, derived, 0);
}
