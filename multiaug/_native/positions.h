/* Where the pixels of a row are read. */
#ifndef MULTIAUG_POSITIONS_H
#define MULTIAUG_POSITIONS_H

#include "warp.h"
#include "simd.h"

/* Pixels of a row at a time: enough that what is done once for all of them does not count, and few
 * enough that positions and three planes of four taps stay in the first-level cache. And room for a
 * whole vector behind the last one. */
enum { CHUNK = 256, ROOM = CHUNK + 16 };

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

/* Where the pixels of a chunk are read. Arrays are worked on by whole vectors, from any pixel on: what
 * stands behind its pixels is not looked at, but indices there can be read. */
typedef struct {
    float x[ROOM], y[ROOM]; /* positions in pixels of the source */
    float fx[ROOM], fy[ROOM];
    int32_t index[ROOM]; /* of the upper left tap; that of the first pixel at a border */
    int32_t near[ROOM];  /* of the upper left one of four pixels of the source next to it */
    uint8_t kinds[CHUNK / WIDE]; /* of its vectors of pixels */
    Run runs[CHUNK];             /* neighbours of one place */
    int n_runs;
    float knots[2][MAX_KNOTS]; /* of the row, x and y */
    float rising[2][MAX_KNOTS]; /* their derivatives from row to row */
    int sloped;                 /* the Jacobian is known pixel by pixel, row by row: */
    float slope[4][ROOM];
    int folded; /* the border that `taps` are of; -1 for none */
    Taps taps[CHUNK]; /* of pixels at a border */
} ALIGNED Chunk;

/* Inside, with four taps; on a pixel centre; near or over the edge; where no tap is inside. */
enum { BETWEEN, EXACT, BORDER, BEYOND };

/* Vectors of which all pixels are between pixels or on one; some; of no pixel a tap is inside. */
enum { INSIDE, MIXED, OUTSIDE };

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
    const float *slopes = g->slope_y ? g->slope_y + (int64_t)row * g->knots_y : 0;
    memset(c->knots, 0, sizeof c->knots);
    memset(c->rising, 0, sizeof c->rising);
    for (int axis = 0; axis < 2; axis++)
        for (int r = 0; r < g->knots_y; r++) {
            const float *values =
                g->control + ((record * 2 + axis) * g->knots_y + r) * g->knots_x;
            for (int k = 0; k < g->knots_x && weights[r] != 0; k++)
                c->knots[axis][k] += weights[r] * values[k];
            for (int k = 0; slopes && k < g->knots_x && slopes[r] != 0; k++)
                c->rising[axis][k] += slopes[r] * values[k];
        }
}

/* The Jacobian of `bent_positions`, at n pixels: that of the matrix where the displacement leads, times that
 * of the displacement. */
