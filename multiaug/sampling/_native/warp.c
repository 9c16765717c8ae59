/* The compiled formulation of the sampler for CPUs.
 *
 * Reads the pictures where the caller has them and writes results in their place: no padded
 * copy, no packed words. Positions, folding and blending follow `_plan.coordinates`, `_locate` and
 * `_blend`, in the same float32 arithmetic; tests/sampling/test_formulations.py holds them together.
 *
 * Compiled once per instruction set (LEVEL), see `dispatch.c`, without fused multiplications, as
 * XLA computes: linear blends have the bits of the reference, on every machine. A record is
 * independent of all others, and a row of all other rows: results do not depend on threads or on
 * batch sizes.
 */
#include "vectors.h"
#include "warp.h"

/* Pixels of a row at a time: their positions, and four taps of eight channels, stay in the first-
 * level cache. */
enum { CHUNK = 128 };

/* What a row so far below reads is fetched from memory while this one is sampled. */
enum { ROWS_AHEAD = 4 };

static const float FAR = 1e12f, LOST = 1e9f, HORIZON = 1e-5f;
static const float HALF = 0.5f - 1e-6f;

/* The four taps of a pixel at or beyond a border. */
typedef struct {
    int32_t column[2], row[2];
    int out_x[2], out_y[2];
    float fx, fy;
} Taps;

typedef struct {
    int from, to, place;
} Run;

/* Where the pixels of a chunk are read. */
typedef struct {
    float x[CHUNK], y[CHUNK]; /* positions in pixels of the source */
    float fx[CHUNK + 8], fy[CHUNK + 8]; /* read by eights from any pixel on */
    int32_t index[CHUNK]; /* of the upper left tap; that of the first pixel at a border */
    int32_t place[CHUNK]; /* BETWEEN, EXACT, BORDER or BEYOND */
    Run runs[CHUNK];      /* neighbours of one place */
    int n_runs;
    float knots[2][MOST_KNOTS]; /* of the row, x and y */
    int folded; /* the border that `taps` are of; -1 for none */
    Taps taps[CHUNK];     /* of pixels at a border */
} Chunk;

/* Inside, with four taps; on a pixel centre; near or over the edge; where no tap is inside. */
enum { BETWEEN, EXACT, BORDER, BEYOND };

/* Where a record stands that is read for another. */
INLINE int64_t row_of(const int64_t *rows, int64_t record) { return rows ? rows[record] : record; }

/* Its positions are not those of its matrix alone. */
INLINE int is_displaced(const Group *g, int64_t record)
{
    return g->displaced && g->displaced[record];
}

/* ---- positions ------------------------------------------------------------------------- */

/* The control values that a row of the output lies between. */
static void knots_of_row(const Group *g, int64_t record, int row, Chunk *restrict c)
{
    if (!is_displaced(g, record) || !g->control)
        return;
    const float *weights = g->along_y + (int64_t)row * g->knots_y;
    memset(c->knots, 0, sizeof c->knots);
    for (int axis = 0; axis < 2; axis++)
        for (int r = 0; r < g->knots_y; r++) {
            const float *values =
                g->control + ((record * 2 + axis) * g->knots_y + r) * g->knots_x;
            for (int k = 0; k < g->knots_x && weights[r] != 0; k++)
                c->knots[axis][k] += weights[r] * values[k];
        }
}

/* Displaced first, then by the matrix. */
static void bent_positions(const Group *g, const float *m, int row, int first, int n,
                           Chunk *restrict c)
{
    const float cx_in = (g->w_in - 1) * 0.5f, cy_in = (g->h_in - 1) * 0.5f;
    const float left = first - (g->w_out - 1) * 0.5f, y = row - (g->h_out - 1) * 0.5f;
    float *restrict px = c->x, *restrict py = c->y;
    memset(px, 0, n * sizeof(float));
    memset(py, 0, n * sizeof(float));
    for (int k = 0; k < g->knots_x; k++) {
        const float *weights = g->along_x + (int64_t)k * g->w_out + first;
        const float a = c->knots[0][k], b = c->knots[1][k];
        for (int i = 0; i < n; i++) {
            px[i] += weights[i] * a;
            py[i] += weights[i] * b;
        }
    }
    for (int i = 0; i < n; i++) {
        const float x = left + (float)i + px[i], v = y + py[i];
        px[i] = m[0] * x + m[1] * v + m[2];
        py[i] = m[3] * x + m[4] * v + m[5];
        if (g->affine)
            continue;
        const float e = m[6] * x, f = m[7] * v;
        const float size = fabsf(e) + fabsf(f) + fabsf(m[8]);
        const float w = e + f + m[8];
        const int seen = w > HORIZON * size;
        px[i] = seen ? px[i] / w : FAR;
        py[i] = seen ? py[i] / w : FAR;
    }
    for (int i = 0; i < n; i++)
        px[i] += cx_in, py[i] += cy_in;
}

