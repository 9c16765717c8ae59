/* Float pictures in which numbers may be missing, and points on the rays of their pixels. */
#ifndef MULTIAUG_NAN_AWARE_H
#define MULTIAUG_NAN_AWARE_H

#include "blend.h"

#ifdef __AVX2__
/* Between four planes of WIDE pixels and vectors of four numbers of each fourth pixel. */
INLINE void transpose4x4(fv v[4])
{
    const fv a = low_of(v[0], v[1]), b = high_of(v[0], v[1]);
    const fv c = low_of(v[2], v[3]), d = high_of(v[2], v[3]);
    v[0] = low_pairs(a, c), v[1] = high_pairs(a, c);
    v[2] = low_pairs(b, d), v[3] = high_pairs(b, d);
}

/* Three planes of WIDE pixels as pixels that follow one another. */
#ifdef __AVX512F__
INLINE void interleave_threes(float *out, fv x, fv y, fv z)
{
    /* Of each of three vectors the numbers from x and y, and then those from z. */
    static const int32_t from_xy[3][WIDE] = {
        {0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5},
        {21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26},
        {0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0}};
    static const int32_t from_z[3][WIDE] = {
        {0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15},
        {0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15},
        {26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31}};
    for (int k = 0; k < 3; k++) {
        const __m512 two = _mm512_permutex2var_ps((__m512)x, (__m512i)load_iv(from_xy[k]), (__m512)y);
        store_fv(out + k * WIDE,
                 (fv)_mm512_permutex2var_ps(two, (__m512i)load_iv(from_z[k]), (__m512)z));
    }
}
#else
INLINE void interleave_threes(float *out, fv a, fv b, fv c)
{
    const __m256 x = (__m256)a, y = (__m256)b, z = (__m256)c;
    _mm256_storeu_ps(out + 0, _mm256_blend_ps(_mm256_blend_ps(
        _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(0, 0, 0, 1, 0, 0, 2, 0)),
        _mm256_permutevar8x32_ps(y, _mm256_setr_epi32(0, 0, 0, 0, 1, 0, 0, 2)), 146),
        _mm256_permutevar8x32_ps(z, _mm256_setr_epi32(0, 0, 0, 0, 0, 1, 0, 0)), 36));
    _mm256_storeu_ps(out + 8, _mm256_blend_ps(_mm256_blend_ps(
        _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(0, 3, 0, 0, 4, 0, 0, 5)),
        _mm256_permutevar8x32_ps(y, _mm256_setr_epi32(0, 0, 3, 0, 0, 4, 0, 0)), 36),
        _mm256_permutevar8x32_ps(z, _mm256_setr_epi32(2, 0, 0, 3, 0, 0, 4, 0)), 73));
    _mm256_storeu_ps(out + 16, _mm256_blend_ps(_mm256_blend_ps(
        _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(0, 0, 6, 0, 0, 7, 0, 0)),
        _mm256_permutevar8x32_ps(y, _mm256_setr_epi32(5, 0, 0, 6, 0, 0, 7, 0)), 73),
        _mm256_permutevar8x32_ps(z, _mm256_setr_epi32(0, 5, 0, 0, 6, 0, 0, 7)), 146));
}
#endif

/* The first three numbers of each fourth pixel, of the first n. */
INLINE void put_threes(float *out, int64_t S, const fv v[4], int n)
{
    if (n >= WIDE)
        for (int k = 0; k < WIDE; k++)
            put3(out + k * S, quarter(v[k % 4], k / 4), k + 1 < WIDE);
    else
        for (int q = 0; 4 * q < n; q++)
            for (int k = 0; k < 4 && 4 * q + k < n; k++)
                memcpy(out + (4 * q + k) * S, (const float *)(v + k) + 4 * q, 3 * sizeof(float));
}

/* The first n of WIDE pixels, whose three channels are planes; S numbers from pixel to pixel. */
INLINE void put_planes_of_three(float *out, int64_t S, fv v[4], int n)
{
    if (S == 3 && n >= WIDE) {
        interleave_threes(out, v[0], v[1], v[2]);
        return;
    }
    transpose4x4(v);
    put_threes(out, S, v, n);
}