static void bent_slopes(const Group *g, const float *m, int row, int first, int n, int to,
                        Chunk *restrict c)
{
    const float left = first - (g->w_out - 1) * 0.5f, below = row - (g->h_out - 1) * 0.5f;
    float *restrict xx = c->slope[0] + to, *restrict xy = c->slope[1] + to;
    float *restrict yx = c->slope[2] + to, *restrict yy = c->slope[3] + to;
    float dx[CHUNK], dy[CHUNK];
    for (int i = 0; i < n; i++)
        dx[i] = left + (float)i, dy[i] = below, xx[i] = 1, xy[i] = 0, yx[i] = 0, yy[i] = 1;
    for (int k = 0; k < g->knots_x; k++) {
        const float *weights = g->along_x + (int64_t)k * g->w_out + first;
        const float *slopes = g->slope_x + (int64_t)k * g->w_out + first;
        const float a = c->knots[0][k], b = c->knots[1][k];
        const float e = c->rising[0][k], f = c->rising[1][k];
        for (int i = 0; i < n; i++) {
            xx[i] += slopes[i] * a;
            yx[i] += slopes[i] * b;
            xy[i] += weights[i] * e;
            yy[i] += weights[i] * f;
        }
        for (int i = 0; !g->affine && i < n; i++) {
            dx[i] += weights[i] * a;
            dy[i] += weights[i] * b;
        }
    }
    for (int i = 0; i < n; i++) {
        float j[4] = {m[0], m[1], m[3], m[4]};
        if (!g->affine) {
            const float p = m[6] * dx[i], q = m[7] * dy[i], w = p + q + m[8];
            const float size = fabsf(p) + fabsf(q) + fabsf(m[8]), d = w > HORIZON * size ? w : 1;
            const float u = (m[0] * dx[i] + m[1] * dy[i] + m[2]) / d;
            const float v = (m[3] * dx[i] + m[4] * dy[i] + m[5]) / d;
            j[0] = (m[0] - u * m[6]) / d, j[1] = (m[1] - u * m[7]) / d;
            j[2] = (m[3] - v * m[6]) / d, j[3] = (m[4] - v * m[7]) / d;
        }
        const float a = xx[i], b = xy[i], e = yx[i], f = yy[i];
        xx[i] = j[0] * a + j[1] * e, xy[i] = j[0] * b + j[1] * f;
        yx[i] = j[2] * a + j[3] * e, yy[i] = j[2] * b + j[3] * f;
    }
}

/* From homogeneous positions, whose third number is a + b + m[8], to positions. */
INLINE void divide_by_depth(const float *m, fv a, fv b, fv *u, fv *v)
{
    const fv size = absolute(a) + absolute(b) + fabsf(m[8]), w = a + b + m[8];
    const mask seen = less(HORIZON * size, w);
    const fv divisor = choose(seen, w, splat(1));
    *u = choose(seen, *u / divisor, splat(FAR));
    *v = choose(seen, *v / divisor, splat(FAR));
}

/* Displaced first, then by the matrix. The knots of a vector of pixels are few: weights that are all 0
 * add nothing, whatever stands at their knots. */
static void bent_positions(const Group *g, const float *m, int row, int first, int n,
                           const Chunk *c, float *restrict px, float *restrict py)
{
    const float cx_in = (g->w_in - 1) * 0.5f, cy_in = (g->h_in - 1) * 0.5f;
    const float left = first - (g->w_out - 1) * 0.5f, y = row - (g->h_out - 1) * 0.5f;
    const fv nothing = {0};
    int begin = 0;
    for (int i = 0; i < n; i += WIDE) {
        fv dx = nothing, dy = nothing;
        int met = 0;
        for (int k = begin; k < g->knots_x; k++) {
            const float *weights = g->along_x + (int64_t)k * g->w_out + first + i;
            fv weight = nothing;
            if (i + WIDE <= n)
                weight = load_fv(weights);
            else
                memcpy(&weight, weights, (n - i) * sizeof(float));
            if (!bits_of(not_equal(weight, nothing))) {
                begin += !met;
                continue;
            }
            met = 1;
            dx += weight * c->knots[0][k];
            dy += weight * c->knots[1][k];
        }
        const fv x = left + __builtin_convertvector(steps() + i, fv) + dx, v = y + dy;
        fv u = m[0] * x + m[1] * v + m[2], w = m[3] * x + m[4] * v + m[5];
        if (!g->affine)
            divide_by_depth(m, m[6] * x, m[7] * v, &u, &w);
        store_fv(px + i, u + cx_in);
        store_fv(py + i, w + cy_in);
    }
}

