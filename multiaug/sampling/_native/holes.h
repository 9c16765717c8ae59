/* Float pictures in which numbers may be missing, and points on the rays of their pixels. */
#ifndef MULTIAUG_HOLES_H
#define MULTIAUG_HOLES_H

#include "positions.h"

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

#endif