/* Three channels of WIDE pixels that lie so far from each other, as planes; a fourth number is read. */
INLINE void planes_along(const float *in, int64_t distance, fv v[4])
{
    int64_t at[4][WIDE / 4];
    for (int k = 0; k < WIDE; k++)
        at[k % 4][k / 4] = k * distance;
    for (int k = 0; k < 4; k++)
        v[k] = quarters(in, at[k]);
    transpose4x4(v);
}
#endif

/* The four taps of WIDE pixels of three channels, as planes. What stands behind a run can be read. */
INLINE void planes_of(const float *in, int64_t S, int64_t W, const int32_t *index, fv v[4][4])
{
#ifdef __AVX2__
    int64_t at[4][WIDE / 4];
    for (int k = 0; k < WIDE; k++)
        at[k % 4][k / 4] = index[k] * S;
    for (int t = 0; t < 4; t++)
        for (int k = 0; k < 4; k++)
            v[t][k] = quarters(in + (t & 1 ? S : 0) + (t & 2 ? W : 0), at[k]);
    for (int t = 0; t < 4; t++)
        transpose4x4(v[t]);
#else
    for (int k = 0; k < WIDE; k++)
        for (int t = 0; t < 4; t++)
            for (int q = 0; q < 3; q++)
                v[t][q][k] = in[index[k] * S + (t & 1 ? S : 0) + (t & 2 ? W : 0) + q];
#endif
}

typedef float Plane[ROOM];

/* The taps of a chunk by channel; not a number where there is nothing. */
typedef struct {
    Plane value[4][MAX_NAN_AWARE];
    float fx[CHUNK], fy[CHUNK];
} ALIGNED Planes;

/* The same number for a run of pixels. */
INLINE void put_all(float *plane, int from, int to, float number)
{
    for (int i = from; i < to; i++)
        plane[i] = number;
}

INLINE void lay_out_channels(const Group *g, const ChannelBand *l, const float *in, const Chunk *c, int n,
                             Planes *p, int C)
{
    const int64_t S = l->stride, W = g->w_in * S;
    memcpy(p->fx, c->fx, n * sizeof(float));
    memcpy(p->fy, c->fy, n * sizeof(float));
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++) {
        int i = r->from;
        /* What is written behind the run is never looked at, or written again. */
        for (; C == 3 && i < r->to && r->place <= EXACT; i += WIDE) {
            fv v[4][4];
            planes_of(in, S, W, c->index + i, v);
            for (int t = 0; t < 4; t++)
                for (int k = 0; k < 3; k++)
                    store_fv(p->value[t][k] + i, v[t][k]);
        }
        for (; i < r->to && r->place <= EXACT; i++) {
            const float *at = in + c->index[i] * S;
            for (int k = 0; k < C; k++) {
                p->value[0][k][i] = at[k];
                p->value[1][k][i] = at[k + S];
                p->value[2][k][i] = at[k + W];
                p->value[3][k][i] = at[k + W + S];
            }
        }
        if (r->place == BEYOND && is_filled(l->border)) {
            for (int t = 0; t < 4; t++)
                for (int q = 0; q < C; q++)
                    put_all(p->value[t][q], i, r->to, ((const float *)l->fill)[q]);
            put_all(p->fx, i, r->to, 0);
            put_all(p->fy, i, r->to, 0);
            continue;
        }
        for (; i < r->to; i++) {
            const Taps *t = c->taps + i;
            for (int k = 0; k < 4; k++) {
                const float *at = (const float *)tap_of(g, l, (const char *)in, t, k, sizeof(float));
                for (int q = 0; q < C; q++)
                    p->value[k][q][i] = at[q];
            }
            p->fx[i] = t->fx, p->fy[i] = t->fy;
        }
    }
}

static void lay_out(const Group *g, const ChannelBand *l, const float *in, const Chunk *c, int n,
                    Planes *p)
{
    switch (l->channels) {
    case 1: lay_out_channels(g, l, in, c, n, p, 1); break;
    case 3: lay_out_channels(g, l, in, c, n, p, 3); break;
    default: lay_out_channels(g, l, in, c, n, p, l->channels);
    }
}