static void positions(const Group *g, int64_t record, int row, int first, int n,
                      Chunk *restrict c)
{
    if (is_displaced(g, record) && g->control) {
        bent_positions(g, g->maps + 9 * record, row, first, n, c);
        return;
    }
    if (is_displaced(g, record)) {
        const float *at = g->field + record * 2 * g->plane + (int64_t)row * g->w_out + first;
        memcpy(c->x, at, n * sizeof(float));
        memcpy(c->y, at + g->plane, n * sizeof(float));
        return;
    }
    float m[9];
    memcpy(m, g->maps + 9 * record, sizeof m);
    const float cx_in = (g->w_in - 1) * 0.5f, cy_in = (g->h_in - 1) * 0.5f;
    const float left = first - (g->w_out - 1) * 0.5f, y = row - (g->h_out - 1) * 0.5f;
    if (g->affine) {
        for (int i = 0; i < n; i++) {
            const float x = left + (float)i;
            c->x[i] = m[0] * x + m[1] * y + m[2] + cx_in;
            c->y[i] = m[3] * x + m[4] * y + m[5] + cy_in;
        }
        return;
    }
    for (int i = 0; i < n; i++) {
        const float x = left + (float)i;
        const float a = m[6] * x, b = m[7] * y;
        const float size = fabsf(a) + fabsf(b) + fabsf(m[8]);
        const float w = a + b + m[8];
        const int seen = w > HORIZON * size;
        const float divisor = seen ? w : 1.0f;
        const float u = (m[0] * x + m[1] * y + m[2]) / divisor;
        const float v = (m[3] * x + m[4] * y + m[5]) / divisor;
        c->x[i] = (seen ? u : FAR) + cx_in;
        c->y[i] = (seen ? v : FAR) + cy_in;
    }
}

/* Arrays of a chunk are worked on by eights; what stands beyond its n pixels is not looked at. */
static void locate(const Group *g, int n, Chunk *restrict c)
{
    const float right = g->w_in - 1, bottom = g->h_in - 1;
    const int32_t width = g->w_in;
    /* Wide loads may read one pixel too many: not behind the picture. */
    const int32_t last = (g->h_in - 2) * width + width - 2;
    const f8 ends_x = (f8){0} + right, ends_y = (f8){0} + bottom;
    for (int i = 0; i < n; i += 8) {
        const f8 x = wide_f32(c->x + i), y = wide_f32(c->y + i);
        /* Clipped this way round, NaN becomes 0. */
        const f8 px = where8(x > 0, x, (f8){0}), py = where8(y > 0, y, (f8){0});
        const f8 hx = where8(px < right, px, ends_x), hy = where8(py < bottom, py, ends_y);
        const i8 ix = __builtin_convertvector(hx, i8), iy = __builtin_convertvector(hy, i8);
        const f8 fx = hx - __builtin_convertvector(ix, f8);
        const f8 fy = hy - __builtin_convertvector(iy, f8);
        const i8 index = iy * width + ix;
        const i8 inside =
            (hx == x) & (hy == y) & (hx < right) & (hy < bottom) & (index < last);
        const i8 near = (x > -1) & (x < right + 1) & (y > -1) & (y < bottom + 1);
        const i8 exact = (fx == 0) & (fy == 0);
        const i8 place = (inside & ((exact & EXACT) | (~exact & BETWEEN))) |
                         (~inside & ((near & BORDER) | (~near & BEYOND)));
        put8_f32(c->fx + i, fx);
        put8_f32(c->fy + i, fy);
        put8_i32(c->index + i, index & inside);
        put8_i32(c->place + i, place);
    }
    c->folded = -1;
    c->n_runs = 0;
    for (int i = 0; i < n;) {
        const int32_t place = c->place[i];
        const int from = i;
        while (i + 8 <= n && all8(wide_i32(c->place + i) == place))
            i += 8;
        while (i < n && c->place[i] == place)
            i++;
        c->runs[c->n_runs++] = (Run){from, i, place};
    }
}

