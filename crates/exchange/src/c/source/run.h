
/* Scores of the window that begins with sample `first` of a ring. */
static void PREFIX_run(const float *samples, int32_t first, float *scores)
{
    PREFIX_load(samples, first, PREFIX_even);
STATEMENTS
}
