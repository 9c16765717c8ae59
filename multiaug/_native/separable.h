/* Maps that keep the axes apart: sums over rows, then over columns.
 *
 * Of as many rows of the result as a vector has numbers, the sums over rows of the source are taken
 * first, along the rows; then they are transposed, so that a vector holds one column of these rows, and
 * the sums over columns need no neighbours. Every number is a sum in an order that depends on nothing but
 * the map. */
#ifndef MULTIAUG_SEPARABLE_H
#define MULTIAUG_SEPARABLE_H

#include "axis.h"
#include "blend.h"

/* Numbers of a row that are summed at a time: of all rows of a vector they lie in the first-level
 * cache. */
enum { PANEL = 1024 };
/* Vectors that are summed side by side. */
enum { ABREAST = 4 };

/* WIDE vectors of WIDE numbers: rows become columns. */
INLINE void transpose(fv v[WIDE])
{
#ifdef __AVX2__
    fv t[WIDE];
    for (int i = 0; i < WIDE; i += 4) {
        const fv a = low_of(v[i], v[i + 1]), b = high_of(v[i], v[i + 1]);
        const fv c = low_of(v[i + 2], v[i + 3]), d = high_of(v[i + 2], v[i + 3]);
        t[i] = low_pairs(a, c), t[i + 1] = high_pairs(a, c);
        t[i + 2] = low_pairs(b, d), t[i + 3] = high_pairs(b, d);
    }
    /* Now every quarter, or half, of t[4 q + k] holds column k of it for four rows. */
#ifdef __AVX512F__
    for (int k = 0; k < 4; k++) {
        const __m512 a = (__m512)t[k], b = (__m512)t[4 + k], c = (__m512)t[8 + k];
        const __m512 d = (__m512)t[12 + k];
        const __m512 e = _mm512_shuffle_f32x4(a, b, 0x44), f = _mm512_shuffle_f32x4(c, d, 0x44);
        const __m512 g = _mm512_shuffle_f32x4(a, b, 0xee), h = _mm512_shuffle_f32x4(c, d, 0xee);
        v[k] = (fv)_mm512_shuffle_f32x4(e, f, 0x88);
        v[4 + k] = (fv)_mm512_shuffle_f32x4(e, f, 0xdd);
        v[8 + k] = (fv)_mm512_shuffle_f32x4(g, h, 0x88);
        v[12 + k] = (fv)_mm512_shuffle_f32x4(g, h, 0xdd);
    }
#else
    for (int k = 0; k < 4; k++) {
        v[k] = (fv)_mm256_permute2f128_ps((__m256)t[k], (__m256)t[4 + k], 0x20);
        v[4 + k] = (fv)_mm256_permute2f128_ps((__m256)t[k], (__m256)t[4 + k], 0x31);
    }
#endif
#else
    for (int i = 0; i < WIDE; i++)
        for (int k = 0; k < i; k++) {
            const float kept = v[i][k];
            v[i][k] = v[k][i];
            v[k][i] = kept;
        }
#endif
}

/* WIDE numbers of an element type, and the first n of WIDE results. */
#ifdef __AVX512F__
INLINE fv wide_of_u8(const uint8_t *p)
{
    return (fv)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
INLINE fv wide_of_u16(const uint16_t *p)
{
    return (fv)_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)));
}
#elif defined __AVX2__
INLINE fv wide_of_u8(const uint8_t *p) { return wide_u8(p); }
INLINE fv wide_of_u16(const uint16_t *p) { return wide_u16(p); }
#else
INLINE fv wide_of_u8(const uint8_t *p) { return half_u8(p); }
INLINE fv wide_of_u16(const uint16_t *p) { return half_u16(p); }
INLINE void put_some_u8(uint8_t *p, fv v, int n)
{
    for (int k = 0; k < WIDE && k < n; k++)
        p[k] = one_u8(v[k]);
}
INLINE void put_some_u16(uint16_t *p, fv v, int n)
{
    for (int k = 0; k < WIDE && k < n; k++)
        p[k] = one_u16(v[k]);
}
INLINE void put_some_f32(float *p, fv v, int n)
{
    memcpy(p, &v, (n < WIDE ? n : WIDE) * sizeof(float));
}
#endif
INLINE fv wide_of_f32(const float *p) { return load_fv(p); }
INLINE void put_wide_f32(float *p, fv v) { store_fv(p, v); }
#ifdef __AVX512F__
INLINE void put_wide_u8(uint8_t *p, fv v)
{
    const __m512i whole = _mm512_cvttps_epi32((__m512)(v + BELOW_HALF));
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(whole));
}
INLINE void put_wide_u16(uint16_t *p, fv v)
{
    const __m512i whole = _mm512_cvttps_epi32((__m512)(v + BELOW_HALF));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(whole));
}
#else
INLINE void put_wide_u8(uint8_t *p, fv v) { put_some_u8(p, v, WIDE); }
INLINE void put_wide_u16(uint16_t *p, fv v) { put_some_u16(p, v, WIDE); }
#endif