/* Invalid numbers become NaN; of joint channels, all together. */
static void judge(const ChannelBand *l, int n, Plane *value)
{
    const int C = l->channels;
    const fv none = splat(NAN), mark = splat(l->invalid);
    if (!l->numbered && !(l->joint && C > 1))
        return;
    for (int i = 0; i < n; i += WIDE) {
        mask valid = mask_of(1), unmarked = mask_of(0);
        for (int k = 0; k < C; k++) {
            const fv v = load_fv(value[k] + i);
            const mask marked = l->numbered ? equal(v, mark) : mask_of(0);
            unmarked |= ~marked;
            valid &= equal(v, v);
            if (l->numbered && !l->joint)
                store_fv(value[k] + i, choose(marked, none, v));
        }
        if (!l->joint)
            continue;
        for (int k = 0; k < C; k++)
            store_fv(value[k] + i, choose(valid & unmarked, load_fv(value[k] + i), none));
    }
}

/* (X/Z, Y/Z) seen at positions in pixels of the source, by the intrinsics k. */
typedef struct {
    float fx, fy, skew, cx, cy, middle_x, middle_y, scale_x, scale_y;
    float u_by_x, u_by_y, v_by_y, u_first, v_first; /* the same as linear functions */
} Rays;

static Rays rays_of(const Group *g, const float *k)
{
    Rays r = {1 / k[0], 1 / k[4], k[1], k[2], k[5], (g->w_in - 1) * 0.5f, (g->h_in - 1) * 0.5f,
              1 / g->scale_x, 1 / g->scale_y, 0, 0, 0, 0, 0};
    r.v_by_y = r.scale_y * r.fy;
    r.v_first = (-r.middle_y * r.scale_y - r.cy) * r.fy;
    r.u_by_x = r.scale_x * r.fx;
    r.u_by_y = -r.skew * r.v_by_y * r.fx;
    r.u_first = (-r.middle_x * r.scale_x - r.skew * r.v_first - r.cx) * r.fx;
    return r;
}

INLINE void rays_at(const Rays *r, fv x, fv y, fv *u, fv *v)
{
    *v = ((y - r->middle_y) * r->scale_y - r->cy) * r->fy;
    *u = ((x - r->middle_x) * r->scale_x - r->skew * *v - r->cx) * r->fx;
}

/* Neither lost nor beyond the horizon. */
INLINE mask is_somewhere(fv x, fv y)
{
    return less(absolute(x), splat(LOST)) & less(absolute(y), splat(LOST));
}

INLINE mask is_seen(const fv point[3])
{
    return less((fv){0}, point[2]) & ordered(point[0], point[1]);
}

/* The taps of WIDE pixels, not all of which need be known. */
typedef struct {
    float value[4][3][WIDE];
    float column[2][WIDE], row[2][WIDE];
    float fx[WIDE], fy[WIDE], x[WIDE], y[WIDE];
} ALIGNED Some;

/* Blends 1/Z and what X and Y deviate from the rays of their pixels: see `roles/_position.py`. */
static void blend_some(const Rays *rays, const Some *s, int inside_only, fv mixed[3])
{
    const fv fx = load_fv(s->fx), fy = load_fv(s->fy), nothing = {0};
    const fv x = load_fv(s->x), y = load_fv(s->y);
    fv total = nothing, inverse = nothing, off_x = nothing, off_y = nothing, u, v;
    for (int t = 0; t < 4; t++) {
        const fv tap[3] = {load_fv(s->value[t][0]), load_fv(s->value[t][1]), load_fv(s->value[t][2])};
        const fv weight = (t & 1 ? fx : 1 - fx) * (t & 2 ? fy : 1 - fy);
        const mask used = is_seen(tap) & less(nothing, weight);
        rays_at(rays, load_fv(s->column[t & 1]), load_fv(s->row[t >> 1]), &u, &v);
        total = add_where(used, total, weight);
        inverse = add_where(used, inverse, weight / tap[2]);
        off_x = add_where(used, off_x, (tap[0] - tap[2] * u) * weight);
        off_y = add_where(used, off_y, (tap[1] - tap[2] * v) * weight);
    }
    mask known = at_most(splat(HALF), total);
    if (!inside_only)
        known &= is_somewhere(x, y);
    const fv share = 1 / total, z = 1 / (inverse * share);
    rays_at(rays, x, y, &u, &v);
    /* On a pixel centre, its own values: the first tap. Beyond the image, where a border continues it by
     * pixels that stand elsewhere, points lie on the rays of their places. */
    const mask whole = equal(x, load_fv(s->column[0])) & equal(y, load_fv(s->row[0]));
    const fv own[3] = {z * u + off_x * share, z * v + off_y * share, z};
    for (int q = 0; q < 3; q++)
        mixed[q] = choose(known, choose(whole, load_fv(s->value[0][q]), own[q]), splat(NAN));
}

