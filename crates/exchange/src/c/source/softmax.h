
static void PREFIX_softmax(float *scores)
{
    float largest = scores[0], total = 0.0f;
    for (int32_t i = 1; i < PREFIX_CLASSES; i++) {
        largest = scores[i] > largest ? scores[i] : largest;
    }
    for (int32_t i = 0; i < PREFIX_CLASSES; i++) {
        scores[i] = PREFIX_exp(scores[i] - largest);
        total += scores[i];
    }
    for (int32_t i = 0; i < PREFIX_CLASSES; i++) {
        scores[i] /= total;
    }
}