/* Where numbers are summed, and where the results go. */
typedef struct {
    const Axis *rows, *columns;
    const void *in; /* first channel of the first pixel */
    void *out;      /* of the first row of the result */
    int64_t pixel, pixel_out; /* numbers from pixel to pixel */
    int64_t row, row_out;     /* and from row to row */
    int32_t type;
    int32_t as_floats; /* results are float32, whatever the source is */
    int32_t channels;
    int32_t width, height; /* of the source */
    int32_t n_columns; /* of the result */
    const void *fill_row; /* like a row of the source */
    const float *fill;    /* by channel */
    float *panel;         /* (WIDE, PANEL) sums over rows */
    float *transposed;    /* (columns, pixel, WIDE) the same, by columns; then the fill */
    float *strip;         /* (columns_of_strip, channels, WIDE) results, by columns */
} Separable;

/* As many columns of the result are put together before they are transposed: whole vectors. */
INLINE int columns_of_strip(int channels)
{
    const int vectors = 256 / (channels * WIDE);
    return WIDE * (vectors > 1 ? vectors : 1);
}

#define T uint8_t
#define NAME(x) x##_u8
#define SUBTRACTED 0
#include "separable.inc"

#define T uint16_t
#define NAME(x) x##_u16
#define SUBTRACTED 0
#include "separable.inc"

#define T float
#define NAME(x) x##_f32
#define SUBTRACTED 1
#include "separable.inc"

/* The axes of a map are apart: its rows are rows of the source, and so are its columns. */
INLINE int keeps_axes(const Group *g, int64_t record)
{
    const float *m = g->maps + 9 * record;
    return g->affine && !is_displaced(g, record) && m[1] == 0 && m[3] == 0;
}

/* The deviations of the low-pass before a record, (x, y); 0 for none. */
INLINE float sigma_of(const Group *g, const ChannelBand *l, int64_t record, int axis)
{
    return g->sigma && l->lowpass ? g->sigma[2 * record + axis] : 0;
}

INLINE int is_low_passed(const Group *g, const ChannelBand *l, int64_t record)
{
    return sigma_of(g, l, record, 0) > 0 || sigma_of(g, l, record, 1) > 0;
}

/* Whether a band of a record is summed by rows and columns. Not where nothing is low-passed and the map
 * leaves pixels out: then fewer are read one by one. */
INLINE int is_separable(const Group *g, const ChannelBand *l, int64_t record)
{
    const float *m = g->maps + 9 * record;
    if (l->method != LINEAR || !keeps_axes(g, record))
        return 0;
    if (is_low_passed(g, l, record))
        return 1;
    const float x = fabsf(m[0]), y = fabsf(m[4]);
    return x <= 1 && y <= 1 && (x < 1 || y < 1);
}

/* Whether a band of a record is not sampled pixel by pixel from its source. */
INLINE int is_apart(const Group *g, const ChannelBand *l, int64_t record)
{
    return is_separable(g, l, record) || is_low_passed(g, l, record);
}

/* Gives `p` its memory, and the fill as numbers. */
static int have_memory(Separable *p, const char *fill, Scratch *s)
{
    const int C = p->channels, size = p->type == U8 ? 1 : p->type == U16 ? 2 : 4;
    /* All columns that are read, and that of the fill behind them. */
    const int64_t numbers = (int64_t)(p->width + 1) * p->pixel + WIDE;
    const int64_t strip = (int64_t)columns_of_strip(C) * C;
    char *fill_row = room(s, FILL_ROW, (numbers + C) * sizeof(float));
    p->panel = room(s, PANELS, (int64_t)WIDE * PANEL * sizeof(float));
    p->transposed = room(s, COLUMNS, numbers * WIDE * sizeof(float));
    p->strip = room(s, STRIP, strip * WIDE * sizeof(float));
    if (s->failed)
        return 0;
    float *fills = (float *)fill_row + numbers;
    for (int k = 0; k < C; k++)
        fills[k] = p->type == U8    ? ((const uint8_t *)fill)[k]
                   : p->type == U16 ? ((const uint16_t *)fill)[k]
                                    : ((const float *)fill)[k];
    p->fill_row = fill_row, p->fill = fills;
    if (p->rows->filled) {
        memset(fill_row, 0, numbers * sizeof(float));
        for (int64_t i = 0; i < p->width; i++)
            memcpy(fill_row + i * p->pixel * size, fill, (int64_t)C * size);
    }
    return 1;
}

