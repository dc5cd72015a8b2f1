
/* Each group of three channels is turned by the shortest rotation that brings its mean, gravity, to the third axis. */
static void PREFIX_fit(const float *samples, int32_t first)
{
    for (int32_t c = 0; c < PREFIX_CHANNELS; c += 3) {
        double *turn = PREFIX_turns + 3 * c;
        double a = PREFIX_mean(samples, first, c), b = PREFIX_mean(samples, first, c + 1);
        double d = PREFIX_mean(samples, first, c + 2), h;
        const double length = PREFIX_root(a * a + b * b + d * d);
        for (int32_t i = 0; i < 9; i++) {
            turn[i] = i % 4 == 0 ? 1.0 : 0.0;
        }
        if (!(length > 0.0)) {
            continue;
        }
        a /= length;
        b /= length;
        d /= length;
        if (d < -1.0 + 1e-12) {
            turn[4] = turn[8] = -1.0;
            continue;
        }
        h = 1.0 / (1.0 + d);
        turn[0] -= a * a * h;
        turn[1] = turn[3] = -a * b * h;
        turn[4] -= b * b * h;
        turn[2] = -a;
        turn[5] = -b;
        turn[6] = a;
        turn[7] = b;
        turn[8] = d;
    }
}

static float PREFIX_normalised(const float *sample, int32_t c)
{
    const double *turn = PREFIX_turns + 3 * c;
    const float *group = sample + c / 3 * 3;
    return (float)(turn[0] * (double)group[0] + turn[1] * (double)group[1] + turn[2] * (double)group[2]);
}
