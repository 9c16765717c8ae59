/* Where a position of the source goes in the result, under maps with displacements in them.
 *
 * Pixels are read backwards, and their positions need none of this; the ends of flow lie anywhere. Steps
 * are those of `multiaug/geometry/_map.py`, on centred positions in reference pixels. */
#ifndef MULTIAUG_SEGMENTS_H
#define MULTIAUG_SEGMENTS_H

#include "positions.h"

/* The steps that a solution takes at most, and the residual in pixels below which one more is exact. */
enum { MOST_STEPS = 12 };
static const float CLOSE_BY = 1e-3f;

/* A displacement at WIDE positions, and its derivatives row by row. */
static void displacement_at(const Segment *s, int64_t record, fv x, fv y, fv d[2], fv slope[4])
{
    const float *control = s->control + record * 2 * s->knots_x * s->knots_y;
    const float *frame = s->frame + 4 * record;
    const int row = 2 * s->knots_x;
    fv weight[2][4], rise[2][4], sum[8], grown[8];
    iv first[2];
    for (int axis = 0; axis < 2; axis++) {
        const fv last = splat((float)((axis ? s->knots_y : s->knots_x) - 2 * KNOTS_AROUND));
        const float per = frame[2 + axis];
        fv t = ((axis ? y : x) + frame[axis]) * per;
        /* Beyond the frame the displacement fades to 0, and stays there; NaN goes there, too. */
        t = vmin(vmax(t, splat(-KNOTS_AROUND)), last);
        const fv whole = floor_of(t), f = t - whole, rest = 1 - f;
        first[axis] = __builtin_convertvector(whole, iv) + KNOTS_AROUND;
        weight[axis][0] = rest * rest * rest / 6;
        weight[axis][1] = 2.0f / 3 - f * f * (1 - f / 2);
        weight[axis][2] = 2.0f / 3 - rest * rest * (1 - rest / 2);
        weight[axis][3] = f * f * f / 6;
        rise[axis][0] = rest * rest * (-0.5f * per);
        rise[axis][1] = f * (1.5f * f - 2) * per;
        rise[axis][2] = rest * (1.5f * rest - 2) * -per;
        rise[axis][3] = f * f * (0.5f * per);
    }
    /* Down the knots first, of every pixel by itself: four of them and both directions lie together. */
    for (int k = 0; k < WIDE; k++) {
        const float *p = control + first[1][k] * row + 2 * first[0][k];
        f8 a = {0}, b = {0};
        for (int r = 0; r < 4; r++) {
            const f8 knots = wide_f32(p + r * row);
            a = a + knots * weight[1][r][k];
            b = b + knots * rise[1][r][k];
        }
        for (int q = 0; q < 8; q++)
            sum[q][k] = a[q], grown[q][k] = b[q];
    }
    for (int q = 0; q < 2; q++) {
        d[q] = slope[2 * q] = slope[2 * q + 1] = (fv){0};
        for (int t = 0; t < 4; t++) {
            d[q] = d[q] + sum[2 * t + q] * weight[0][t];
            slope[2 * q] = slope[2 * q] + sum[2 * t + q] * rise[0][t];
            slope[2 * q + 1] = slope[2 * q + 1] + grown[2 * t + q] * weight[0][t];
        }
    }
}

/* What a displacement has led to `at` from: Newton's method, from `start` on. Far away, where it may step
 * wrongly, what lies there is taken for the displacement: slopes are below 1. A pixel that is found stays,
 * whatever its neighbours need. */
static void undisplace(const Segment *s, int64_t record, const fv at[2], fv start[2])
{
    const fv far = splat(1 / (16 * max(s->frame[4 * record + 2], s->frame[4 * record + 3])));
    mask open = mask_of(1);
    for (int step = 0; step < MOST_STEPS && bits_of(open); step++) {
        fv d[2], j[4];
        displacement_at(s, record, start[0], start[1], d, j);
        const fv x = start[0] + d[0] - at[0], y = start[1] + d[1] - at[1];
        const fv size = absolute(x) + absolute(y);
        const fv a = 1 + j[0], b = j[1], c = j[2], e = 1 + j[3], determinant = a * e - b * c;
        const mask off = less(far, size);
        const fv u = choose(off, x, (e * x - b * y) / determinant);
        const fv v = choose(off, y, (a * y - c * x) / determinant);
        start[0] = choose(open, start[0] - u, start[0]);
        start[1] = choose(open, start[1] - v, start[1]);
        /* Positions are rounded by more than that in very large frames. */
        open &= less(CLOSE_BY + (absolute(at[0]) + absolute(at[1])) * 1e-6f, size);
    }
}

/* WIDE positions through a matrix; FAR behind its horizon. */
static void through_matrix(const float *m, fv p[2])
{
    const fv x = p[0], y = p[1], e = m[6] * x, f = m[7] * y, d = e + f + m[8];
    const fv size = absolute(e) + absolute(f) + fabsf(m[8]);
    const mask seen = less(HORIZON * size, d) & less(absolute(x), splat(LOST));
    const fv divisor = choose(seen, d, splat(1));
    p[0] = choose(seen, (m[0] * x + m[1] * y + m[2]) / divisor, splat(FAR));
    p[1] = choose(seen, (m[3] * x + m[4] * y + m[5]) / divisor, splat(FAR));
}

/* WIDE positions `to` of the source, to where they go in the result. It is known that `from` goes to
 * `here`, which is near. */
static void push(const Group *g, int64_t record, fv from[2], const fv here[2], fv to[2])
{
    for (int k = 0; k < g->n_segments; k++) {
        const Segment *s = g->segments + k;
        fv start[2] = {to[0], to[1]}, d[2], j[4];
        if (s->matrix) {
            through_matrix(s->matrix + 9 * record, to);
            through_matrix(s->matrix + 9 * record, from);
        } else if (s->added) {
            displacement_at(s, record, to[0], to[1], d, j);
            to[0] = to[0] + d[0], to[1] = to[1] + d[1];
        } else {
            /* The last step ends beside the pixel itself, as far away as it began. */
            for (int q = 0; q < 2 && k == g->n_segments - 1; q++)
                start[q] = here[q] + (to[q] - from[q]);
            undisplace(s, record, to, start);
            to[0] = start[0], to[1] = start[1];
        }
    }
}

#endif
