/* Cubic splines through the pixels of a source.
 *
 * A B-spline of order 3 passes through all pixels when its coefficients are the pixels behind the inverse
 * of the sampled B-spline: a recursive filter along every column and every row, forwards and then back
 * (M. Unser, Splines: a perfect fit for signal and image processing, IEEE Signal Processing Magazine
 * 16(6), 1999, box 2). Borders continue the source as `fold` in _axis.py has it, so the sums before the
 * first pixel and behind the last one are those of SciPy's modes. Rows are filtered side by side, as
 * columns of their transpose. Filtered is what pixels differ from the first of them: where nothing
 * differs, nothing is rounded. A pixel that is not a number leaves none to its source, as in SciPy. */
#ifndef MULTIAUG_SPLINE_H
#define MULTIAUG_SPLINE_H

#include "elements.h"
#include "separable.h"

/* Coefficients are kept so far beyond the rim, where a border of its own continues them; and sums before
 * the first pixel are cut where they fall below float32. */
enum { SPLINE_MARGIN = 12, SPLINE_REACH = 16, LINES = 128 };

/* The pole of the filter, sqrt(3) - 2, and its gain. */
#define POLE (-0.267949192431122706f)
#define GAIN 6.0f

/* By which rule coefficients go on beyond the rim: classic borders fold positions before. Of a source
 * that is resized the fill is no part. */
INLINE int spline_border(int border, int resized)
{
    if (border == CONSTANT_HARD || border == WRAP_CLASSIC)
        return MIRROR;
    return border == CONSTANT && resized ? EDGE : border;
}

INLINE int spline_margin(int border) { return border == CONSTANT || border == EDGE ? SPLINE_MARGIN : 0; }

/* The source of a band has to become a spline first. */
INLINE int needs_coefficients(const ChannelBand *l)
{
    return l->method == GENERAL && l->rules->interpolation == BY_SPLINE && !l->coefficients;
}

/* Filters along lines, number by number: `n` of them, behind `margin` others that are written, too, and in
 * front of as many. `beyond` is what lies there of a constant border. `added` is null, or added to all. */
static void filter_lines(float *lines, int n, int margin, int64_t pitch, int width, int border,
                         const float *beyond, const float *added)
{
    const int last = n - 1 + 2 * margin;
    for (int from = 0; from < width; from += LINES) {
        const int count = width - from < LINES ? width - from : LINES;
        float first[LINES], tail[LINES], sum[LINES];
        float *const p = lines + from;
#define AT(line) (p + (int64_t)(line) * pitch)
        /* What all lines before have left. */
        if (margin) {
            const float *before = border == CONSTANT ? beyond + from : AT(margin);
            const float *behind = border == CONSTANT ? beyond + from : AT(margin + n - 1);
            for (int j = 0; j < count; j++) {
                first[j] = before[j] / (1 - POLE);
                tail[j] = behind[j];
            }
            for (int k = 0; k < margin; k++)
                memcpy(AT(k), first, count * sizeof(float));
            for (int k = margin + n; k <= last; k++)
                memcpy(AT(k), tail, count * sizeof(float));
        } else {
            memset(first, 0, sizeof first);
            for (int k = SPLINE_REACH; k >= 0; k--) {
                const float *at = AT(folded_index(-k, n, border));
                for (int j = 0; j < count; j++)
                    first[j] = at[j] + POLE * first[j];
            }
            memcpy(AT(0), first, count * sizeof(float));
        }
        for (int k = margin ? margin : 1; k <= last; k++) {
            float *restrict at = AT(k);
            const float *restrict before = AT(k - 1);
            for (int j = 0; j < count; j++)
                at[j] = at[j] + POLE * before[j];
        }
        /* What all lines behind will leave. */
        const float *end = AT(last), *next = AT(last ? last - 1 : 0);
        switch (border) {
        case REFLECT:
            for (int j = 0; j < count; j++)
                sum[j] = end[j] * (POLE / (POLE - 1));
            break;
        case MIRROR:
            for (int j = 0; j < count; j++)
                sum[j] = n > 1 ? (POLE * next[j] + end[j]) * (POLE / (POLE * POLE - 1))
                               : end[j] * (POLE / (POLE - 1));
            break;
        case WRAP:
            memset(sum, 0, sizeof sum);
            for (int k = SPLINE_REACH; k >= 0; k--) {
                const float *at = AT((n - 1 + k) % n);
                for (int j = 0; j < count; j++)
                    sum[j] = at[j] + POLE * sum[j];
            }
            for (int j = 0; j < count; j++)
                sum[j] *= -POLE;
            break;
        default:
            for (int j = 0; j < count; j++) {
                const float constant = tail[j] / (1 - POLE);
                sum[j] = -POLE / (1 - POLE) * constant - POLE / (1 - POLE * POLE) * (end[j] - constant);
            }
        }
        for (int k = last; k >= 0; k--) {
            float *restrict at = AT(k);
            for (int j = 0; j < count; j++) {
                if (k < last)
                    sum[j] = POLE * (sum[j] - at[j]);
                at[j] = GAIN * sum[j];
            }
            for (int j = 0; added && j < count; j++)
                at[j] += added[from + j];
        }
#undef AT
    }
}

