
/* Each group of three channels by gravity in the group PREFIX_down: its component along it, or the length of the rest. */
static void PREFIX_split(const float *samples, int32_t first, float *derived, int32_t wants_rest)
{
    for (int32_t group = 0; 3 * group < PREFIX_CHANNELS; group++) {
        for (int32_t axis = 0; axis < 3; axis++) {
            for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
                PREFIX_gravity[axis * PREFIX_WINDOW + t] = PREFIX_rawvalue(samples, first, t, 3 * PREFIX_down[group] + axis);
            }
            PREFIX_lowpass(PREFIX_gravity + axis * PREFIX_WINDOW);
        }
        for (int32_t t = 0; t < PREFIX_WINDOW; t++) {
            double v[3], unit[3], size = 0.0, along = 0.0, square = 0.0;
            for (int32_t axis = 0; axis < 3; axis++) {
                v[axis] = PREFIX_rawvalue(samples, first, t, 3 * group + axis);
                unit[axis] = PREFIX_gravity[axis * PREFIX_WINDOW + t];
                size += unit[axis] * unit[axis];
            }
            size = PREFIX_root(size);
            for (int32_t axis = 0; axis < 3; axis++) {
                unit[axis] = size > 0.0 ? unit[axis] / size : 0.0;
                along += v[axis] * unit[axis];
            }
            for (int32_t axis = 0; axis < 3; axis++) {
                const double rest = v[axis] - along * unit[axis];
                square += rest * rest;
            }
            derived[t * PREFIX_INPUTS + group] = (float)(wants_rest ? PREFIX_root(square) : along);
        }
    }
}
