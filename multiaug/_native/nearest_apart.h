/* Nearest pixels where a map keeps rows and columns apart: the column of every pixel is found once for
 * all rows, and a row that shows the same row of the source as the one before is a copy of it. */
#ifndef MULTIAUG_NEAREST_APART_H
#define MULTIAUG_NEAREST_APART_H

#include "nearest.h"
#include "separable.h"

/* Bytes that are picked from sixteen neighbours at a time. */
enum { PICKED = 16 };

/* Where sixteen pixels of a row are read: neighbours from `base` on, in the order of `places`; or one by
 * one, for a negative base. */
typedef struct {
    uint8_t places[PICKED];
    int64_t base;
} Pick;

/* Rows that are copied as a whole are none of these. */
INLINE int is_picked_apart(const Group *g, const ChannelBand *l, int64_t record)
{
    return l->method == NEAREST && keeps_axes(g, record) && fabsf(g->maps[9 * record]) != 1;
}

/* The nearest place along an axis; -1 for the fill. */
INLINE int32_t place_along(float c, int size, int border, int resized)
{
    int32_t index[2];
    int out[2];
    float fraction;
    fold_axis(c, size, border, resized, index, out, &fraction);
    return out[fraction >= 0.5f] ? -1 : index[fraction >= 0.5f];
}

static void find_columns(const Group *g, const ChannelBand *l, int64_t record, int32_t *columns)
{
    Chunk c;
    for (int first = 0; first < g->w_out; first += CHUNK) {
        const int n = g->w_out - first < CHUNK ? g->w_out - first : CHUNK;
        positions(g, record, 0, first, n, 0, &c);
        for (int i = 0; i < n; i++)
            columns[first + i] = place_along(c.x[i], g->w_in, l->border, g->resized);
    }
}

static int32_t row_that_is_read(const Group *g, const ChannelBand *l, int64_t record, int row)
{
    Chunk c;
    positions(g, record, row, 0, 1, 0, &c);
    return place_along(c.y[0], g->h_in, l->border, g->resized);
}

/* How whole blocks of sixteen pixels are picked from a source of so many columns. */
static void find_picks(const int32_t *columns, int n, int width, Pick *picks)
{
    for (int block = 0; block < n / PICKED; block++) {
        const int32_t *at = columns + block * PICKED;
        int32_t least = at[0], most = at[0];
        for (int k = 1; k < PICKED; k++) {
            least = at[k] < least ? at[k] : least;
            most = at[k] > most ? at[k] : most;
        }
        picks[block].base = -1;
        if (least < 0 || most - least >= PICKED || width < PICKED)
            continue;
        /* Nothing is read behind the row. */
        const int32_t base = least < width - PICKED ? least : width - PICKED;
        picks[block].base = base;
        for (int k = 0; k < PICKED; k++)
            picks[block].places[k] = (uint8_t)(at[k] - base);
    }
}

INLINE void gather_row(const int32_t *columns, int from, int to, const char *in, const char *fill, char *out,
                       int64_t pixel, int bytes)
{
    for (int i = from; i < to; i++)
        memcpy(out + i * pixel, columns[i] < 0 ? fill : in + columns[i] * pixel, bytes);
}

static void gather_bytes(const int32_t *columns, const Pick *picks, int n, const char *in, const char *fill,
                         char *out)
{
    int i = 0;
#ifdef __AVX2__
    for (; i + PICKED <= n; i += PICKED) {
        const Pick *pick = picks + i / PICKED;
        if (pick->base < 0) {
            gather_row(columns, i, i + PICKED, in, fill, out, 1, 1);
            continue;
        }
        const __m128i found = _mm_loadu_si128((const __m128i *)(in + pick->base));
        const __m128i places = _mm_loadu_si128((const __m128i *)pick->places);
        _mm_storeu_si128((__m128i *)(out + i), _mm_shuffle_epi8(found, places));
    }
#else
    (void)picks;
#endif
    gather_row(columns, i, n, in, fill, out, 1, 1);
}

/* Rows from .. to of the result of a band. */
static void nearest_rows_apart(const Group *g, const ChannelBand *l, int64_t record, int from, int to,
                               Scratch *s)
{
    const int n = g->w_out, bytes = l->channels * l->size;
    const int64_t pixel = (int64_t)l->stride * l->size, whole = bytes == pixel;
    int32_t *columns = room(s, WEIGHTS_X, n * sizeof(int32_t));
    Pick *picks = room(s, WEIGHTS_Y, (n / PICKED + 1) * sizeof(Pick));
    if (!columns || !picks)
        return;
    find_columns(g, l, record, columns);
    find_picks(columns, n, g->w_in, picks);
    const char *source = l->in + row_of(l->rows, record) * l->in_bytes;
    char *out = l->out + record * l->out_bytes + from * n * pixel;
    for (int row = from, before = -2; row < to; row++, out += n * pixel) {
        const int32_t at = row_that_is_read(g, l, record, row);
        const char *in = source + (int64_t)at * g->w_in * pixel;
        if (at < 0)
            repeat_pixel(out, l->fill, n, pixel, bytes);
        else if (at == before && whole)
            memcpy(out, out - n * pixel, n * pixel);
        else if (whole && pixel == 1)
            gather_bytes(columns, picks, n, in, l->fill, out);
        else if (whole && pixel == 2)
            gather_row(columns, 0, n, in, l->fill, out, 2, 2);
        else if (whole && pixel == 4)
            gather_row(columns, 0, n, in, l->fill, out, 4, 4);
        else
            gather_row(columns, 0, n, in, l->fill, out, pixel, bytes);
        before = at;
    }
}

#endif