/* How far, in pixels of the source, a row some rows below reads from this one. */
static int64_t distance_below(const Group *g, int64_t record, int row, int first, int n,
                              const Chunk *c)
{
    float dx, dy;
    if (is_displaced(g, record) && g->field) {
        if (row + ROWS_AHEAD >= g->h_out)
            return 0;
        const float *at = g->field + record * 2 * g->plane +
                          (int64_t)(row + ROWS_AHEAD) * g->w_out + first + n / 2;
        dx = at[0] - c->x[n / 2], dy = at[g->plane] - c->y[n / 2];
    } else {
        const float *m = g->maps + 9 * record;
        dx = ROWS_AHEAD * m[1], dy = ROWS_AHEAD * m[4];
    }
    if (!(fabsf(dx) < g->w_in && fabsf(dy) < g->h_in))
        return 0;
    return (int64_t)floorf(dy) * g->w_in + (int64_t)floorf(dx);
}

/* A turned row reads its source across the lines of the cache, in an order that no hardware
 * foresees. Pictures that are not in the second-level cache wait a third of the time for it. */
static void fetch(const Lane *l, const char *in, int64_t distance, int n, const Chunk *c)
{
    const int64_t pixel = (int64_t)l->stride * l->size;
    const int step = pixel < 3 ? 4 : pixel < 16 ? 2 : 1;
    /* Pixels longer than a line are read in order. */
    for (int i = 0; i < n && pixel <= 64; i += step)
        __builtin_prefetch((const char *)((uintptr_t)in + (c->index[i] + distance) * pixel));
}

/* What lies outside is the fill. */
INLINE int is_filled(int border) { return border == CONSTANT || border == CONSTANT_HARD; }

/* The position inside the picture, or on its rim, that stands for c. */
static float fold(float c, int size, int border)
{
    if (isnan(c))
        c = FAR;
    if (border == CONSTANT)
        return least(most(c, -1), size);
    if (border == CONSTANT_HARD)
        return c >= 0 && c <= size - 1 ? c : -1;
    if (border == WRAP_CLASSIC) {
        const float period = size > 1 ? size - 1 : 1;
        if (c < 0)
            c += period * (floorf(-c / period) + 1);
        else if (c > period)
            c -= period * floorf(c / period);
    }
    if (border == WRAP) {
        c -= size * floorf(c / size);
        return least(most(c, 0), size);
    }
    if (border == REFLECT) {
        c -= 2 * size * floorf((c + 0.5f) / (2 * size));
        if (c > size - 0.5f)
            c = 2 * size - 1 - c;
    }
    if (border == MIRROR) {
        const float period = size > 1 ? 2 * size - 2 : 1;
        c -= period * floorf(c / period);
        c = least(c, period - c);
    }
    return least(most(c, 0), size - 1);
}

static void fold_axis(float c, int size, int border, int32_t *index, int *out, float *fraction)
{
    c = fold(c, size, border);
    const float whole = floorf(c);
    *fraction = c - whole;
    for (int t = 0; t < 2; t++) {
        /* A tap without weight must not be seen, whatever stands there. */
        int32_t i = (int32_t)whole + (*fraction > 0 ? t : 0);
        out[t] = is_filled(border) && (i < 0 || i >= size);
        if (border == WRAP && i >= size)
            i -= size;
        index[t] = i < 0 ? 0 : i >= size ? size - 1 : i;
    }
}

