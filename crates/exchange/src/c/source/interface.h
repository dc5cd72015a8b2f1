
/* Scores of a window (window, channels), in the sensor's unit. */
static inline void PREFIX_window(const float window[PREFIX_WINDOW * PREFIX_CHANNELS], float scores[PREFIX_CLASSES])
{
    PREFIX_run(window, 0, scores);
}

/* Takes the next sample. Returns 1 if it completed a window, whose scores are then in `scores`; else 0. The first window is
 * complete after PREFIX_WINDOW samples, the next after PREFIX_STEP more. */
static inline int PREFIX_sample(const float sample[PREFIX_CHANNELS], float scores[PREFIX_CLASSES])
{
    for (int32_t c = 0; c < PREFIX_CHANNELS; c++) {
        PREFIX_ring[PREFIX_next * PREFIX_CHANNELS + c] = sample[c];
    }
    PREFIX_next = (PREFIX_next + 1) % PREFIX_WINDOW;
    PREFIX_missing--;
    if (PREFIX_missing > 0) {
        return 0;
    }
    PREFIX_missing = PREFIX_STEP;
    PREFIX_run(PREFIX_ring, PREFIX_next, scores);
    return 1;
}

/* Forgets the samples so far: after a gap in the recording. */
static inline void PREFIX_reset(void)
{
    PREFIX_next = 0;
    PREFIX_missing = PREFIX_WINDOW;
}

/* The number of the class with the highest score. */
static inline int PREFIX_best(const float scores[PREFIX_CLASSES])
{
    int best = 0;
    for (int i = 1; i < PREFIX_CLASSES; i++) {
        best = scores[i] > scores[best] ? i : best;
    }
    return best;
}
