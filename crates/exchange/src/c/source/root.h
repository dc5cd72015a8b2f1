
/* The square root: Newton's iteration, after x has been brought to [1, 4). */
static double PREFIX_root(double x)
{
    double power = 1.0, root;
    if (!(x > 0.0 && x < 1e300)) {
        return x;
    }
    for (; x >= 4.0; x /= 4.0) {
        power *= 2.0;
    }
    for (; x < 1.0; x *= 4.0) {
        power /= 2.0;
    }
    root = 0.5 * (1.0 + x);
    for (int32_t i = 0; i < 6; i++) {
        root = 0.5 * (root + x / root);
    }
    return power * root;
}
