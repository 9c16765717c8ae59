/* Float pictures in which numbers may be missing, and points on the rays of their pixels. */
#ifndef MULTIAUG_HOLES_H
#define MULTIAUG_HOLES_H

#include "positions.h"

#ifdef __AVX2__
/* Between four planes of WIDE pixels and vectors of four numbers of each fourth pixel. */
INLINE void turn(fv v[4])
{
    const fv a = low_of(v[0], v[1]), b = high_of(v[0], v[1]);
    const fv c = low_of(v[2], v[3]), d = high_of(v[2], v[3]);
    v[0] = low_pairs(a, c), v[1] = high_pairs(a, c);
    v[2] = low_pairs(b, d), v[3] = high_pairs(b, d);
}

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
#endif

typedef float Plane[ROOM];

/* The taps of a chunk by channel; not a number where there is nothing. */
typedef struct {
    Plane value[4][MOST_AWARE];
    float column[2][CHUNK], row[2][CHUNK]; /* of the taps */
    float fx[CHUNK], fy[CHUNK];
} ALIGNED Planes;

/* The same number for a run of pixels. */
INLINE void put_all(float *plane, int from, int to, float number)
{
    for (int i = from; i < to; i++)
        plane[i] = number;
}

INLINE void lay_out_channels(const Group *g, const Lane *l, const float *in, const Chunk *c, int n,
                             Planes *p, int C)
{
    const int64_t S = l->stride, W = g->w_in * S;
    for (int i = 0; i < n; i += WIDE) {
        store_fv(p->fx + i, load_fv(c->fx + i));
        store_fv(p->fy + i, load_fv(c->fy + i));
        const fv x = floor_of(load_fv(c->x + i)), y = floor_of(load_fv(c->y + i));
        store_fv(p->column[0] + i, x);
        store_fv(p->column[1] + i, x + 1);
        store_fv(p->row[0] + i, y);
        store_fv(p->row[1] + i, y + 1);
    }
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++) {
        int i = r->from;
#ifdef __AVX2__
        /* What is read and written behind the run is never looked at, or written again. */
        for (; C == 3 && i < r->to && r->place <= EXACT; i += WIDE) {
            fv v[4][4];
            for (int k = 0; k < 4; k++) {
                int64_t at[WIDE / 4];
                for (int q = 0; q < WIDE / 4; q++)
                    at[q] = c->index[i + k + 4 * q] * S;
                for (int t = 0; t < 4; t++)
                    v[t][k] = quarters(in + (t & 1 ? S : 0) + (t & 2 ? W : 0), at);
            }
            for (int t = 0; t < 4; t++) {
                turn(v[t]);
                for (int k = 0; k < 3; k++)
                    store_fv(p->value[t][k] + i, v[t][k]);
            }
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
            for (int k = 0; k < 2; k++)
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
static void judge(const Lane *l, int n, Plane *value)
{
    const int C = l->channels;
    const fv none = all_of(NAN), mark = all_of(l->invalid);
    if (!l->numbered && !(l->joint && C > 1))
        return;
    for (int i = 0; i < n; i += WIDE) {
        answers valid = answers_of(1), unmarked = answers_of(0);
        for (int k = 0; k < C; k++) {
            const fv v = load_fv(value[k] + i);
            const answers marked = l->numbered ? same(v, mark) : answers_of(0);
            unmarked |= ~marked;
            valid &= same(v, v);
            if (l->numbered && !l->joint)
                store_fv(value[k] + i, where(marked, none, v));
        }
        if (!l->joint)
            continue;
        for (int k = 0; k < C; k++)
            store_fv(value[k] + i, where(valid & unmarked, load_fv(value[k] + i), none));
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

INLINE void rays_at(const Rays *r, fv x, fv y, fv *u, fv *v)
{
    *v = ((y - r->middle_y) * r->scale_y - r->cy) * r->fy;
    *u = ((x - r->middle_x) * r->scale_x - r->skew * *v - r->cx) * r->fx;
}

/* Neither lost nor beyond the horizon. */
INLINE answers is_somewhere(fv x, fv y)
{
    return less(absolute(x), all_of(LOST)) & less(absolute(y), all_of(LOST));
}

/* Blends 1/Z and what X and Y deviate from the rays of their pixels: see `roles/_position.py`. */
static void blend_on_rays(const Group *g, const Lane *l, const float *k, const Chunk *c, int n,
                          Planes *p, Plane *mixed)
{
    const Rays rays = rays_of(g, k);
    const int inside_only = l->border == CONSTANT;
    const fv nothing = {0};
    for (int i = 0; i < n; i += WIDE) {
        const fv fx = load_fv(p->fx + i), fy = load_fv(p->fy + i);
        fv total = nothing, inverse = nothing, off_x = nothing, off_y = nothing, u, v;
        for (int t = 0; t < 4; t++) {
            const fv x = load_fv(p->value[t][0] + i), y = load_fv(p->value[t][1] + i);
            const fv z = load_fv(p->value[t][2] + i);
            const fv weight = (t & 1 ? fx : 1 - fx) * (t & 2 ? fy : 1 - fy);
            const answers used = less(nothing, z) & both_numbers(x, y) & less(nothing, weight);
            rays_at(&rays, load_fv(p->column[t & 1] + i), load_fv(p->row[t >> 1] + i), &u, &v);
            total = plus_where(used, total, weight);
            inverse = plus_where(used, inverse, weight / z);
            off_x = plus_where(used, off_x, (x - z * u) * weight);
            off_y = plus_where(used, off_y, (y - z * v) * weight);
        }
        const fv x = load_fv(c->x + i), y = load_fv(c->y + i);
        answers known = at_most(all_of(HALF), total);
        if (!inside_only)
            known &= is_somewhere(x, y);
        const fv share = 1 / total, z = 1 / (inverse * share);
        rays_at(&rays, x, y, &u, &v);
        /* On a pixel centre, its own values: the first tap. */
        const answers whole = same(x, floor_of(x)) & same(y, floor_of(y));
        const fv own[3] = {z * u + off_x * share, z * v + off_y * share, z};
        for (int q = 0; q < 3; q++)
            store_fv(mixed[q] + i, where(known, where(whole, load_fv(p->value[0][q] + i), own[q]),
                                         all_of(NAN)));
    }
}

static void blend_known(const Lane *l, const Chunk *c, int n, Planes *p, Plane *mixed)
{
    const fv nothing = {0}, minus_zero = -nothing;
    for (int i = 0; i < n; i += WIDE) {
        const fv fx = load_fv(p->fx + i), fy = load_fv(p->fy + i);
        answers there = answers_of(1);
        if (l->border != CONSTANT)
            there = is_somewhere(load_fv(c->x + i), load_fv(c->y + i));
        for (int q = 0; q < l->channels; q++) {
            /* Adding to a negative zero changes nothing: a copy keeps the sign of its zeros. */
            fv total = nothing, sum = minus_zero;
            for (int t = 0; t < 4; t++) {
                const fv v = load_fv(p->value[t][q] + i);
                const fv weight = (t & 1 ? fx : 1 - fx) * (t & 2 ? fy : 1 - fy);
                const answers used = same(v, v) & less(nothing, weight);
                total = plus_where(used, total, weight);
                sum = plus_where(used, sum, v * weight);
            }
            store_fv(mixed[q] + i, where(at_most(all_of(HALF), total) & there, sum * (1 / total),
                                         all_of(NAN)));
        }
    }
}

/* From planes to pixels, moved by the matrix; what is not known is the number for it. */
static void put_known(const Lane *l, int64_t record, int n, Plane *mixed, float *out)
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
                store_fv(mixed[q] + i, where(same(v, v), v, all_of(l->invalid)));
            }
    int i = 0;
#ifdef __AVX2__
    for (; C == 3 && i < n; i += WIDE) {
        fv v[4] = {load_fv(mixed[0] + i), load_fv(mixed[1] + i), load_fv(mixed[2] + i)};
        turn(v);
        put_threes(out + i * S, S, v, n - i);
    }
#endif
    for (; i < n; i++)
        for (int q = 0; q < C; q++)
            out[i * S + q] = mixed[q][i];
}

static void aware(const Group *g, const Lane *l, int64_t record, const float *in, const Chunk *c,
                  int n, float *out)
{
    Planes p;
    Plane mixed[MOST_AWARE] ALIGNED;
    lay_out(g, l, in, c, n, &p);
    if (l->rays) {
        blend_on_rays(g, l, l->rays + 9 * record, c, n, &p, mixed);
    } else {
        for (int t = 0; t < 4; t++)
            judge(l, n, p.value[t]);
        blend_known(l, c, n, &p, mixed);
    }
    put_known(l, record, n, mixed, out);
}

/* `aware` of a row that shows a row of the source: of each pixel, the one tap that has all weight. */
static void copy_known(const Lane *l, int64_t record, const float *in, int step, int n, float *out)
{
    Plane value[MOST_AWARE] ALIGNED;
    const int C = l->channels;
    const int64_t S = l->stride;
    for (int first = 0; first < n; first += CHUNK) {
        const int count = n - first < CHUNK ? n - first : CHUNK;
        const float *at = in + (int64_t)first * step * S;
        for (int i = 0; i < count; i++, at += step * S)
            for (int q = 0; q < C; q++)
                value[q][i] = at[q];
        if (l->rays)
            for (int i = 0; i < count; i += WIDE) {
                const fv x = load_fv(value[0] + i), y = load_fv(value[1] + i);
                const answers known =
                    less((fv){0}, load_fv(value[2] + i)) & both_numbers(x, y);
                for (int q = 0; q < 3; q++)
                    store_fv(value[q] + i, where(known, load_fv(value[q] + i), all_of(NAN)));
            }
        else
            judge(l, count, value);
        put_known(l, record, count, value, out + (int64_t)first * S);
    }
}

#endif