/* Of n pixels of a row, to `to` and behind it in x and y of a chunk. */
static void positions(const Group *g, int64_t record, int row, int first, int n, int to,
                      Chunk *restrict c)
{
    c->sloped = is_displaced(g, record) && (g->slope_x || g->planes > 2);
    if (is_displaced(g, record) && g->control) {
        bent_positions(g, g->maps + 9 * record, row, first, n, c, c->x + to, c->y + to);
        if (c->sloped)
            bent_slopes(g, g->maps + 9 * record, row, first, n, to, c);
        return;
    }
    if (is_displaced(g, record)) {
        const float *at = g->field + record * g->planes * g->plane + (int64_t)row * g->w_out + first;
        memcpy(c->x + to, at, n * sizeof(float));
        memcpy(c->y + to, at + g->plane, n * sizeof(float));
        for (int k = 0; c->sloped && k < 4; k++)
            memcpy(c->slope[k] + to, at + (2 + k) * g->plane, n * sizeof(float));
        return;
    }
    float m[9];
    memcpy(m, g->maps + 9 * record, sizeof m);
    const float cx_in = (g->w_in - 1) * 0.5f, cy_in = (g->h_in - 1) * 0.5f;
    const float left = first - (g->w_out - 1) * 0.5f, y = row - (g->h_out - 1) * 0.5f;
    for (int i = 0; i < n; i += WIDE) {
        const fv x = left + __builtin_convertvector(steps() + i, fv);
        fv u = m[0] * x + m[1] * y + m[2], v = m[3] * x + m[4] * y + m[5];
        if (!g->affine)
            divide_by_depth(m, m[6] * x, splat(m[7] * y), &u, &v);
        store_fv(c->x + to + i, u + cx_in);
        store_fv(c->y + to + i, v + cy_in);
    }
}

/* Neighbours of one place, from two bits of each pixel's. */
static void find_runs(const uint64_t *outside, const uint64_t *second, int n, Chunk *c)
{
    c->n_runs = 0;
    for (int from = 0, to = 0; from < n; from = to) {
        const uint64_t is_outside = outside[from / 64] >> from % 64 & 1;
        const uint64_t is_second = second[from / 64] >> from % 64 & 1;
        for (;;) {
            const uint64_t other = (outside[to / 64] ^ -is_outside) | (second[to / 64] ^ -is_second);
            if (other >> to % 64) {
                to += __builtin_ctzll(other >> to % 64);
                break;
            }
            to += 64 - to % 64;
            if (to >= n)
                break;
        }
        to = to < n ? to : n;
        c->runs[c->n_runs++] = (Run){from, to, (int)(2 * is_outside + is_second)};
    }
}

/* Pixels from .. to of a row. */
typedef struct {
    int from, to;
} Stretch;

/* Of n numbers that only rise, or only fall, by about `slope` each: the first on the other side of
 * `bound` than those before it, where a number that is equal to it belongs above. */
static int crossing(const float *v, int n, float slope, float bound)
{
    const int rising = slope >= 0;
    if ((v[0] >= bound) == rising)
        return 0;
    if ((v[n - 1] >= bound) != rising)
        return n;
    int i = (int)min(max((bound - v[0]) / slope, 1), n - 1);
    while (i > 0 && (v[i - 1] >= bound) == rising)
        i--;
    while ((v[i] >= bound) != rising)
        i++;
    return i;
}

/* Those that are at least `low` and below `high`. */
static Stretch stretch_of(const float *v, int n, float slope, float low, float high)
{
    const int at_low = crossing(v, n, slope, low), at_high = crossing(v, n, slope, high);
    return slope >= 0 ? (Stretch){at_low, at_high} : (Stretch){at_high, at_low};
}

static Stretch both(Stretch a, Stretch b, int otherwise)
{
    const Stretch s = {a.from > b.from ? a.from : b.from, a.to < b.to ? a.to : b.to};
    return s.from < s.to ? s : (Stretch){otherwise, otherwise};
}

/* The upper left one of four pixels that are all inside, next to a pixel. */
INLINE iv nearby(const Group *g, iv ix, iv iy)
{
    const iv right = (iv){0} + (g->w_in > 1 ? g->w_in - 2 : 0);
    const iv bottom = (iv){0} + (g->h_in > 1 ? g->h_in - 2 : 0);
    return choose_iv(less_iv(iy, bottom), iy, bottom) * g->w_in + choose_iv(less_iv(ix, right), ix, right);
}

