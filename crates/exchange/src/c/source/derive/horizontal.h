
/* The length of what is left without the component along gravity. */
static void PREFIX_derivehorizontal(const float *samples, int32_t first, float *derived)
{
    PREFIX_split(samples, first, derived, 1);
}
