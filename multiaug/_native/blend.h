/* Linear blends of four taps. */
#ifndef MULTIAUG_BLEND_H
#define MULTIAUG_BLEND_H

#include "masked.h"
#include "positions.h"

/* A line of the cache, and about what the cache of a core holds, in bytes. */
enum { LINE = 64, CACHED = 1 << 20 };

#define LERP(a, b, f) ((a) + ((b) - (a)) * (f))
#define BLEND(a, b, c, d, fx, fy) LERP(LERP(a, b, fx), LERP(c, d, fx), fy)

#ifdef __AVX2__
/* Eight bytes hold two neighbouring taps of a pixel, and two bytes that are not looked at. */
INLINE int rgb_u8(const uint8_t *in, int64_t W, const Chunk *c, int from, int to, uint8_t *out,
                  int64_t S)
{
    uint64_t upper[ROOM] ALIGNED, lower[ROOM] ALIGNED;
    const int n = to - from;
    for (int i = 0; i < n; i += 4)
        for (int q = i; q < i + 4; q++) {
            const uint8_t *p = in + c->index[from + q] * S;
            memcpy(upper + q, p, 8);
            memcpy(lower + q, p + W, 8);
        }
    for (int i = 0; i < n; i += WIDE) {
        const fv fx = load_fv(c->fx + from + i), fy = load_fv(c->fy + from + i);
        uv words = {0}, a[2], b[2];
        load_apart(upper + i, a);
        load_apart(lower + i, b);
        for (int k = 0; k < 3; k++) {
            const fv mixed = BLEND(byte_of(a, k), byte_of(a, k + 3), byte_of(b, k),
                                   byte_of(b, k + 3), fx, fy);
            words |= (uv)whole_of(mixed + BELOW_HALF) << 8 * k;
        }
        put_rgb(out + 3 * (from + i), words, n - i);
    }
    return to;
}

/* A pixel is a quarter of a vector, whose last number is not written. */
INLINE int rgb_f32(const float *in, int64_t W, const Chunk *c, int from, int to, float *out, int64_t S)
{
    int i = from;
    for (; i + WIDE / 4 <= to; i += WIDE / 4) {
        int64_t at[WIDE / 4];
        for (int q = 0; q < WIDE / 4; q++)
            at[q] = c->index[i + q] * S;
        const fv mixed = BLEND(quarters(in, at), quarters(in + S, at), quarters(in + W, at),
                               quarters(in + W + S, at), spread(c->fx + i), spread(c->fy + i));
        for (int q = 0; q < WIDE / 4; q++)
            put3(out + (i + q) * S, quarter(mixed, q), q + 1 < WIDE / 4);
    }
    return i;
}
#endif

#define T uint8_t
#define NAME(x) x##_u8
#ifdef __AVX2__
#define RGB
#endif
#include "linear.h"

#define T uint16_t
#define NAME(x) x##_u16
#include "linear.h"

#define T float
#define NAME(x) x##_f32
#ifdef __AVX2__
#define RGB
#endif
#include "linear.h"

#endif