/* Taps of the pixels at a border, shared by all lanes of that border. */
static void fold_chunk(const Group *g, int border, Chunk *c)
{
    if (c->folded == border)
        return;
    c->folded = border;
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++) {
        if (r->place < BORDER || (is_filled(border) && r->place == BEYOND))
            continue;
        for (int i = r->from; i < r->to; i++) {
            Taps *t = c->taps + i;
            fold_axis(c->x[i], g->w_in, border, t->column, t->out_x, &t->fx);
            fold_axis(c->y[i], g->h_in, border, t->row, t->out_y, &t->fy);
        }
    }
}

/* Nothing but the fill is seen there. */
INLINE int is_fill(const Lane *l, const Chunk *c, int i)
{
    return c->place[i] == BEYOND && is_filled(l->border);
}

INLINE const char *tap_of(const Group *g, const Lane *l, const char *in, const Taps *t, int k,
                          int size)
{
    const int right = k & 1, lower = k >> 1;
    if (t->out_x[right] | t->out_y[lower])
        return l->fill;
    return in + ((int64_t)t->row[lower] * g->w_in + t->column[right]) * l->stride * size;
}

/* ---- blending -------------------------------------------------------------------------- */

#define LERP(a, b, f) ((a) + ((b) - (a)) * (f))
#define BLEND(a, b, c, d, fx, fy) LERP(LERP(a, b, fx), LERP(c, d, fx), fy)

#ifdef __AVX2__
/* Each tap is a word of three bytes and one that is not looked at; eight pixels are a vector. */
INLINE int rgb_u8(const uint8_t *in, int64_t W, const Chunk *c, int from, int to, uint8_t *out)
{
    uint32_t tap[4][CHUNK];
    const int n = to - from;
    for (int i = 0; i < n; i++) {
        const uint8_t *p = in + c->index[from + i] * 3;
        memcpy(tap[0] + i, p, 4);
        memcpy(tap[1] + i, p + 3, 4);
        memcpy(tap[2] + i, p + W, 4);
        memcpy(tap[3] + i, p + W + 3, 4);
    }
    const __m256i packed =
        _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2, 4, 5, 6,
                         8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    const __m256i byte = _mm256_set1_epi32(255);
    for (int i = 0; i < n; i += 8) {
        const f8 fx = wide_f32(c->fx + from + i), fy = wide_f32(c->fy + from + i);
        __m256i words = _mm256_setzero_si256();
        for (int k = 0; k < 3; k++) {
            f8 t[4];
            for (int q = 0; q < 4; q++) {
                const __m256i four = _mm256_loadu_si256((const __m256i *)(tap[q] + i));
                t[q] = (f8)_mm256_cvtepi32_ps(
                    _mm256_and_si256(_mm256_srli_epi32(four, 8 * k), byte));
            }
            const f8 mixed = BLEND(t[0], t[1], t[2], t[3], fx, fy) + BELOW_HALF;
            words = _mm256_or_si256(words,
                                    _mm256_slli_epi32(_mm256_cvttps_epi32((__m256)mixed), 8 * k));
        }
        words = _mm256_shuffle_epi8(words, packed);
        const __m128i lower = _mm256_castsi256_si128(words);
        const __m128i upper = _mm256_extracti128_si256(words, 1);
        uint8_t *at = out + 3 * (from + i);
        if (i + 10 <= n) {
            /* Four bytes of the next two pixels are written again by the next turn. */
            _mm_storeu_si128((__m128i *)at, lower);
            _mm_storeu_si128((__m128i *)(at + 12), upper);
        } else {
            uint8_t last[28];
            _mm_storeu_si128((__m128i *)last, lower);
            _mm_storeu_si128((__m128i *)(last + 12), upper);
            memcpy(at, last, 3 * (n - i));
        }
    }
    return to;
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
#include "linear.h"

/* ---- copies ---------------------------------------------------------------------------- */

INLINE void copies(const Group *g, const Lane *l, const char *in, const Chunk *c, int n, char *out,
                   int64_t pixel, int bytes)
{
    int32_t at[CHUNK];
    for (int i = 0; i < n; i += 8)
        put8_i32(at + i, wide_i32(c->index + i) + ((wide_f32(c->fx + i) >= 0.5f) & 1) +
                             ((wide_f32(c->fy + i) >= 0.5f) & g->w_in));
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++) {
        if (r->place <= EXACT) {
            for (int i = r->from; i < r->to; i++)
                memcpy(out + i * pixel, in + at[i] * pixel, bytes);
        } else if (r->place == BEYOND && is_filled(l->border)) {
            for (int i = r->from; i < r->to; i++)
                memcpy(out + i * pixel, l->fill, bytes);
        } else {
            for (int i = r->from; i < r->to; i++) {
                const Taps *t = c->taps + i;
                const int k = (t->fx >= 0.5f) + 2 * (t->fy >= 0.5f);
                memcpy(out + i * pixel, tap_of(g, l, in, t, k, l->size), bytes);
            }
        }
    }
}