/* The same where all four taps are known, which is told. With f the blend of four numbers, as of
 * colours, and (u, v) the ray of the position, the blend of X is f(X) + u (Z - f(Z)), less what
 * the rays of the taps differ from it: f(Z (u_t - u)). That is a product of differences of Z, as
 * the weights of two neighbours times their distances have the sum 0. And 1 / f(1/Z) is one
 * fraction, of products of four Z. */
INLINE mask blend_all(const Rays *r, fv t[4][4], fv fx, fv fy, fv x, fv y, fv mixed[3])
{
    const fv a = t[0][2], b = t[1][2], c = t[2][2], d = t[3][2];
    const fv least_z = vmin(vmin(a, b), vmin(c, d));
    const fv most_z = vmax(vmax(a, b), vmax(c, d));
    const fv right = b - a, right_below = d - c, moved = right * fx, moved_below = right_below * fx;
    const fv upper = a + moved, lower = c + moved_below, down = lower - upper;
    const fv above = a * b, below = c * d;
    const fv z = above * below / LERP((b - moved) * below, (d - moved_below) * above, fy);
    const fv excess = z - (upper + down * fy);
    const fv across = (fx - fx * fx) * LERP(right, right_below, fy), along = (fy - fy * fy) * down;
    const fv u = r->u_by_x * x + (r->u_by_y * y + r->u_first), v = r->v_by_y * y + r->v_first;
    const fv own_x = BLEND(t[0][0], t[1][0], t[2][0], t[3][0], fx, fy);
    const fv own_y = BLEND(t[0][1], t[1][1], t[2][1], t[3][1], fx, fy);
    mixed[0] = own_x + (u * excess - (r->u_by_x * across + r->u_by_y * along));
    mixed[1] = own_y + (v * excess - r->v_by_y * along);
    mixed[2] = z;
    /* Of larger and smaller numbers products may have no place in float32. What is not a number
     * in one tap is none in the sum. */
    return at_most(splat(0x1p-30f), least_z) & at_most(most_z, splat(0x1p30f)) &
           is_somewhere(mixed[0], mixed[1]);
}

/* Of pixels from .. to between four others. */
static void rays_between(const Group *g, const ChannelBand *l, const Rays *rays, const float *in,
                         const Chunk *c, int from, int to, Plane *mixed)
{
    const int64_t S = l->stride, W = g->w_in * S;
    for (int i = from; i < to; i += WIDE) {
        const fv fx = load_fv(c->fx + i), fy = load_fv(c->fy + i);
        const fv x = load_fv(c->x + i), y = load_fv(c->y + i);
        fv tap[4][4], point[3];
        planes_of(in, S, W, c->index + i, tap);
        const mask all = blend_all(rays, tap, fx, fy, x, y, point);
        if (__builtin_expect(bits_of(all) != bits_of(mask_of(1)), 0)) {
            Some s;
            fv some[3];
            for (int t = 0; t < 4; t++)
                for (int q = 0; q < 3; q++)
                    store_fv(s.value[t][q], tap[t][q]);
            for (int k = 0; k < 2; k++) {
                store_fv(s.column[k], floor_of(x) + (float)k);
                store_fv(s.row[k], floor_of(y) + (float)k);
            }
            store_fv(s.fx, fx), store_fv(s.fy, fy);
            store_fv(s.x, x), store_fv(s.y, y);
            blend_some(rays, &s, l->border == CONSTANT, some);
            for (int q = 0; q < 3; q++)
                point[q] = choose(all, point[q], some[q]);
        }
        for (int q = 0; q < 3; q++)
            store_fv(mixed[q] + i, point[q]);
    }
}

