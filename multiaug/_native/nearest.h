/* Nearest pixels, and rows that are copied as a whole. */
#ifndef MULTIAUG_NEAREST_H
#define MULTIAUG_NEAREST_H

#include "positions.h"

/* The nearest of WIDE pixels at a constant border; below 0 where the fill is. */
INLINE iv places_at_rim(const Group *g, const Chunk *c, int i)
{
    const fv half = splat(0.5f), none = {0}, one = splat(1);
    const fv x = vmin(vmax(load_fv(c->x + i), -one), splat(g->w_in));
    const fv y = vmin(vmax(load_fv(c->y + i), -one), splat(g->h_in));
    const fv left = floor_of(x), top = floor_of(y);
    const fv column = choose(at_most(half, x - left), left + 1, left);
    const fv row = choose(at_most(half, y - top), top + 1, top);
    const mask inside = at_most(none, column) & less(column, splat(g->w_in)) & at_most(none, row) &
                        less(row, splat(g->h_in));
    const iv place = __builtin_convertvector(row, iv) * g->w_in + __builtin_convertvector(column, iv);
    return choose_iv(inside, place, (iv){0} - 1);
}

/* The nearest of WIDE pixels that are all inside. */
INLINE iv places_inside(const Group *g, const Chunk *c, int i)
{
    const fv half = splat(0.5f);
    const iv index = load_iv(c->index + i);
    const iv column = choose_iv(at_most(half, load_fv(c->fx + i)), index + 1, index);
    return choose_iv(at_most(half, load_fv(c->fy + i)), column + g->w_in, column);
}

/* All pixels of a chunk, at a constant border. */
INLINE void copies_of_chunk(const Group *g, const ChannelBand *l, const char *in, const Chunk *c, int n,
                            char *out, int64_t pixel, int bytes)
{
    int32_t at[ROOM];
    const char *fill = l->fill;
    for (int i = 0; i < n; i += WIDE)
        if (c->kinds[i / WIDE] != OUTSIDE)
            store_iv(at + i, c->kinds[i / WIDE] == INSIDE ? places_inside(g, c, i) : places_at_rim(g, c, i));
    for (int from = 0, to = 0; from < n; from = to) {
        const int kind = c->kinds[from / WIDE];
        while (to < n && c->kinds[to / WIDE] == kind)
            to += WIDE;
        to = to < n ? to : n;
        if (kind == OUTSIDE) {
            repeat_pixel(out + from * pixel, fill, to - from, pixel, bytes);
        } else if (kind == MIXED) {
            for (int i = from; i < to; i++)
                memcpy(out + i * pixel, at[i] < 0 ? fill : in + at[i] * pixel, bytes);
        } else {
            int i = from;
            for (; i + 4 <= to; i += 4)
                for (int q = i; q < i + 4; q++)
                    memcpy(out + q * pixel, in + at[q] * pixel, bytes);
            for (; i < to; i++)
                memcpy(out + i * pixel, in + at[i] * pixel, bytes);
        }
    }
}

INLINE void copies(const Group *g, const ChannelBand *l, const char *in, const Chunk *c, int n, char *out,
                   int64_t pixel, int bytes)
{
    int32_t at[CHUNK];
    if (is_plain_rim(g, l)) {
        copies_of_chunk(g, l, in, c, n, out, pixel, bytes);
        return;
    }
    for (int i = 0; i < n; i += WIDE)
        store_iv(at + i, places_inside(g, c, i));
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++) {
        if (r->place <= EXACT) {
            int i = r->from;
            for (; i + 4 <= r->to; i += 4)
                for (int q = i; q < i + 4; q++)
                    memcpy(out + q * pixel, in + at[q] * pixel, bytes);
            for (; i < r->to; i++)
                memcpy(out + i * pixel, in + at[i] * pixel, bytes);
        } else if (r->place == BEYOND && is_filled(l->border)) {
            repeat_pixel(out + r->from * pixel, l->fill, r->to - r->from, pixel, bytes);
        } else {
            for (int i = r->from; i < r->to; i++) {
                const Taps *t = c->taps + i;
                const int k = (t->fx >= 0.5f) + 2 * (t->fy >= 0.5f);
                memcpy(out + i * pixel, tap_of(g, l, in, t, k, l->size), bytes);
            }
        }
    }
}