static void nearest(const Group *g, const Lane *l, const char *in, const Chunk *c, int n, char *out)
{
    const int64_t pixel = (int64_t)l->stride * l->size;
    if (pixel == 1)
        copies(g, l, in, c, n, out, 1, 1);
    else if (pixel == 2 && l->channels == 1)
        copies(g, l, in, c, n, out, 2, 2);
    else if (pixel == 4 && l->channels == 1)
        copies(g, l, in, c, n, out, 4, 4);
    else
        copies(g, l, in, c, n, out, pixel, l->channels * l->size);
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
    if (least(left, right) < 0 || most(left, right) > g->w_in - 1)
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

static void copy_row(const Lane *l, const char *in, int step, int n, char *out)
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
    else
        backwards(in, out, n, pixel, bytes);
}

/* ---- pictures with holes --------------------------------------------------------------- */

/* The taps of a chunk by channel; not a number where there is nothing. */
typedef struct {
    float value[4][MOST_AWARE][CHUNK];
    float column[2][CHUNK], row[2][CHUNK]; /* of the taps */
    float fx[CHUNK], fy[CHUNK];
} Planes;

INLINE void lay_out_channels(const Group *g, const Lane *l, const float *in, const Chunk *c, int n,
                             Planes *p, int C)
{
    const int64_t S = l->stride, W = g->w_in * S;
    memcpy(p->fx, c->fx, sizeof p->fx);
    memcpy(p->fy, c->fy, sizeof p->fy);
    for (int i = 0; i < n; i += 8) {
        const f8 x = floor8(wide_f32(c->x + i)), y = floor8(wide_f32(c->y + i));
        put8_f32(p->column[0] + i, x);
        put8_f32(p->column[1] + i, x + 1);
        put8_f32(p->row[0] + i, y);
        put8_f32(p->row[1] + i, y + 1);
    }
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++) {
        int i = r->from;
#ifdef __AVX2__
        /* Of each tap of four pixels: three channels and what stands behind them, turned over. */
        for (; C == 3 && i + 4 <= r->to && r->place <= EXACT; i += 4)
            for (int t = 0; t < 4; t++) {
                const float *first = in + (t & 1 ? S : 0) + (t & 2 ? W : 0);
                __m128 v[4];
                for (int k = 0; k < 4; k++)
                    v[k] = _mm_loadu_ps(first + c->index[i + k] * S);
                _MM_TRANSPOSE4_PS(v[0], v[1], v[2], v[3]);
                for (int k = 0; k < 3; k++)
                    _mm_storeu_ps(p->value[t][k] + i, v[k]);
            }
#endif
        for (; i < r->to && r->place <= EXACT; i++) {
            const float *at = in + c->index[i] * S;
            for (int k = 0; k < C; k++) {
                p->value[0][k][i] = at[k];
                p->value[1][k][i] = at[k + S];
                p->value[2][k][i] = at[k + W];
                p->value[3][k][i] = at[k + W + S];
            }
        }
        for (; i < r->to; i++) {
            const Taps *t = c->taps + i;
            const int beyond = r->place == BEYOND && is_filled(l->border);
            for (int k = 0; k < 4; k++) {
                const char *at =
                    beyond ? l->fill : tap_of(g, l, (const char *)in, t, k, sizeof(float));
                for (int q = 0; q < C; q++)
                    p->value[k][q][i] = ((const float *)at)[q];
            }
            p->fx[i] = beyond ? 0 : t->fx, p->fy[i] = beyond ? 0 : t->fy;
            for (int k = 0; k < 2 && !beyond; k++)
                p->column[k][i] = t->column[k], p->row[k][i] = t->row[k];
        }
    }
}

