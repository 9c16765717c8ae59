/* Stages of a pipeline that are no warps: records blended in pairs, and boxes of images filled.
 * `multiaug/pipeline/backends/_blend.py` and `_fill.py` hand over the structures. */
#include "warp.h"
#include "vectors.h"

#include <string.h>

/* ---- blends ---------------------------------------------------------------------------- */

/* a + w (b - a), each operation rounded by itself; what holds no data in one of both has none. */
#define BLEND(T, NAME)                                                                           \
    static void blend_##NAME(const T *a, const T *b, T *out, int64_t n, float w)                 \
    {                                                                                            \
        int64_t i = 0;                                                                           \
        for (; i + 8 <= n; i += 8) {                                                             \
            const f8 x = wide_##NAME(a + i), y = wide_##NAME(b + i);                             \
            put8_##NAME(out + i, x + w * (y - x));                                               \
        }                                                                                        \
        for (; i < n; i++) {                                                                     \
            const float x = (float)a[i];                                                         \
            out[i] = one_##NAME(x + w * ((float)b[i] - x));                                      \
        }                                                                                        \
    }                                                                                            \
    static void keep_marks_##NAME(const T *a, const T *b, T *out, int64_t n, T mark, T beside)   \
    {                                                                                            \
        for (int64_t i = 0; i < n; i++)                                                          \
            out[i] = (a[i] == mark) | (b[i] == mark) ? mark : out[i] == mark ? beside : out[i];  \
    }
BLEND(uint8_t, u8)
BLEND(uint16_t, u16)
BLEND(float, f32)

#define BLEND_RECORD(T, NAME)                                                                    \
    do {                                                                                         \
        const T *a = (const T *)task->in + i * n, *b = (const T *)task->in + partner * n;        \
        T *out = (T *)task->out + i * n;                                                         \
        if (weight > 0)                                                                          \
            blend_##NAME(a, b, out, n, weight);                                                  \
        else                                                                                     \
            memcpy(out, a, (size_t)n * sizeof(T));                                               \
        if (weight > 0 && task->marks == MARK_NUMBER)                                            \
            keep_marks_##NAME(a, b, out, n, (T)task->mark, (T)task->beside);                     \
    } while (0)

void JOIN(multiaug_blend_, LEVEL)(const Blend *task)
{
    const int64_t n = task->values;
    for (int64_t i = task->begin; i < task->end; i++) {
        const int64_t partner = task->partners[i];
        const float weight = task->weights[i];
        if (task->type == U8)
            BLEND_RECORD(uint8_t, u8);
        else if (task->type == U16)
            BLEND_RECORD(uint16_t, u16);
        else
            BLEND_RECORD(float, f32);
    }
}

/* ---- fills ----------------------------------------------------------------------------- */

static void fill_row(char *row, int64_t width, const char *pixel, int64_t size)
{
    int even = 1;
    for (int64_t k = 1; k < size; k++)
        even &= pixel[k] == pixel[0];
    if (even) {
        memset(row, pixel[0], (size_t)(width * size));
        return;
    }
    memcpy(row, pixel, (size_t)size);
    for (int64_t done = 1; done < width; done *= 2) {
        const int64_t more = done < width - done ? done : width - done;
        memcpy(row + done * size, row, (size_t)(more * size));
    }
}

void JOIN(multiaug_fill_, LEVEL)(const Fill *task)
{
    for (int64_t k = 0; k < task->n_boxes; k++) {
        const int32_t *box = task->boxes[k];
        const int64_t width = box[4] - box[3], size = task->pixel_bytes, part = task->group_bytes;
        const char *pixel = task->pixels + box[0] * task->next_pixel;
        char *first = task->out + box[0] * task->record_bytes + box[1] * task->row_bytes + box[3] * size;
        if (width <= 0)
            continue;
        for (int32_t y = box[1]; y < box[2]; y++) {
            char *row = first + (y - box[1]) * task->row_bytes;
            if (part != size)
                for (int64_t x = 0; x < width; x++)
                    memcpy(row + x * size, pixel, (size_t)part);
            else if (y == box[1])
                fill_row(row, width, pixel, size);
            else
                memcpy(row, first, (size_t)(width * size));
        }
    }
}