/* `locate` of pixels of one row whose positions are those of a matrix without perspective: in floating
 * point, too, they only rise or only fall along it, so that those inside are neighbours, and need not be
 * looked for one by one. Returns 0 where some lie on pixel centres, or on the last four of the source: those
 * are for `locate`. */
static int locate_row(const Group *g, const float *m, int n, Chunk *restrict c)
{
    const float above_minus_one = -0x1.fffffep-1f;
    const fv none = {0}, ends_x = splat(g->w_in - 1), ends_y = splat(g->h_in - 1);
    const iv last = (iv){0} + ((g->h_in - 2) * g->w_in + g->w_in - 2);
    if (!isfinite(c->x[0]) || !isfinite(c->x[n - 1]) || !isfinite(c->y[0]) || !isfinite(c->y[n - 1]))
        return 0;
    const Stretch near = both(stretch_of(c->x, n, m[0], above_minus_one, g->w_in),
                              stretch_of(c->y, n, m[3], above_minus_one, g->h_in), n);
    const Stretch in = both(stretch_of(c->x, n, m[0], 0, g->w_in - 1),
                            stretch_of(c->y, n, m[3], 0, g->h_in - 1), near.to);
    int others = 0;
    for (int i = 0; i < n; i += WIDE) {
        if (i + WIDE <= near.from || i >= near.to) {
            c->kinds[i / WIDE] = OUTSIDE;
            store_iv(c->index + i, (iv){0});
            continue;
        }
        fv x = load_fv(c->x + i), y = load_fv(c->y + i);
        mask inside = mask_of(1);
        const int whole = in.from <= i && i + WIDE <= in.to;
        c->kinds[i / WIDE] = whole ? INSIDE : MIXED;
        if (!whole) {
            const iv place = steps() + i;
            inside = less_iv(place, (iv){0} + in.to) & ~less_iv(place, (iv){0} + in.from);
            x = vmin(vmax(x, none), ends_x), y = vmin(vmax(y, none), ends_y);
        }
        const iv ix = __builtin_convertvector(x, iv), iy = __builtin_convertvector(y, iv);
        const fv fx = x - __builtin_convertvector(ix, fv), fy = y - __builtin_convertvector(iy, fv);
        const iv index = iy * g->w_in + ix;
        others |= bits_of(inside & ((equal(fx, none) & equal(fy, none)) | ~less_iv(index, last))) != 0;
        store_fv(c->fx + i, fx);
        store_fv(c->fy + i, fy);
        store_iv(c->index + i, whole ? index : choose_iv(inside, index, (iv){0}));
        store_iv(c->near + i, whole ? index : nearby(g, ix, iy));
    }
    if (others)
        return 0;
    store_iv(c->index + n, (iv){0});
    store_iv(c->near + n, (iv){0});
    const int ends[] = {0, near.from, in.from, in.to, near.to, n};
    const int places[] = {BEYOND, BORDER, BETWEEN, BORDER, BEYOND};
    c->folded = -1, c->n_runs = 0;
    for (int k = 0; k < 5; k++)
        if (ends[k] < ends[k + 1])
            c->runs[c->n_runs++] = (Run){ends[k], ends[k + 1], places[k]};
    return 1;
}