static void lay_out(const Group *g, const Lane *l, const float *in, const Chunk *c, int n,
                    Planes *p)
{
    switch (l->channels) {
    case 1: lay_out_channels(g, l, in, c, n, p, 1); break;
    case 3: lay_out_channels(g, l, in, c, n, p, 3); break;
    default: lay_out_channels(g, l, in, c, n, p, l->channels);
    }
}

/* Invalid numbers become NaN; of joint channels, all together. */
static void judge(const Lane *l, int n, float (*value)[CHUNK])
{
    const int C = l->channels;
    const f8 none = (f8){0} + NAN;
    if (!l->numbered && !(l->joint && C > 1))
        return;
    for (int i = 0; i < n; i += 8) {
        i8 any = {0}, all = ~(i8){0};
        for (int k = 0; k < C; k++) {
            f8 v = wide_f32(value[k] + i);
            const i8 marked = l->numbered ? v == l->invalid : (i8){0};
            all &= marked;
            any |= v != v;
            if (l->numbered && !l->joint)
                put8_f32(value[k] + i, where8(marked, none, v));
        }
        if (!l->joint)
            continue;
        const i8 bad = l->numbered ? any | all : any;
        for (int k = 0; k < C; k++)
            put8_f32(value[k] + i, where8(bad, none, wide_f32(value[k] + i)));
    }
}

/* (X/Z, Y/Z) seen at positions in pixels of the source, by the intrinsics k. */
typedef struct {
    float fx, fy, skew, cx, cy, middle_x, middle_y, scale_x, scale_y;
} Rays;

static Rays rays_of(const Group *g, const float *k)
{
    return (Rays){1 / k[0], 1 / k[4], k[1], k[2], k[5], (g->w_in - 1) * 0.5f,
                  (g->h_in - 1) * 0.5f, 1 / g->scale_x, 1 / g->scale_y};
}

INLINE void rays_at(const Rays *r, f8 x, f8 y, f8 *u, f8 *v)
{
    *v = ((y - r->middle_y) * r->scale_y - r->cy) * r->fy;
    *u = ((x - r->middle_x) * r->scale_x - r->skew * *v - r->cx) * r->fx;
}

/* Blends 1/Z and what X and Y deviate from the rays of their pixels: see `roles/_position.py`. */
static void blend_on_rays(const Group *g, const Lane *l, const float *k, const Chunk *c, int n,
                          Planes *p, float (*mixed)[CHUNK])
{
    const Rays rays = rays_of(g, k);
    const int inside_only = l->border == CONSTANT;
    for (int i = 0; i < n; i += 8) {
        const f8 fx = wide_f32(p->fx + i), fy = wide_f32(p->fy + i);
        f8 total = {0}, inverse = {0}, off_x = {0}, off_y = {0}, u, v;
        for (int t = 0; t < 4; t++) {
            const f8 x = wide_f32(p->value[t][0] + i), y = wide_f32(p->value[t][1] + i);
            const f8 z = wide_f32(p->value[t][2] + i);
            const f8 weight = (t & 1 ? fx : 1 - fx) * (t & 2 ? fy : 1 - fy);
            const i8 used = (z > 0) & (x == x) & (y == y) & (weight > 0);
            rays_at(&rays, wide_f32(p->column[t & 1] + i), wide_f32(p->row[t >> 1] + i), &u, &v);
            const f8 w = where8(used, weight, (f8){0});
            total += w;
            inverse += w / where8(used, z, (f8){0} + 1);
            off_x += where8(used, (x - z * u) * weight, (f8){0});
            off_y += where8(used, (y - z * v) * weight, (f8){0});
        }
        const f8 x = wide_f32(c->x + i), y = wide_f32(c->y + i);
        i8 known = total >= HALF;
        if (!inside_only)
            known &= (x < LOST) & (x > -LOST) & (y < LOST) & (y > -LOST);
        const f8 share = 1 / total, z = 1 / (inverse * share);
        rays_at(&rays, x, y, &u, &v);
        /* On a pixel centre, its own values: the first tap. */
        const i8 whole = (x == floor8(x)) & (y == floor8(y));
        const f8 none = (f8){0} + NAN;
        const f8 own[3] = {z * u + off_x * share, z * v + off_y * share, z};
        for (int q = 0; q < 3; q++)
            put8_f32(mixed[q] + i,
                     where8(known, where8(whole, wide_f32(p->value[0][q] + i), own[q]), none));
    }
}

