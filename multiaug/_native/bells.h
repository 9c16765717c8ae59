/* Means of neighbours by a bell: along columns, then along rows.
 *
 * Where all values are there, rows go through it one after the other. The rows that a mean reaches are
 * in a ring that stays in the cache, as float32, as the steps before have left them; each row of means
 * goes through the steps behind and to its place. A row that is written there has been read before.
 * Beyond the frame values are mirrored, without the pixel at the edge. */
#ifndef MULTIAUG_BELLS_H
#define MULTIAUG_BELLS_H

#include "pieces.h"

#include <stdlib.h>

/* Numbers behind an array that whole vectors may read, and write. */
enum { SLACK = 64, MOST_REACH = 1024, MOST_MEDIAN = 7 };

INLINE float *floats(int64_t n) { return calloc((size_t)(n + SLACK), sizeof(float)); }

INLINE int64_t mirror(int64_t i, int64_t size)
{
    const int64_t period = size > 1 ? 2 * (size - 1) : 1;
    if (0 <= i && i < size)
        return i;
    i = (i < 0 ? -i : i) % period;
    return size > 1 ? (i < size ? i : period - i) : 0;
}

/* What a mean is of: a bell along columns and rows, or weights of places about a pixel. */
typedef struct {
    int reach;            /* of both, pixels on each side */
    const float *weights; /* (reach + 1,) of a bell, from the middle on; or (taps,) */
    const int32_t *place; /* (taps, 2) rows and columns from the corner of the reach; null: a bell */
    int taps;
} Weights;

/* The weights of a bell, from the middle on; how far it reaches. */
static int bell_of(float sigma, float kernel, float *weights)
{
    const float asked = kernel > 0 ? kernel : floorf(4 * sigma + 0.5f);
    const int reach = asked > 0 ? asked < MOST_REACH ? (int)asked : MOST_REACH : 0;
    const double narrow = sigma > 1e-6f ? sigma : 1e-6;
    double total = 0;
    for (int k = 0; k <= reach; k++)
        total += (k ? 2 : 1) * exp(-0.5 * (k / narrow) * (k / narrow));
    for (int k = 0; k <= reach; k++)
        weights[k] = (float)(exp(-0.5 * (k / narrow) * (k / narrow)) / total);
    return reach;
}

INLINE void mirror_pixels(float *row, int64_t width, int channels, int reach)
{
    for (int i = 1; i <= reach; i++) {
        const float *left = row + mirror(-i, width) * channels;
        const float *right = row + mirror(width - 1 + i, width) * channels;
        memcpy(row - (int64_t)i * channels, left, (size_t)channels * sizeof *row);
        memcpy(row + (width - 1 + i) * channels, right, (size_t)channels * sizeof *row);
    }
}

/* Margins of `reach` pixels on both sides of a row, which is in its place. */
static void mirror_row(float *line, int64_t width, int channels, int reach)
{
    float *row = line + (int64_t)reach * channels;
    /* Known numbers of channels are copied without a call. */
    switch (channels) {
    case 1: mirror_pixels(row, width, 1, reach); break;
    case 3: mirror_pixels(row, width, 3, reach); break;
    default: mirror_pixels(row, width, channels, reach);
    }
}

/* So many vectors at a time: enough sums that none of them waits for the one before. */
enum { AT_ONCE = SLACK / 16 };

/* Sums of what lies `apart` before and behind, k times for the weight k. */
static void along_row(const float *row, int64_t n, int64_t apart, const Weights *w, float *out)
{
    for (int64_t x = 0; x < n; x += AT_ONCE * WIDE) {
        fv sum[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++)
            sum[i] = load_fv(row + x + i * WIDE) * w->weights[0];
        const float *left = row + x, *right = row + x;
        for (int k = 1; k <= w->reach; k++) {
            const fv weight = splat(w->weights[k]);
            left -= apart, right += apart;
            for (int i = 0; i < AT_ONCE; i++)
                sum[i] += (load_fv(left + i * WIDE) + load_fv(right + i * WIDE)) * weight;
        }
        for (int i = 0; i < AT_ONCE; i++)
            store_fv(out + x + i * WIDE, sum[i]);
    }
}

