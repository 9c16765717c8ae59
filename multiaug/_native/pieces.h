/* Pieces of the channels of one record: from memory to float32, and back. */
#ifndef MULTIAUG_PIECES_H
#define MULTIAUG_PIECES_H

#include "steps.h"

INLINE int size_of(int type) { return type == U8 ? 1 : type == U16 ? 2 : 4; }

/* Whole pixels of a piece. */
INLINE int per_piece(const Chain *c)
{
    return c->planar ? COLOURS * PLANE : PIECE / c->channels * c->channels;
}

/* Numbers of some channels of n / channels pixels, to where pixels are so far apart. */
INLINE void deal(const uint32_t *from, int apart, int n, int channels, uint32_t *to, int apart_then)
{
    for (int i = 0; i < n; i += channels, from += apart, to += apart_then)
        for (int k = 0; k < channels; k++)
            to[k] = from[k];
}

static void move(const char *from, int apart, int n, int channels, int size, char *to, int then)
{
    if (apart == channels && then == channels) {
        memcpy(to, from, (size_t)n * size);
    } else if (size == 4) {
        const uint32_t *in = (const uint32_t *)from;
        uint32_t *out = (uint32_t *)to;
        /* Known numbers of channels: the loop over them is none. */
        switch (channels) {
        case 1: deal(in, apart, n, 1, out, then); break;
        case 3: deal(in, apart, n, 3, out, then); break;
        default: deal(in, apart, n, channels, out, then);
        }
    } else {
        for (int i = 0; i < n; i += channels)
            memcpy(to + (int64_t)(i / channels) * then * size,
                   from + (int64_t)(i / channels) * apart * size, (size_t)channels * size);
    }
}

INLINE int64_t place_of(const Chain *c, int64_t first)
{
    return c->stride == c->channels ? first : first / c->channels * c->stride;
}

/* n numbers of a record, side by side, in the dtype; zeros up to a whole vector. */
static void collect(const Chain *c, int64_t first, int n, char *raw)
{
    const int size = size_of(c->r->in_type);
    memset(raw + n * size, 0, (size_t)(-n & 15) * size);
    move(c->in + place_of(c, first) * size, c->stride, n, c->channels, size, raw, c->channels);
}

static void widen(const Chain *c, const char *raw, int n, float *v)
{
    const int whole = (n + 15) & ~15;
    if (c->r->in_type == U8)
        for (int i = 0; i < whole; i += 8)
            put8_f32(v + i, wide_u8((const uint8_t *)raw + i));
    else
        for (int i = 0; i < whole; i += 8)
            put8_f32(v + i, wide_u16((const uint16_t *)raw + i));
}

/* Values of whole pixels; `table` is of one channel, or of each. */
static void look_up(const Chain *c, const uint8_t *in, int n, float *v)
{
    const float *table = c->table;
    memset(v + n, 0, (size_t)(-n & 15) * sizeof(float));
    if (c->period == 1)
        for (int i = 0; i < n; i++)
            v[i] = table[in[i]];
    else
        for (int i = 0; i < n; i += c->period)
            for (int k = 0; k < c->period; k++)
                v[i + k] = table[in[i + k] + k * LEVELS];
}

/* Values that `run` may begin with, and what they were before the table. */
static void begin(const Chain *c, int64_t first, int n, float *v, float *given)
{
    _Alignas(64) char raw[PIECE * sizeof(float)];
    if (c->held) {
        memcpy(v, c->held + first, (size_t)n * sizeof *v);
        memset(v + n, 0, (size_t)(-n & 15) * sizeof *v);
        if (c->r->marks == MARK_NOTHING)
            return;
        collect(c, first, n, c->r->in_type == F32 ? (char *)given : raw);
        if (c->r->in_type != F32)
            widen(c, raw, n, given);
        return;
    }
    if (c->r->in_type == F32) {
        collect(c, first, n, (char *)v);
    } else {
        collect(c, first, n, raw);
        if (c->table)
            look_up(c, (const uint8_t *)raw, n, v);
        else
            widen(c, raw, n, v);
    }
    if (c->r->marks == MARK_NOTHING)
        return;
    if (c->table)
        widen(c, raw, n, given);
    else
        memcpy(given, v, (size_t)((n + 15) & ~15) * sizeof(float));
}

/* The same as planes; nothing is asked of what they were before. */
static void begin_planes(const Chain *c, int64_t first, int pixels, float *v)
{
    _Alignas(64) float wide[PIECE];
    _Alignas(64) uint8_t raw[PIECE];
    const int n = COLOURS * pixels;
    if (c->held) {
        values_to_planes(c->held + first, pixels, v);
        return;
    }
    if (c->r->in_type == F32 && c->stride == COLOURS) {
        values_to_planes((const float *)c->in + first, pixels, v);
        return;
    }
    if (c->r->in_type != U8) {
        begin(c, first, n, wide, 0);
        values_to_planes(wide, pixels, v);
        return;
    }
    const uint8_t *bytes = (const uint8_t *)c->in + place_of(c, first);
    if (c->stride != COLOURS) {
        collect(c, first, n, (char *)raw);
        bytes = raw;
    }
    if (!c->table) {
        pixels_to_planes(bytes, pixels, v);
        return;
    }
    for (int k = 0; k < COLOURS; k++) {
        const float *table = c->table + (c->period > 1 ? k * LEVELS : 0);
        float *plane = v + k * PLANE;
        for (int p = 0; p < pixels; p++)
            plane[p] = table[bytes[COLOURS * p + k]];
        memset(plane + pixels, 0, (size_t)(-pixels & 15) * sizeof *plane);
    }
}

static void hand_over(const Chain *c, char *record, int64_t first, int n, float *v)
{
    const int type = c->r->out_type, size = size_of(type);
    _Alignas(64) char raw[PIECE * sizeof(float)];
    const char *from = (const char *)v;
    if (type != F32) {
        const float top = type == U8 ? 255 : 65535;
        for (int i = 0; i < n; i += WIDE)
            store_fv(v + i, clipped(load_fv(v + i), 0, top));
        for (int i = 0; i < n; i += 8)
            if (type == U8)
                put8_u8((uint8_t *)raw + i, wide_f32(v + i));
            else
                put8_u16((uint16_t *)raw + i, wide_f32(v + i));
        from = raw;
    }
    move(from, c->channels, n, c->channels, size, record + place_of(c, first) * size, c->stride);
}

/* The same from planes. */
static void hand_over_planes(const Chain *c, char *record, int64_t first, int pixels, float *v)
{
    const int type = c->r->out_type;
    char *out = record + place_of(c, first) * size_of(type);
    if (c->stride == COLOURS && type == U8) {
        pixels_from_planes(v, pixels, (uint8_t *)out);
    } else if (c->stride == COLOURS && type == F32) {
        values_from_planes(v, pixels, (float *)out);
    } else {
        _Alignas(64) float wide[PIECE] = {0};
        values_from_planes(v, pixels, wide);
        hand_over(c, record, first, COLOURS * pixels, wide);
    }
}

#endif