static void blend_known(const Lane *l, const Chunk *c, int n, Planes *p, float (*mixed)[CHUNK])
{
    const f8 minus_zero = -(f8){0};
    const f8 none = (f8){0} + NAN;
    for (int i = 0; i < n; i += 8) {
        const f8 fx = wide_f32(p->fx + i), fy = wide_f32(p->fy + i);
        const f8 x = wide_f32(c->x + i), y = wide_f32(c->y + i);
        i8 there = ~(i8){0};
        if (l->border != CONSTANT)
            there = (x < LOST) & (x > -LOST) & (y < LOST) & (y > -LOST);
        for (int q = 0; q < l->channels; q++) {
            /* Adding to a negative zero changes nothing: a copy keeps the sign of its zeros. */
            f8 total = {0}, sum = minus_zero;
            for (int t = 0; t < 4; t++) {
                const f8 v = wide_f32(p->value[t][q] + i);
                const f8 weight = (t & 1 ? fx : 1 - fx) * (t & 2 ? fy : 1 - fy);
                const i8 used = (v == v) & (weight > 0);
                total += where8(used, weight, (f8){0});
                sum += where8(used, v * weight, minus_zero);
            }
            put8_f32(mixed[q] + i, where8((total >= HALF) & there, sum * (1 / total), none));
        }
    }
}

static void aware(const Group *g, const Lane *l, int64_t record, const float *in, const Chunk *c,
                  int n, float *out)
{
    Planes p;
    float mixed[MOST_AWARE][CHUNK];
    const int C = l->channels;
    const int64_t S = l->stride;
    lay_out(g, l, in, c, n, &p);
    if (l->rays) {
        blend_on_rays(g, l, l->rays + 9 * record, c, n, &p, mixed);
    } else {
        for (int t = 0; t < 4; t++)
            judge(l, n, p.value[t]);
        blend_known(l, c, n, &p, mixed);
    }
    if (l->matrix) {
        const float *m = l->matrix + 9 * record;
        for (int i = 0; i < n; i += 8) {
            const f8 x = wide_f32(mixed[0] + i), y = wide_f32(mixed[1] + i);
            const f8 z = wide_f32(mixed[2] + i);
            put8_f32(mixed[0] + i, m[0] * x + m[1] * y + m[2] * z);
            put8_f32(mixed[1] + i, m[3] * x + m[4] * y + m[5] * z);
            put8_f32(mixed[2] + i, m[6] * x + m[7] * y + m[8] * z);
        }
    }
    if (l->numbered)
        for (int q = 0; q < C; q++)
            for (int i = 0; i < n; i += 8) {
                const f8 v = wide_f32(mixed[q] + i);
                put8_f32(mixed[q] + i, where8(v == v, v, (f8){0} + l->invalid));
            }
    if (C == 3)
        for (int i = 0; i < n; i++)
            for (int q = 0; q < 3; q++)
                out[i * S + q] = mixed[q][i];
    else
        for (int q = 0; q < C; q++)
            for (int i = 0; i < n; i++)
                out[i * S + q] = mixed[q][i];
}

/* ---- all of it ------------------------------------------------------------------------- */