/* The same of rows: pointers to the middle one and, for every weight, to the ones above and below. */
static void along_columns(const float *const *above, const float *const *below, int64_t n, const Weights *w,
                          float *out)
{
    for (int64_t x = 0; x < n; x += AT_ONCE * WIDE) {
        fv sum[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++)
            sum[i] = load_fv(above[0] + x + i * WIDE) * w->weights[0];
        for (int k = 1; k <= w->reach; k++) {
            const fv weight = splat(w->weights[k]);
            const float *upper = above[k] + x, *lower = below[k] + x;
            for (int i = 0; i < AT_ONCE; i++)
                sum[i] += (load_fv(upper + i * WIDE) + load_fv(lower + i * WIDE)) * weight;
        }
        for (int i = 0; i < AT_ONCE; i++)
            store_fv(out + x + i * WIDE, sum[i]);
    }
}

/* The same of the next row as well: what both read is loaded once. There is one more row above and below. */
static void along_two_columns(const float *const *above, const float *const *below, int64_t n,
                              const Weights *w, float *out, float *next)
{
    enum { SOME = AT_ONCE / 2 };
    for (int64_t x = 0; x < n; x += SOME * WIDE) {
        fv sum[SOME], sum_next[SOME], upper[SOME], lower[SOME];
        for (int i = 0; i < SOME; i++) {
            upper[i] = load_fv(above[0] + x + i * WIDE), lower[i] = load_fv(below[1] + x + i * WIDE);
            sum[i] = upper[i] * w->weights[0], sum_next[i] = lower[i] * w->weights[0];
        }
        for (int k = 1; k <= w->reach; k++) {
            const fv weight = splat(w->weights[k]);
            const float *further_up = above[k] + x, *further_down = below[k + 1] + x;
            for (int i = 0; i < SOME; i++) {
                const fv up = load_fv(further_up + i * WIDE), down = load_fv(further_down + i * WIDE);
                sum[i] += (up + lower[i]) * weight;
                sum_next[i] += (upper[i] + down) * weight;
                upper[i] = up, lower[i] = down;
            }
        }
        for (int i = 0; i < SOME; i++) {
            store_fv(out + x + i * WIDE, sum[i]);
            store_fv(next + x + i * WIDE, sum_next[i]);
        }
    }
}

/* Rows of one length, of which the last `count` that were put there are at hand. */
typedef struct {
    float *memory;
    int64_t apart, count;
} Ring;

/* The row that stands `away` rows, less than all at hand, from one that stands at a place of the ring. */
INLINE float *row_of_ring(const Ring *r, int64_t place, int64_t away)
{
    const int64_t at = place + away;
    return r->memory + (at < 0 ? at + r->count : at < r->count ? at : at - r->count) * r->apart;
}

/* Sums along columns of row y, of which the neighbours are in the ring; of the next one, too, unless
 * that is null. */
static void sum_columns(const Ring *ring, int64_t y, int64_t height, int64_t n, const Weights *w, float *out,
                        float *next)
{
    const float *above[MOST_REACH + 2], *below[MOST_REACH + 2];
    const int64_t place = y % ring->count;
    for (int k = 0; k <= w->reach + (next != 0); k++) {
        above[k] = row_of_ring(ring, place, mirror(y - k, height) - y);
        below[k] = row_of_ring(ring, place, mirror(y + k, height) - y);
    }
    if (next)
        along_two_columns(above, below, n, w, out, next);
    else
        along_columns(above, below, n, w, out);
}

/* The means of a row of such sums, which stand behind the margin on the left of `line`. */
static void mean_of_line(float *line, int64_t width, int channels, const Weights *w, float *out)
{
    mirror_row(line, width, channels, w->reach);
    along_row(line + (int64_t)w->reach * channels, width * channels, channels, w, out);
}

