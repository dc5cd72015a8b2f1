
/* The integer next to a number; halves are rounded away from 0. */
static int8_t PREFIX_integer(float number)
{
    const float steps = number / PREFIX_INPUTSCALE;
    int32_t integer;
    if (steps != steps) {
        return PREFIX_INPUTZERO;
    }
    integer = steps < -256.0f ? -256 : steps > 256.0f ? 256 : (int32_t)steps;
    if (steps - (float)integer >= 0.5f) {
        integer++;
    } else if (steps - (float)integer <= -0.5f) {
        integer--;
    }
    integer += PREFIX_INPUTZERO;
    return (int8_t)(integer < -128 ? -128 : integer > 127 ? 127 : integer);
}