static void locate(const Group *g, int n, Chunk *restrict c)
{
    const float right = g->w_in - 1, bottom = g->h_in - 1;
    const fv none = {0}, ends_x = splat(right), ends_y = splat(bottom);
    const int32_t width = g->w_in;
    /* Wide loads may read one pixel too many: not behind the picture. */
    const iv last = (iv){0} + ((g->h_in - 2) * width + width - 2);
    uint64_t outside[CHUNK / 64] = {0}, second[CHUNK / 64] = {0};
    int i = 0;
    for (; i < n; i += WIDE) {
        const fv x = load_fv(c->x + i), y = load_fv(c->y + i);
        /* Clipped this way round, NaN becomes 0. */
        const fv px = vmin(vmax(x, none), ends_x), py = vmin(vmax(y, none), ends_y);
        const iv ix = __builtin_convertvector(px, iv), iy = __builtin_convertvector(py, iv);
        const fv fx = px - __builtin_convertvector(ix, fv);
        const fv fy = py - __builtin_convertvector(iy, fv);
        const iv index = iy * width + ix;
        const mask inside = equal(px, x) & equal(py, y) & less(px, ends_x) & less(py, ends_y) &
                               less_iv(index, last);
        const mask exact = equal(fx, none) & equal(fy, none);
        const mask beyond = ~(less(splat(-1), x) & less(x, ends_x + 1) & less(splat(-1), y) &
                                 less(y, ends_y + 1));
        store_fv(c->fx + i, fx);
        store_fv(c->fy + i, fy);
        store_iv(c->index + i, choose_iv(inside, index, (iv){0}));
        store_iv(c->near + i, nearby(g, ix, iy));
        c->kinds[i / WIDE] = all_set(inside) ? INSIDE : all_set(beyond) ? OUTSIDE : MIXED;
        outside[i / 64] |= (uint64_t)bits_of(~inside) << i % 64;
        second[i / 64] |= (uint64_t)bits_of((inside & exact) | (~inside & beyond)) << i % 64;
    }
    store_iv(c->index + i, (iv){0});
    store_iv(c->near + i, (iv){0});
    c->folded = -1;
    find_runs(outside, second, n, c);
}

/* How far, in pixels of the source, a row some rows below reads from this one. */
static int64_t distance_below(const Group *g, int64_t record, int row, int first, int n,
                              const Chunk *c)
{
    float dx, dy;
    if (is_displaced(g, record) && g->field) {
        if (row + ROWS_AHEAD >= g->h_out)
            return 0;
        const float *at = g->field + record * g->planes * g->plane +
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

/* Channels of the same pixels, which are fetched with the others. */
INLINE int is_beside(const ChannelBand *a, const ChannelBand *b)
{
    const int64_t apart = (int64_t)((uintptr_t)a->in - (uintptr_t)b->in);
    const int64_t pixel = (int64_t)a->stride * a->size;
    return -pixel < apart && apart < pixel && a->in_bytes == b->in_bytes;
}

/* A turned row reads its source across the lines of the cache, in an order that no hardware
 * foresees. Pictures that are not in the second-level cache wait a third of the time for it. */
static void fetch(const ChannelBand *l, const char *in, int64_t distance, int n, const Chunk *c)
{
    const int64_t pixel = (int64_t)l->stride * l->size;
    /* Pixels from line to line: those of a row follow one another, other rows are other lines. */
    const float lines = max(fabsf(c->x[n - 1] - c->x[0]) * pixel / 64, fabsf(c->y[n - 1] - c->y[0]));
    const int step = max(pixel < 3 ? 4 : pixel < 16 ? 2 : 1, min(n / lines, 16));
    /* Pixels longer than a line are read in order. Into the second-level cache: the first is for what
     * this row and the next ones read. */
    for (int i = 0; i < n && pixel <= 64; i += step)
        __builtin_prefetch((const char *)((uintptr_t)in + (c->index[i] + distance) * pixel), 0, 2);
}

/* Every which row fetches: of small pixels rows next to each other read the same lines. */
INLINE int rows_of_fetch(const ChannelBand *l)
{
    const int64_t pixel = (int64_t)l->stride * l->size;
    return pixel == 1 ? ROWS_AHEAD : pixel <= 4 ? 2 : 1;
}

/* Where the next row is written: a line that is written in pieces is read before. Not of longer pixels,
 * whose lines may be written as a whole, past the caches; nor into the first-level cache, which what this
 * row reads needs. Of words of two bytes it costs more than it gains. */
static void fetch_result(const ChannelBand *l, const char *out, int n)
{
    const int64_t pixel = (int64_t)l->stride * l->size;
    for (int64_t i = 0; i < n * pixel && pixel < 64 && l->size == sizeof(float); i += 64)
        __builtin_prefetch(out + i, 0, 2);
}

/* What lies outside is the fill. */
INLINE int is_filled(int border) { return border == CONSTANT || border == CONSTANT_HARD; }

/* The same pixel again and again: of `bytes` bytes, and as many from pixel to pixel as `pixel` says. */
static void repeat_pixel(char *out, const char *value, int64_t count, int64_t pixel, int bytes)
{
    int k = 1;
    while (k < bytes && value[k] == value[0])
        k++;
    if (k == bytes && bytes == pixel)
        memset(out, value[0], (size_t)(count * pixel));
    else
        for (int64_t i = 0; i < count; i++)
            memcpy(out + i * pixel, value, bytes);
}

/* The position inside the picture, or on its rim, that stands for c. */
static float fold(float c, int size, int border, int resized)
{
    if (isnan(c))
        c = FAR;
    if (resized && is_filled(border) && c >= -0.5f && c <= size - 0.5f)
        c = min(max(c, 0), size - 1);
    if (border == CONSTANT)
        return min(max(c, -1), size);
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
        return min(max(c, 0), size);
    }
    if (border == REFLECT) {
        c -= 2 * size * floorf((c + 0.5f) / (2 * size));
        if (c > size - 0.5f)
            c = 2 * size - 1 - c;
    }
    if (border == MIRROR) {
        const float period = size > 1 ? 2 * size - 2 : 1;
        c -= period * floorf(c / period);
        c = min(c, period - c);
    }
    return min(max(c, 0), size - 1);
}

static void fold_axis(float c, int size, int border, int resized, int32_t *index, int *out,
                      float *fraction)
{
    c = fold(c, size, border, resized);
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
            fold_axis(c->x[i], g->w_in, border, g->resized, t->column, t->out_x, &t->fx);
            fold_axis(c->y[i], g->h_in, border, g->resized, t->row, t->out_y, &t->fy);
        }
    }
}