/* Sums over rows, then over columns, of all n rows of the result. */
static void rows_first(const Separable *p, int n)
{
    if (p->type == U8)
        rows_u8(p, p->in, n);
    else if (p->type == U16)
        rows_u16(p, p->in, n);
    else
        rows_f32(p, p->in, n);
}

/* Where a number stands in a list, or its end. */
INLINE int place_in(const int32_t *list, int count, int32_t number)
{
    int k = 0;
    while (k < count && list[k] != number)
        k++;
    return k;
}

/* Sums over columns, then over rows: of results with more rows than are read, whose sums over rows are few
 * terms. As many rows of the source as a vector has numbers are made as long as those of the result, for
 * all rows of the result that need no others. */
static void columns_first(const Separable *p, int n, Scratch *s)
{
    const Axis *a = p->rows;
    const int64_t length = (int64_t)p->n_columns * p->channels + WIDE;
    float *expanded = room(s, EXPANDED, (WIDE + 1) * length * sizeof(float));
    if (!expanded)
        return;
    float *filled = expanded + WIDE * length;
    for (int64_t i = 0; i < length && a->filled; i++)
        filled[i] = p->fill[i % p->channels];
    int32_t begin[WIDE + 1], list[WIDE];
    float ones[WIDE];
    for (int k = 0; k < WIDE; k++)
        begin[k] = k, ones[k] = 1;
    begin[WIDE] = WIDE;
    for (int row = 0; row < n;) {
        int count = 0, end = row;
        for (; end < n; end++) {
            int more = count;
            for (int k = a->begin[end]; k < a->begin[end + 1] && more <= WIDE; k++)
                if (a->index[k] < p->height && place_in(list, more, a->index[k]) == more) {
                    if (more < WIDE)
                        list[more] = a->index[k];
                    more++;
                }
            if (more > WIDE)
                break;
            count = more;
        }
        const Axis same = {begin, list, ones, list, 0, 0, 0};
        Separable q = *p;
        q.rows = &same, q.out = expanded, q.as_floats = 1;
        q.pixel_out = p->channels, q.row_out = length;
        rows_first(&q, count);
        for (; row < end; row++) {
            const float *source[WIDE + 1], *middle = filled;
            const int first = a->begin[row], terms = a->begin[row + 1] - first;
            for (int k = 0; k < terms; k++) {
                const int32_t index = a->index[first + k];
                source[k] = index < p->height ? expanded + place_in(list, count, index) * length
                                              : filled;
                if (index == a->middle[row])
                    middle = source[k];
            }
            if (p->type == U8)
                blended_u8(p, source, a->weight + first, terms, middle, row);
            else if (p->type == U16)
                blended_u16(p, source, a->weight + first, terms, middle, row);
            else
                blended_f32(p, source, a->weight + first, terms, middle, row);
        }
    }
}

/* Rows from .. to of the result of a band. */
static void separable_rows(const Group *g, const ChannelBand *l, int64_t record, int from, int to,
                           Scratch *s)
{
    const float *m = g->maps + 9 * record;
    const Reading across = {m[0], m[2], g->w_out, g->w_in, l->border, g->resized,
                            sigma_of(g, l, record, 0), g->radius};
    const Reading down = {m[4], m[5], g->h_out, g->h_in, l->border, g->resized,
                          sigma_of(g, l, record, 1), g->radius};
    Axis rows, columns;
    if (from >= to || !axis_of(&down, from, to, s, WEIGHTS_Y, &rows) ||
        !axis_of(&across, 0, g->w_out, s, WEIGHTS_X, &columns))
        return;
    const int64_t pixel = l->stride;
    Separable p = {
        .rows = &rows, .columns = &columns,
        .in = l->in + row_of(l->rows, record) * l->in_bytes,
        .out = l->out + record * l->out_bytes + from * g->w_out * pixel * l->size,
        .pixel = pixel, .pixel_out = pixel, .row = g->w_in * pixel, .row_out = g->w_out * pixel,
        .type = l->type, .channels = l->channels, .width = g->w_in, .height = g->h_in,
        .n_columns = g->w_out,
    };
    if (!have_memory(&p, l->fill, s))
        return;
    if (!(down.sigma > 0) && fabsf(m[4]) < 1)
        columns_first(&p, to - from, s);
    else
        rows_first(&p, to - from);
}

#endif