/* Of pixels on the centres of others: their own values. */
static void rays_exactly(const ChannelBand *l, const float *in, const Chunk *c, int from, int to,
                         Plane *mixed)
{
    for (int i = from; i < to; i++) {
        const float *at = in + c->index[i] * (int64_t)l->stride;
        const int seen = at[2] > 0 && at[0] == at[0] && at[1] == at[1];
        for (int q = 0; q < 3; q++)
            mixed[q][i] = seen ? at[q] : NAN;
    }
}

INLINE int is_near(const ChannelBand *l, const Run *r)
{
    return r->place == BORDER || (r->place == BEYOND && !is_filled(l->border));
}

/* Of pixels at a border, from all runs of them: most are of one or two. */
static void rays_at_border(const Group *g, const ChannelBand *l, const Rays *rays, const float *in,
                           const Chunk *c, Plane *mixed)
{
    const Run *r = c->runs, *end = r + c->n_runs;
    for (int i = r->from, n; r < end;) {
        Some s;
        fv point[3];
        int at[WIDE];
        for (n = 0; n < WIDE && r < end;) {
            if (i == r->to || !is_near(l, r)) {
                if (++r < end)
                    i = r->from;
                continue;
            }
            const Taps *taps = c->taps + i;
            for (int t = 0; t < 4; t++) {
                const float *tap =
                    (const float *)tap_of(g, l, (const char *)in, taps, t, sizeof(float));
                for (int q = 0; q < 3; q++)
                    s.value[t][q][n] = tap[q];
            }
            for (int t = 0; t < 2; t++)
                s.column[t][n] = taps->column[t], s.row[t][n] = taps->row[t];
            s.fx[n] = taps->fx, s.fy[n] = taps->fy;
            s.x[n] = c->x[i], s.y[n] = c->y[i];
            at[n++] = i++;
        }
        if (!n)
            break;
        blend_some(rays, &s, l->border == CONSTANT, point);
        for (int k = 0; k < n; k++)
            for (int q = 0; q < 3; q++)
                mixed[q][at[k]] = point[q][k];
    }
}

static void blend_on_rays(const Group *g, const ChannelBand *l, const float *k, const float *in,
                          const Chunk *c, Plane *mixed)
{
    const Rays rays = rays_of(g, k);
    /* What is written behind a run is written again. */
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++) {
        if (r->place == BETWEEN)
            rays_between(g, l, &rays, in, c, r->from, r->to, mixed);
        else if (r->place == EXACT)
            rays_exactly(l, in, c, r->from, r->to, mixed);
        else if (!is_near(l, r))
            for (int q = 0; q < 3; q++)
                put_all(mixed[q], r->from, r->to, NAN);
    }
    rays_at_border(g, l, &rays, in, c, mixed);
}

static void blend_known(const ChannelBand *l, const Chunk *c, int n, Planes *p, Plane *mixed)
{
    const fv nothing = {0}, minus_zero = -nothing;
    for (int i = 0; i < n; i += WIDE) {
        const fv fx = load_fv(p->fx + i), fy = load_fv(p->fy + i);
        mask there = mask_of(1);
        if (!is_filled(l->border))
            there = is_somewhere(load_fv(c->x + i), load_fv(c->y + i));
        for (int q = 0; q < l->channels; q++) {
            /* Adding to a negative zero changes nothing: a copy keeps the sign of its zeros. */
            fv total = nothing, sum = minus_zero;
            for (int t = 0; t < 4; t++) {
                const fv v = load_fv(p->value[t][q] + i);
                const fv weight = (t & 1 ? fx : 1 - fx) * (t & 2 ? fy : 1 - fy);
                const mask used = equal(v, v) & less(nothing, weight);
                total = add_where(used, total, weight);
                sum = add_where(used, sum, v * weight);
            }
            store_fv(mixed[q] + i, choose(at_most(splat(HALF), total) & there, sum * (1 / total),
                                         splat(NAN)));
        }
    }
}