/* Pixels at a constant border need no list of taps: the other methods find theirs from positions, by
 * vectors. */
INLINE int is_plain_rim(const Group *g, const ChannelBand *l)
{
    return l->border == CONSTANT && !g->resized && g->w_in > 1 && g->h_in > 1;
}

/* How far, in pixels, the upper left tap of WIDE pixels at a constant border is from `near`, and the
 * fractions of their positions. Further than one pixel beyond, all is the same. */
typedef struct {
    iv right, down;
    fv fx, fy;
} Rim;

INLINE Rim rim_at(const Group *g, const Chunk *c, int i)
{
    const fv one = splat(1), none = {0};
    const fv x = vmin(vmax(load_fv(c->x + i), -one), splat(g->w_in));
    const fv y = vmin(vmax(load_fv(c->y + i), -one), splat(g->h_in));
    const fv column = floor_of(x), row = floor_of(y);
    const fv left = vmin(vmax(column, none), splat(g->w_in - 2.0f));
    const fv top = vmin(vmax(row, none), splat(g->h_in - 2.0f));
    return (Rim){__builtin_convertvector(column - left, iv), __builtin_convertvector(row - top, iv),
                 x - column, y - row};
}

/* The vectors of a chunk from the first to the last one that is not all outside. */
INLINE Stretch vectors_near(const Chunk *c, int n)
{
    Stretch s = {0, (n + WIDE - 1) / WIDE};
    while (s.from < s.to && c->kinds[s.from] == OUTSIDE)
        s.from++;
    while (s.from < s.to && c->kinds[s.to - 1] == OUTSIDE)
        s.to--;
    return s;
}

INLINE const char *tap_of(const Group *g, const ChannelBand *l, const char *in, const Taps *t, int k,
                          int size)
{
    const int right = k & 1, lower = k >> 1;
    if (t->out_x[right] | t->out_y[lower])
        return l->fill;
    return in + ((int64_t)t->row[lower] * g->w_in + t->column[right]) * l->stride * size;
}

#endif
