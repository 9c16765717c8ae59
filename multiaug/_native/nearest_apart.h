/* Nearest pixels where a map keeps rows and columns apart: the column of every pixel is found once for
 * all rows, and a row that shows the same row of the source as the one before is a copy of it. */
#ifndef MULTIAUG_NEAREST_APART_H
#define MULTIAUG_NEAREST_APART_H

#include "nearest.h"
#include "separable.h"

/* Bytes that are picked from sixteen neighbours at a time, up to so many times. */
enum { PICKED = 16, MOST_PICKS = 4 };

/* Where sixteen pixels of a row are read: in the order of `places`, of which those with the highest bit
 * are none, from sixteen neighbours each, which follow one another from `base` on; or one by one, where
 * none are. */
typedef struct {
    uint8_t places[MOST_PICKS][PICKED];
    int32_t base, count;
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

/* Bytes of a row that will be read. */
INLINE void fetch_bytes(const char *row, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last + 64; i += 64)
        __builtin_prefetch((const char *)((uintptr_t)row + (uint64_t)i), 0, 2);
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
        const int count = (most - least) / PICKED + 1;
        picks[block].count = 0;
        if (least < 0 || count > MOST_PICKS || width < count * PICKED)
            continue;
        /* Nothing is read behind the row. */
        const int32_t end = width - count * PICKED, base = least < end ? least : end;
        picks[block].base = base, picks[block].count = count;
        for (int j = 0; j < count; j++)
            for (int k = 0; k < PICKED; k++) {
                const int32_t place = at[k] - base - j * PICKED;
                picks[block].places[j][k] = place >= 0 && place < PICKED ? (uint8_t)place : 0x80;
            }
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
        if (!pick->count) {
            gather_row(columns, i, i + PICKED, in, fill, out, 1, 1);
            continue;
        }
        __m128i found = _mm_setzero_si128();
        for (int j = 0; j < pick->count; j++) {
            const __m128i some = _mm_loadu_si128((const __m128i *)(in + pick->base + j * PICKED));
            const __m128i places = _mm_loadu_si128((const __m128i *)pick->places[j]);
            found = _mm_or_si128(found, _mm_shuffle_epi8(some, places));
        }
        _mm_storeu_si128((__m128i *)(out + i), found);
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
    int64_t first = g->w_in, last = -1;
    for (int i = 0; i < n; i++) {
        first = columns[i] >= 0 && columns[i] < first ? columns[i] : first;
        last = columns[i] > last ? columns[i] : last;
    }
    const char *source = l->in + row_of(l->rows, record) * l->in_bytes;
    char *out = l->out + record * l->out_bytes + from * n * pixel;
    for (int row = from, before = -2; row < to; row++, out += n * pixel) {
        const int32_t at = row_that_is_read(g, l, record, row);
        const int32_t ahead = row + ROWS_AHEAD < to ? row_that_is_read(g, l, record, row + ROWS_AHEAD) : -1;
        if (ahead >= 0 && ahead != at)
            fetch_bytes(source + (int64_t)ahead * g->w_in * pixel, first * pixel, last * pixel);
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
