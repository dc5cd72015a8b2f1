
/* The shape of a layer. Result t reads `size` positions, from t * stride - before on: those that exist. */
typedef struct {
    int32_t positions, inputs, results, outputs, size, stride, before;
} PREFIX_Shape;

static inline int32_t PREFIX_first(const PREFIX_Shape *shape, int32_t t)
{
    const int32_t first = t * shape->stride - shape->before;
    return first < 0 ? 0 : first;
}

static inline int32_t PREFIX_end(const PREFIX_Shape *shape, int32_t t)
{
    const int32_t end = t * shape->stride - shape->before + shape->size;
    return end > shape->positions ? shape->positions : end;
}