static void group_rows(const Group *g, int64_t record, int from, int to)
{
    Chunk c;
    for (int row = from; row < to; row++) {
        int64_t source = 0;
        int step = 0;
        const int copied = straight(g, record, row, &source, &step);
        int rest = 0;
        for (int k = 0; k < g->n_lanes; k++) {
            const Lane *l = g->lanes + k;
            if (!copied || l->method == AWARE) {
                rest = 1;
                continue;
            }
            const int64_t pixel = (int64_t)l->stride * l->size;
            copy_row(l, l->in + row_of(l->rows, record) * l->in_bytes + source * pixel, step, g->w_out,
                     l->out + record * l->out_bytes + (int64_t)row * g->w_out * pixel);
        }
        knots_of_row(g, record, row, &c);
        for (int first = 0; rest && first < g->w_out; first += CHUNK) {
            const int n = g->w_out - first < CHUNK ? g->w_out - first : CHUNK;
            positions(g, record, row, first, n, &c);
            locate(g, n, &c);
            const int64_t distance = distance_below(g, record, row, first, n, &c);
            for (int k = 0; k < g->n_lanes; k++) {
                const Lane *l = g->lanes + k;
                if (copied && l->method != AWARE)
                    continue;
                const char *in = l->in + row_of(l->rows, record) * l->in_bytes;
                fetch(l, in, distance, n, &c);
                fold_chunk(g, l->border, &c);
                char *out = l->out + record * l->out_bytes +
                            ((int64_t)row * g->w_out + first) * l->stride * l->size;
                if (l->method == NEAREST)
                    nearest(g, l, in, &c, n, out);
                else if (l->method == AWARE)
                    aware(g, l, record, (const float *)in, &c, n, (float *)out);
                else if (l->type == U8)
                    linear_u8(g, l, in, &c, out);
                else if (l->type == U16)
                    linear_u16(g, l, in, &c, out);
                else
                    linear_f32(g, l, in, &c, out);
            }
        }
    }
}

/* Every number is finite, or NaN where NaN means no data. `nan_is_fine` and `worst` are as long as
 * eight pixels, so that the loop over them is one of vectors. */
static int is_sound(const uint32_t *bits, int64_t n, const int32_t *nan_is_fine, int32_t *worst,
                    int period)
{
    const int32_t infinity = 0x7f800000;
    memset(worst, 0, period * sizeof(int32_t));
    int64_t i = 0;
    for (; i + period <= n; i += period)
        for (int k = 0; k < period; k++) {
            int32_t b = (int32_t)(bits[i + k] & 0x7fffffff);
            b = (b > infinity) & nan_is_fine[k] ? 0 : b;
            worst[k] = b > worst[k] ? b : worst[k];
        }
    for (int k = 0; i < n; i++, k++) {
        int32_t b = (int32_t)(bits[i] & 0x7fffffff);
        b = (b > infinity) & nan_is_fine[k] ? 0 : b;
        worst[k] = b > worst[k] ? b : worst[k];
    }
    int32_t most = 0;
    for (int k = 0; k < period; k++)
        most = worst[k] > most ? worst[k] : most;
    return most < infinity;
}

void JOIN(multiaug_recolour_one_, LEVEL)(const Recolouring *r, int64_t record);

void JOIN(multiaug_warp_, LEVEL)(const Batch *b)
{
    for (;;) {
        const int64_t item = __atomic_fetch_add(b->next, 1, __ATOMIC_RELAXED);
        if (item >= b->n_records * b->blocks)
            return;
        const int64_t record = item / b->blocks;
        const int block = (int)(item % b->blocks);
        for (int k = 0; k < b->n_checks; k++) {
            const Check *check = b->checks + k;
            int32_t worst[MOST_PERIOD];
            const int64_t from = check->length * block / b->blocks / check->period * check->period;
            const int64_t to = block + 1 == b->blocks
                                   ? check->length
                                   : check->length * (block + 1) / b->blocks / check->period *
                                         check->period;
            const int64_t row = row_of(check->rows, record);
            const uint32_t *bits = (const uint32_t *)(check->in + row * check->in_bytes);
            if (!is_sound(bits + from, to - from, check->nan_is_fine, worst, check->period))
                __atomic_store_n(b->suspicious, 1, __ATOMIC_RELAXED);
        }
        for (int k = 0; k < b->n_groups; k++) {
            const Group *g = b->groups + k;
            group_rows(g, record, (int)((int64_t)g->h_out * block / b->blocks),
                       (int)((int64_t)g->h_out * (block + 1) / b->blocks));
        }
        /* Values may depend on all of a record: whoever samples the last of it goes on. */
        if (b->n_recolourings && __atomic_sub_fetch(b->left + record, 1, __ATOMIC_ACQ_REL) == 0)
            for (int k = 0; k < b->n_recolourings; k++)
                JOIN(multiaug_recolour_one_, LEVEL)(b->recolourings + k, record);
    }
}
