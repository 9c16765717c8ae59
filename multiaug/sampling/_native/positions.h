/* Where the pixels of a row are read. */
#ifndef MULTIAUG_POSITIONS_H
#define MULTIAUG_POSITIONS_H

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
    int folded; /* the border that `taps` are of; -1 for none */
    Taps taps[CHUNK];     /* of pixels at a border */
} Chunk;

/* Inside, with four taps; on a pixel centre; near or over the edge; where no tap is inside. */
enum { BETWEEN, EXACT, BORDER, BEYOND };

/* Where a record stands that is read for another. */
INLINE int64_t row_of(const int64_t *rows, int64_t record) { return rows ? rows[record] : record; }

/* Its positions are in `field`, and not from `maps`. */
INLINE int is_displaced(const Group *g, int64_t record)
{
    return g->displaced && g->displaced[record];
}

/* ---- positions ------------------------------------------------------------------------- */

static void positions(const Group *g, int64_t record, int row, int first, int n,
                      Chunk *restrict c)
{
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
    if (is_displaced(g, record)) {
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

#endif