/* Means of neighbours of an image (height, width, channels). Not 0 where memory is missing. */
static int mean_along_both(const float *in, int64_t height, int64_t width, int channels, const Weights *w,
                           float *out)
{
    const int64_t n = width * channels;
    const Ring all = {(float *)in, n, height};
    float *line = floats(n + 2 * (int64_t)w->reach * channels);
    if (!line)
        return 1;
    for (int64_t y = 0; y < height; y++) {
        sum_columns(&all, y, height, n, w, line + (int64_t)w->reach * channels, 0);
        mean_of_line(line, width, channels, w, out + y * n);
    }
    free(line);
    return 0;
}

/* ---- row by row --------------------------------------------------------------------------- */

/* A row of the image as the steps so far have it. */
static void read_row(const Chain *c, int64_t y, int64_t n, float *row)
{
    const int piece = per_piece(c);
    for (int64_t x = 0; x < n; x += piece) {
        const int some = n - x < piece ? (int)(n - x) : piece;
        begin(c, y * n + x, some, row + x, 0);
        run(c, y * n + x, some, row + x, 0);
    }
}

/* Its means through the steps behind, and to their place in the record; or to where values are held. */
static void write_row(const Chain *behind, char *record, int64_t y, int64_t n, const float *row)
{
    _Alignas(64) float v[PIECE];
    const int piece = per_piece(behind);
    if (behind->held) {
        memcpy(behind->held + y * n, row, (size_t)n * sizeof *row);
        return;
    }
    for (int64_t x = 0; x < n; x += piece) {
        const int some = n - x < piece ? (int)(n - x) : piece;
        memcpy(v, row + x, (size_t)((some + 15) & ~15) * sizeof *v);
        run(behind, y * n + x, some, v, 0);
        hand_over(behind, record, y * n + x, some, v);
    }
}

/* Means of an image of which all values are there; see above. With `amounts`, one for each channel,
 * so far away from them. `behind` has the steps that follow, or somewhere to hold the values, which may
 * be where they are held. Not 0 where memory is missing. */
static int mean_by_rows(const Chain *c, const Chain *behind, const Weights *w, const float *amounts,
                        char *record)
{
    const int channels = c->channels;
    const int64_t width = c->r->width, height = c->r->pixels / width, n = width * channels;
    const int64_t reached = 2 * (int64_t)w->reach + 2, most = reached < height ? reached : height;
    const int64_t apart = (n + SLACK + 15) & ~15, margin = (int64_t)w->reach * channels;
    /* Rows and the middle of the line begin where lines of the cache do: the vectors of rows that are
     * added to one another lie in one line each. */
    const int64_t wide = (apart + 2 * margin + 15) & ~15, numbers = apart * (most + 1) + 2 * wide + 16;
    void *memory = 0;
    if (posix_memalign(&memory, 64, (size_t)numbers * sizeof(float)))
        return 1;
    memset(memory, 0, (size_t)numbers * sizeof(float));
    const Ring ring = {memory, apart, most};
    float *out = ring.memory + apart * most, *line = out + apart + (-margin & 15);
    for (int64_t y = 0, next = 0; y < height; y++) {
        if (y % 2 == 0) {
            const int two = y + 1 < height;
            for (; next < height && next <= y + two + w->reach; next++)
                read_row(c, next, n, row_of_ring(&ring, next % most, 0));
            sum_columns(&ring, y, height, n, w, line + margin, two ? line + wide + margin : 0);
        }
        mean_of_line(line + y % 2 * wide, width, channels, w, out);
        const float *was = row_of_ring(&ring, y % most, 0);
        for (int64_t x = 0; amounts && x < n; x += channels)
            for (int k = 0; k < channels; k++)
                out[x + k] = amounts[k] == 0 ? was[x + k] : was[x + k] + amounts[k] * (was[x + k] - out[x + k]);
        write_row(behind, record, y, n, out);
    }
    free(memory);
    return 0;
}

#endif