static void nearest(const Group *g, const ChannelBand *l, const char *in, const Chunk *c, int n, char *out)
{
    const int64_t pixel = (int64_t)l->stride * l->size;
    const int bytes = l->channels * l->size;
    /* Whole pixels: of a lane beside others fewer bytes are its own. */
    const int whole = bytes == pixel;
    if (whole && pixel == 1)
        copies(g, l, in, c, n, out, 1, 1);
    else if (whole && pixel == 2)
        copies(g, l, in, c, n, out, 2, 2);
    else if (whole && pixel == 4)
        copies(g, l, in, c, n, out, 4, 4);
    else
        copies(g, l, in, c, n, out, pixel, bytes);
}

/* A row that shows a row of the source, forwards or backwards: from which pixel, in which step. */
static int straight(const Group *g, int64_t record, int row, int64_t *from, int *step)
{
    if (is_displaced(g, record) || !g->affine)
        return 0;
    const float *m = g->maps + 9 * record;
    if (m[3] != 0 || fabsf(m[0]) != 1)
        return 0;
    const float y_out = row - (g->h_out - 1) * 0.5f, half = (g->w_out - 1) * 0.5f;
    const float y = m[4] * y_out + m[5] + (g->h_in - 1) * 0.5f;
    const float left = m[0] * -half + m[1] * y_out + m[2] + (g->w_in - 1) * 0.5f;
    const float right = left + m[0] * (g->w_out - 1);
    if (y != floorf(y) || left != floorf(left) || y < 0 || y > g->h_in - 1)
        return 0;
    if (min(left, right) < 0 || max(left, right) > g->w_in - 1)
        return 0;
    *from = (int64_t)y * g->w_in + (int64_t)left;
    *step = m[0] > 0 ? 1 : -1;
    return 1;
}

INLINE void backwards(const char *in, char *out, int n, int64_t pixel, int bytes)
{
    int64_t i = 0;
#ifdef __AVX2__
    if (pixel == 1) {
        const __m256i swapped = _mm256_broadcastsi128_si256(
            _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
        for (; i + 32 <= n; i += 32) {
            const __m256i v = _mm256_loadu_si256((const __m256i *)(in - i - 31));
            const __m256i halves = _mm256_shuffle_epi8(v, swapped);
            _mm256_storeu_si256((__m256i *)(out + i), _mm256_permute4x64_epi64(halves, 0x4e));
        }
        const __m128i turned = _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        for (; i + 16 <= n; i += 16) {
            const __m128i v = _mm_loadu_si128((const __m128i *)(in - i - 15));
            _mm_storeu_si128((__m128i *)(out + i), _mm_shuffle_epi8(v, turned));
        }
    }
    if (pixel == 3 && bytes == 3 && n > 1) {
        /* Five pixels and a byte: of the pixel behind when read, of the next one when written. */
        const __m128i turned = _mm_setr_epi8(12, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2, 15);
        memcpy(out, in, 3);
        for (i = 1; i + 6 <= n; i += 5) {
            const __m128i v = _mm_loadu_si128((const __m128i *)(in - 3 * i - 12));
            _mm_storeu_si128((__m128i *)(out + 3 * i), _mm_shuffle_epi8(v, turned));
        }
    }
#endif
    for (; i < n; i++)
        memcpy(out + i * pixel, in - i * pixel, bytes);
}

static void copy_row(const ChannelBand *l, const char *in, int step, int n, char *out)
{
    const int64_t pixel = (int64_t)l->stride * l->size;
    const int bytes = l->channels * l->size;
    if (step > 0 && l->stride == l->channels)
        memcpy(out, in, n * pixel);
    else if (step > 0)
        for (int64_t i = 0; i < n; i++)
            memcpy(out + i * pixel, in + i * pixel, bytes);
    else if (pixel == 1 && bytes == 1)
        backwards(in, out, n, 1, 1);
    else if (pixel == 3 && bytes == 3)
        backwards(in, out, n, 3, 3);
    else if (pixel == 4 && bytes == 4)
        backwards(in, out, n, 4, 4);
    else if (pixel == 12 && bytes == 12)
        backwards(in, out, n, 12, 12);
    else if (pixel == 24 && bytes == 24)
        backwards(in, out, n, 24, 24);
    else if (pixel == 26 && bytes == 26)
        backwards(in, out, n, 26, 26);
    else if (pixel == 48 && bytes == 48)
        backwards(in, out, n, 48, 48);
    else if (pixel == 128 && bytes == 128)
        backwards(in, out, n, 128, 128);
    else
        backwards(in, out, n, pixel, bytes);
}

#endif
