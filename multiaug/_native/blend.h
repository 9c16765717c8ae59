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
/* Two neighbours of a line that is read from `moved` pixels further to the left, or right. */
INLINE void along_rim(iv moved, fv fill, fv *a, fv *b)
{
    const iv none = {0};
    const mask before = less_iv(moved, none), behind = less_iv(none, moved);
    const fv left = *a, right = *b;
    *a = choose(before, fill, choose(behind, choose(less_iv(none + 1, moved), fill, right), left));
    *b = choose(behind, fill, choose(before, left, right));
}

/* Four values around a pixel at a constant border from those of the source nearby: upper left, upper
 * right, lower left, lower right. */
INLINE fv blend_rim(const Rim *at, fv fill, fv v[4])
{
    along_rim(at->right, fill, v, v + 1);
    along_rim(at->right, fill, v + 2, v + 3);
    along_rim(at->down, fill, v, v + 2);
    along_rim(at->down, fill, v + 1, v + 3);
    return BLEND(v[0], v[1], v[2], v[3], at->fx, at->fy);
}

/* Two neighbouring taps of a pixel are six of eight bytes: the first ones of the upper line, and the last
 * ones of the lower line, so that nothing is read behind the last pixel. */
INLINE void gather_rgb(const uint8_t *in, int64_t W, const int32_t *index, int n, uint64_t *upper,
                       uint64_t *lower)
{
    for (int i = 0; i < n; i += 4)
        for (int q = i; q < i + 4; q++) {
            const uint8_t *p = in + index[q] * INT64_C(3);
            memcpy(upper + q, p, 8);
            memcpy(lower + q, p + W - 2, 8);
        }
}

/* All pixels of a chunk, at a constant border. */
static void rgb_chunk_u8(const Group *g, const ChannelBand *l, const uint8_t *in, const Chunk *c, int n,
                         uint8_t *out)
{
    uint64_t upper[ROOM] ALIGNED, lower[ROOM] ALIGNED;
    const Stretch near = vectors_near(c, n);
    const uint8_t *fill = (const uint8_t *)l->fill;
    const uv beyond = (uv){0} + (fill[0] | (uint32_t)fill[1] << 8 | (uint32_t)fill[2] << 16);
    const int from = near.from * WIDE, to = near.to * WIDE < n ? near.to * WIDE : n;
    gather_rgb(in, g->w_in * 3, c->near + from, to - from, upper + from, lower + from);
    for (int i = 0; i < n; i += WIDE) {
        const int kind = c->kinds[i / WIDE];
        uv words = {0}, a[2], b[2];
        if (kind == OUTSIDE) {
            put_rgb(out + 3 * i, beyond, n - i);
            continue;
        }
        load_deinterleaved(upper + i, a);
        load_deinterleaved(lower + i, b);
        if (kind == INSIDE) {
            const fv fx = load_fv(c->fx + i), fy = load_fv(c->fy + i);
            for (int k = 0; k < 3; k++) {
                const fv mixed = BLEND(byte_of(a, k), byte_of(a, k + 3), byte_of(b, k + 2),
                                       byte_of(b, k + 5), fx, fy);
                words |= (uv)whole_of(mixed + BELOW_HALF) << 8 * k;
            }
        } else {
            const Rim at = rim_at(g, c, i);
            for (int k = 0; k < 3; k++) {
                fv v[4] = {byte_of(a, k), byte_of(a, k + 3), byte_of(b, k + 2), byte_of(b, k + 5)};
                words |= (uv)whole_of(blend_rim(&at, splat(fill[k]), v) + BELOW_HALF) << 8 * k;
            }
        }
        put_rgb(out + 3 * i, words, n - i);
    }
}

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
        load_deinterleaved(upper + i, a);
        load_deinterleaved(lower + i, b);
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

/* Whether a linear band of integers is blended a whole chunk at a time, its border without a list of
 * taps. */
INLINE int is_blended_by_chunks(const Group *g, const ChannelBand *l)
{
#ifdef __AVX2__
    const int few = l->stride == l->channels && (l->channels == 1 || (l->channels == 3 && l->type == U8));
    return is_plain_rim(g, l) && l->method == LINEAR && l->type <= U16 && few;
#else
    (void)g, (void)l;
    return 0;
#endif
}

#define T uint8_t
#define NAME(x) x##_u8
#ifdef __AVX2__
#define RGB
#endif
#include "linear.inc"

#define T uint16_t
#define NAME(x) x##_u16
#include "linear.inc"

#define T float
#define NAME(x) x##_f32
#ifdef __AVX2__
#define RGB
#endif
#include "linear.inc"

/* See `is_blended_by_chunks`. */
static void blend_chunk(const Group *g, const ChannelBand *l, const char *in, const Chunk *c, int n, char *out)
{
#ifdef __AVX2__
    if (l->channels == 3)
        rgb_chunk_u8(g, l, (const uint8_t *)in, c, n, (uint8_t *)out);
    else if (l->type == U8)
        single_chunk_u8(g, l, (const uint8_t *)in, c, n, (uint8_t *)out);
    else
        single_chunk_u16(g, l, (const uint16_t *)in, c, n, (uint16_t *)out);
#else
    (void)g, (void)l, (void)in, (void)c, (void)n, (void)out;
#endif
}

/* Some operation of this thread had a result beyond the largest number, since this was last asked. */
INLINE int has_overflown(void)
{
#ifdef __SSE__
    const unsigned int flags = _mm_getcsr();
    if (!(flags & _MM_EXCEPT_OVERFLOW))
        return 0;
    _mm_setcsr(flags & ~_MM_EXCEPT_OVERFLOW);
    return 1;
#else
    if (!fetestexcept(FE_OVERFLOW))
        return 0;
    feclearexcept(FE_OVERFLOW);
    return 1;
#endif
}

/* Once more, by halves, what is no number because the difference of two numbers is none. */
static void mend_f32(const Group *g, const ChannelBand *l, const char *source, const Chunk *c, float *out)
{
    const float *in = (const float *)source;
    const int64_t S = l->stride, W = g->w_in * S;
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++) {
        if (r->place == EXACT || (r->place == BEYOND && is_filled(l->border)))
            continue;
        for (int i = r->from; i < r->to; i++) {
            const Taps *t = c->taps + i;
            const int between = r->place == BETWEEN;
            const float fx = between ? c->fx[i] : t->fx, fy = between ? c->fy[i] : t->fy;
            const float *p[4];
            for (int k = 0; k < 4; k++)
                p[k] = between ? in + c->index[i] * S + (k & 1 ? S : 0) + (k & 2 ? W : 0)
                               : (const float *)tap_of(g, l, source, t, k, sizeof(float));
            for (int k = 0; k < l->channels && (fx != 0 || fy != 0); k++)
                if (!isfinite(out[i * S + k]))
                    out[i * S + k] = 2 * BLEND(p[0][k] / 2, p[1][k] / 2, p[2][k] / 2, p[3][k] / 2,
                                               fx, fy);
        }
    }
}

#endif