INLINE void lay_out_row_of(const ChannelBand *l, const char *in, int pixels, int C, const float *first,
                           float *out, int type)
{
    if (l->stride == C) {
        for (int i = 0; i < pixels * C; i++)
            out[i] = element(in, type, i) - first[i];
        return;
    }
    for (int i = 0; i < pixels; i++)
        for (int k = 0; k < C; k++)
            out[i * C + k] = element(in + (int64_t)i * l->stride * l->size, type, k) - first[i * C + k];
}

/* C channels of a row, less the first pixel of the source. */
static void lay_out_row(const ChannelBand *l, const char *in, int pixels, int C, const float *first,
                        float *out)
{
    switch (l->type) {
    case U8: lay_out_row_of(l, in, pixels, C, first, out, U8); break;
    case U16: lay_out_row_of(l, in, pixels, C, first, out, U16); break;
    case F32: lay_out_row_of(l, in, pixels, C, first, out, F32); break;
    case BOOL: lay_out_row_of(l, in, pixels, C, first, out, BOOL); break;
    case I16: lay_out_row_of(l, in, pixels, C, first, out, I16); break;
    case I32: lay_out_row_of(l, in, pixels, C, first, out, I32); break;
    case F16: lay_out_row_of(l, in, pixels, C, first, out, F16); break;
    default: lay_out_row_of(l, in, pixels, C, first, out, BF16);
    }
}

/* The coefficients of C channels, pixel by pixel, with a margin on every side where borders have one.
 * `in` is their first element, `fill` what lies beyond, in the type of the band. */
static int make_coefficients(const Group *g, const ChannelBand *l, const char *in, const char *fill, int C,
                             float *out, Scratch *s)
{
    const int border = spline_border(l->border, g->resized), margin = spline_margin(border);
    const int width = g->w_in * C, columns = (g->w_in + 2 * margin) * C;
    const int64_t length = (width + WIDE - 1) / WIDE * WIDE;
    float *rows = room(s, EXPANDED, WIDE * length * sizeof(float));
    float *turned = room(s, COLUMNS, ((int64_t)columns + WIDE) * WIDE * sizeof(float));
    float *first = room(s, FILL_ROW, ((int64_t)2 * columns + MAX_NAN_AWARE * WIDE) * sizeof(float));
    if (!rows || !turned || !first)
        return 0;
    float *beyond = first + columns, *beside = beyond + columns;
    for (int k = 0; k < C; k++) {
        const float v = element(in, l->type, k);
        first[k] = isfinite(v) ? v : 0;
        beyond[k] = element(fill, l->type, k) - first[k];
        for (int i = 0; i < WIDE; i++)
            beside[k * WIDE + i] = beyond[k];
    }
    for (int i = C; i < columns; i++)
        first[i] = first[i - C], beyond[i] = beyond[i - C];
    memset(rows, 0, WIDE * length * sizeof(float));
    for (int row = 0; row < g->h_in; row += WIDE) {
        const int n = g->h_in - row < WIDE ? g->h_in - row : WIDE;
        for (int i = 0; i < n; i++)
            lay_out_row(l, in + (int64_t)(row + i) * g->w_in * l->stride * l->size, g->w_in, C, first,
                        rows + i * length);
        /* What is written behind the last column is a margin, or of no line. */
        for (int from = 0; from < width; from += WIDE) {
            fv v[WIDE];
            for (int i = 0; i < WIDE; i++)
                v[i] = load_fv(rows + i * length + from);
            transpose(v);
            for (int i = 0; i < WIDE; i++)
                store_fv(turned + ((int64_t)margin * C + from + i) * WIDE, v[i]);
        }
        filter_lines(turned, g->w_in, margin, (int64_t)C * WIDE, C * WIDE, border, beside, 0);
        for (int from = 0; from < columns; from += WIDE) {
            const int some = columns - from < WIDE ? columns - from : WIDE;
            fv v[WIDE];
            for (int i = 0; i < WIDE; i++)
                v[i] = load_fv(turned + ((int64_t)from + i) * WIDE);
            transpose(v);
            for (int i = 0; i < n; i++)
                memcpy(out + (int64_t)(margin + row + i) * columns + from, v + i, some * sizeof(float));
        }
    }
    filter_lines(out, g->h_in, margin, columns, columns, border, beyond, first);
    return 1;
}

#endif
