/* What every row, or every column, of a result is made of where a map keeps the axes apart: a low-pass
 * and linear interpolation in one weighted sum.
 *
 * A low-pass L of the source at whole positions is a Gaussian over its neighbours, under the border's
 * rule; interpolation blends two values of L. Both are linear: their weights are multiplied out here,
 * once per record, and rows and columns are then summed one after the other. */
#ifndef MULTIAUG_AXIS_H
#define MULTIAUG_AXIS_H

#include "positions.h"
#include "scratch.h"

/* Beyond so many deviations the Gaussian is below the precision of float32. */
enum { DEVIATIONS = 6 };

/* The sums of an axis. */
typedef struct {
    const int32_t *begin; /* (n + 1,) where the terms of each result begin */
    const int32_t *index; /* of the source; its size stands for the fill */
    const float *weight;
    const int32_t *middle; /* (n,) a term of much weight, of which differences are taken */
    int32_t first, last;   /* the least and the largest index in the source; last < first for none */
    int32_t filled;        /* some term is the fill */
} Axis;

/* e^x for x <= 0: the same bits wherever it is compiled, which functions of libraries do not promise.
 * A Taylor series near 0, and ten squares. */
static double exponential_below_zero(double x)
{
    if (!(x > -700))
        return 0;
    const double y = x / 1024;
    double sum = 1;
    for (int k = 8; k > 0; k--)
        sum = 1 + sum * y / k;
    for (int k = 0; k < 10; k++)
        sum *= sum;
    return sum;
}

/* Taps that a Gaussian has on each side. */
static int reach_of(float sigma, int radius)
{
    if (!(sigma > 0))
        return 0;
    return sigma * DEVIATIONS < radius ? (int)ceilf(sigma * DEVIATIONS) : radius;
}

/* Taps at 0 .. reach of a Gaussian whose sum over both sides is 1. */
static void gaussian(float sigma, int reach, double *half)
{
    /* From tap to tap by a factor that itself changes by a factor. */
    double factor = exponential_below_zero(-0.5 / ((double)sigma * sigma)), total = 1;
    const double change = factor * factor;
    half[0] = 1;
    for (int k = 1; k <= reach; k++, factor *= change) {
        half[k] = half[k - 1] * factor;
        total += 2 * half[k];
    }
    for (int k = 0; k <= reach; k++)
        half[k] /= total;
}

/* The pixel that stands for a whole position; see `fold` in _axis.py. */
static int64_t folded_index(int64_t i, int64_t size, int border)
{
    const int64_t period = size > 1 ? size - 1 : 1;
    switch (border) {
    case WRAP:
        i %= size;
        return i < 0 ? i + size : i;
    case REFLECT:
        i %= 2 * size;
        i = i < 0 ? i + 2 * size : i;
        return i < size ? i : 2 * size - 1 - i;
    case MIRROR:
        if (size == 1)
            return 0;
        i %= 2 * period;
        i = i < 0 ? i + 2 * period : i;
        return i < size ? i : 2 * period - i;
    default:
        return i < 0 ? 0 : i < size ? i : size - 1;
    }
}

/* How positions along an axis are read. */
typedef struct {
    float scale, offset;  /* position = scale * (i - middle of the result) + offset + middle */
    int32_t n, size;      /* of the result, of the source */
    int32_t border, resized;
    float sigma;
    int32_t radius;
} Reading;

