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

/* ---- noise ----------------------------------------------------------------------------- */

INLINE uint32_t mixed(uint32_t word)
{
    word = (word ^ (word >> 16)) * 0x7FEB352Du;
    word = (word ^ (word >> 15)) * 0x846CA68Bu;
    return word ^ (word >> 16);
}

/* What `_noise_of` says: every level of an integer is as likely as any other. */
INLINE float noise_at(const Noise *task, uint32_t counter, const uint32_t *words)
{
    const uint32_t word = mixed(mixed(counter * 0x9E3779B9u + words[0]) ^ words[1]);
    const float share = (float)(int32_t)(word >> 8) * 0x1p-24f;
    const float step =
        task->type == F32 ? share * task->extent : floorf(share * (task->extent + 1));
    return task->low + min(step, task->extent);
}

/* Rounded half up, within the type. */
INLINE float whole_of(float v, float top)
{
    const float below = floorf(v);
    return min(max(below + (v - below >= 0.5f), 0), top);
}

#define NOISE_ROW(T, TOP)                                                                        \
    for (int64_t x = 0; x < width; x++)                                                          \
        for (int32_t k = 0; k < task->channels; k++) {                                           \
            float v = noise_at(task, counter + (uint32_t)(x * task->group + k), words);          \
            float as = TOP > 0 ? whole_of(v, TOP) : v;                                           \
            if (task->marks == MARK_NUMBER && as == task->mark)                                  \
                as = task->beside;                                                               \
            ((T *)(row + x * task->pixel_bytes))[k] = (T)as;                                     \
        }

void JOIN(multiaug_noise_, LEVEL)(const Noise *task)
{
    for (int64_t i = 0; i < task->n_boxes; i++) {
        const int32_t *box = task->boxes[i];
        const uint32_t *words = task->words + 2 * (int64_t)box[0];
        const int64_t width = box[4] - box[3];
        for (int64_t y = box[1]; y < box[2]; y++) {
            char *row = task->out + box[0] * task->record_bytes + y * task->row_bytes +
                        box[3] * task->pixel_bytes;
            const uint32_t counter =
                (uint32_t)((y * task->width + box[3]) * task->group + task->first);
            if (task->type == U8) {
                NOISE_ROW(uint8_t, 255)
            } else if (task->type == U16) {
                NOISE_ROW(uint16_t, 65535)
            } else {
                NOISE_ROW(float, 0)
            }
        }
    }
}

/* ---- means ----------------------------------------------------------------------------- */

#define WIDEN(T)                                                                                 \
    for (int64_t i = 0; i < task->pixels; i++)                                                   \
        for (int k = 0; k < c; k++)                                                              \
            v[i * c + k] = (float)((const T *)task->in)[i * task->stride + k];

void JOIN(multiaug_means_, LEVEL)(const Means *task)
{
    const int c = task->channels;
    float *v = task->scratch;
    if (task->type == U8) {
        WIDEN(uint8_t)
    } else if (task->type == U16) {
        WIDEN(uint16_t)
    } else {
        WIDEN(float)
    }
    for (int k = 0; k < c; k++)
        task->means[k] = 1 / (float)task->pixels;
    if (task->marks != MARK_NOTHING)
        for (int k = 0; k < c; k++) {
            int32_t count = 0;
            for (int64_t i = k; i < task->pixels * c; i += c) {
                const int there = task->marks == MARK_NAN ? v[i] == v[i] : v[i] != task->mark;
                v[i] = there ? v[i] : 0;
                count += there;
            }
            task->means[k] = (float)(count > 1 ? count : 1);
        }
    for (int64_t n = task->pixels; n > 1;) {
        const int64_t rest = n / 2, half = n - rest;
        for (int64_t i = 0; i < rest * c; i++)
            v[i] += v[half * c + i];
        n = half;
    }
    for (int k = 0; k < c; k++) {
        const float mean =
            task->marks == MARK_NOTHING ? v[k] * task->means[k] : v[k] / task->means[k];
        task->means[k] = min(max(mean, -3e38f), 3e38f);
    }
}