/* From planes to pixels, moved by the matrix; what is not known is the number for it. */
static void put_known(const ChannelBand *l, int64_t record, int n, Plane *mixed, float *out)
{
    const int C = l->channels;
    const int64_t S = l->stride;
    if (l->matrix) {
        const float *m = l->matrix + 9 * record;
        for (int i = 0; i < n; i += WIDE) {
            const fv x = load_fv(mixed[0] + i), y = load_fv(mixed[1] + i);
            const fv z = load_fv(mixed[2] + i);
            store_fv(mixed[0] + i, m[0] * x + m[1] * y + m[2] * z);
            store_fv(mixed[1] + i, m[3] * x + m[4] * y + m[5] * z);
            store_fv(mixed[2] + i, m[6] * x + m[7] * y + m[8] * z);
        }
    }
    if (l->numbered)
        for (int q = 0; q < C; q++)
            for (int i = 0; i < n; i += WIDE) {
                const fv v = load_fv(mixed[q] + i);
                store_fv(mixed[q] + i, choose(equal(v, v), v, splat(l->invalid)));
            }
    int i = 0;
#ifdef __AVX2__
    for (; C == 3 && i < n; i += WIDE) {
        fv v[4] = {load_fv(mixed[0] + i), load_fv(mixed[1] + i), load_fv(mixed[2] + i)};
        put_planes_of_three(out + i * S, S, v, n - i);
    }
#endif
    for (; i < n; i++)
        for (int q = 0; q < C; q++)
            out[i * S + q] = mixed[q][i];
}

static void aware(const Group *g, const ChannelBand *l, int64_t record, const float *in, const Chunk *c,
                  int n, float *out)
{
    Plane mixed[MAX_NAN_AWARE] ALIGNED;
    if (l->rays) {
        blend_on_rays(g, l, l->rays + 9 * record, in, c, mixed);
    } else {
        Planes p;
        lay_out(g, l, in, c, n, &p);
        for (int t = 0; t < 4; t++)
            judge(l, n, p.value[t]);
        blend_known(l, c, n, &p, mixed);
    }
    put_known(l, record, n, mixed, out);
}

/* `aware` of a row that shows a row of the source: of each pixel, the one tap that has all weight. */
static void copy_known(const ChannelBand *l, int64_t record, const float *in, int step, int n, float *out)
{
    Plane value[MAX_NAN_AWARE] ALIGNED;
    const int C = l->channels;
    const int64_t S = l->stride;
    for (int first = 0; first < n; first += CHUNK) {
        const int count = n - first < CHUNK ? n - first : CHUNK;
        const float *at = in + (int64_t)first * step * S;
        int i = 0;
#ifdef __AVX2__
        /* Four numbers are read of each pixel: of the last one in memory they might not be there. */
        const int skipped = step < 0 && first == 0 ? WIDE : 0;
        for (; C == 3 && i < skipped && i < count; i++)
            for (int q = 0; q < C; q++)
                value[q][i] = at[(int64_t)i * step * S + q];
        for (; C == 3 && i + WIDE <= count && (step < 0 || first + i + WIDE < n); i += WIDE) {
            fv v[4];
            planes_along(at + (int64_t)i * step * S, step * S, v);
            for (int q = 0; q < 3; q++)
                store_fv(value[q] + i, v[q]);
        }
#endif
        for (; i < count; i++)
            for (int q = 0; q < C; q++)
                value[q][i] = at[(int64_t)i * step * S + q];
        if (l->rays)
            for (int i = 0; i < count; i += WIDE) {
                const fv point[3] = {load_fv(value[0] + i), load_fv(value[1] + i),
                                     load_fv(value[2] + i)};
                const mask seen = is_seen(point);
                for (int q = 0; q < 3; q++)
                    store_fv(value[q] + i, choose(seen, point[q], splat(NAN)));
            }
        else
            judge(l, count, value);
        put_known(l, record, count, value, out + (int64_t)first * S);
    }
}

#endif