/* Adds a value of the low-pass to a sum: its terms, in the order in which they were met. */
static void add_low_pass(const Reading *r, const double *half, int reach, int at, double weight,
                         double *mass, int32_t *met, int *count)
{
    /* Of a picture that is resized, pixels beyond a constant border are none: the others have all of
     * the weight. */
    const int left_out = r->border == CONSTANT && r->resized;
    /* Positions are folded between the outermost pixels, and beyond these the image is mirrored. */
    const int border = r->border == CONSTANT_HARD || r->border == WRAP_CLASSIC ? MIRROR : r->border;
    double total = 1;
    if (left_out) {
        total = 0;
        for (int k = -reach; k <= reach; k++)
            if (at + k >= 0 && at + k < r->size)
                total += half[k < 0 ? -k : k];
    }
    for (int k = -reach; k <= reach; k++) {
        int64_t i = (int64_t)at + k;
        if (r->border == CONSTANT) {
            if (i < 0 || i >= r->size) {
                if (left_out)
                    continue;
                i = r->size;
            }
        } else {
            i = folded_index(i, r->size, border);
        }
        const double share = weight * half[k < 0 ? -k : k] / total;
        if (share == 0)
            continue;
        if (mass[i] == 0)
            met[(*count)++] = (int32_t)i;
        mass[i] += share;
    }
}

/* The sums of results from .. to; null memory where there was none. */
static int axis_of(const Reading *r, int from, int to, Scratch *s, int slot, Axis *axis)
{
    const int reach = reach_of(r->sigma, r->radius), n = to - from;
    const int64_t most = (2 * (int64_t)reach + 2 < r->size ? 2 * (int64_t)reach + 2 : r->size) + 1;
    int32_t *begin = room(s, slot, (2 * n + 1 + 2 * most * n) * sizeof(int32_t));
    double *half = room(s, MASSES, (reach + 1 + r->size + 1) * sizeof(double) +
                                       (r->size + 1) * sizeof(int32_t));
    if (!begin || !half)
        return 0;
    int32_t *middle = begin + n + 1, *index = middle + n;
    float *weights = (float *)(index + most * n);
    double *mass = half + reach + 1;
    int32_t *met = (int32_t *)(mass + r->size + 1);
    memset(mass, 0, (r->size + 1) * sizeof(double));
    gaussian(reach ? r->sigma : 1, reach, half);
    *axis = (Axis){begin, index, weights, middle, r->size, -1, 0};
    int at = 0;
    for (int i = 0; i < n; i++) {
        const float c = r->scale * (from + i - (r->n - 1) * 0.5f) + r->offset + (r->size - 1) * 0.5f;
        int32_t column[2];
        int out[2], count = 0;
        float f;
        fold_axis(c, r->size, r->border, r->resized, column, out, &f);
        const double share[2] = {1 - (double)f, f};
        begin[i] = at;
        middle[i] = column[f > 0.5f];
        if (out[f > 0.5f])
            middle[i] = r->size;
        if (!out[0] && !out[1] && column[0] - reach >= 0 && column[0] + reach + 1 < r->size) {
            /* Nothing is beyond the picture. */
            const int terms = 2 * reach + 1 + (f > 0);
            for (int k = 0; k < terms; k++) {
                const int a = k - reach, b = a - 1;
                const double here = k <= 2 * reach ? half[a < 0 ? -a : a] : 0;
                const double next = k ? half[b < 0 ? -b : b] : 0;
                index[at + k] = column[0] + a;
                weights[at + k] = (float)(share[0] * here + share[1] * next);
            }
            at += terms;
            axis->first = column[0] - reach < axis->first ? column[0] - reach : axis->first;
            axis->last = index[at - 1] > axis->last ? index[at - 1] : axis->last;
            continue;
        }
        for (int t = 0; t < 2; t++) {
            if (share[t] == 0)
                continue;
            if (!out[t]) {
                add_low_pass(r, half, reach, column[t], share[t], mass, met, &count);
                continue;
            }
            if (mass[r->size] == 0)
                met[count++] = r->size;
            mass[r->size] += share[t];
        }
        for (int k = 0; k < count; k++, at++) {
            const int32_t j = index[at] = met[k];
            weights[at] = (float)mass[j];
            mass[j] = 0;
            if (j == r->size) {
                axis->filled = 1;
                continue;
            }
            axis->first = j < axis->first ? j : axis->first;
            axis->last = j > axis->last ? j : axis->last;
        }
    }
    begin[n] = at;
    return 1;
}

#endif
