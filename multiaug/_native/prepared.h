/* Sources that are filtered as a whole before they are sampled: where a map turns or shears, and where
 * values may be missing, a low-pass and the blend of its results cannot be one sum.
 *
 * A prepared source is a float32 picture in the memory of a thread, with the channels of one band, of which
 * rows are filtered when they are first asked for: of a record that threads share, every one of them
 * filters what its own rows read. */
#ifndef MULTIAUG_PREPARED_H
#define MULTIAUG_PREPARED_H

#include "elements.h"
#include "separable.h"
#include "spline.h"

/* Rows and columns of a source, from .. to. */
typedef struct {
    int32_t top, bottom, left, right;
} Window;

/* What a thread has prepared. */
typedef struct {
    const ChannelBand *band; /* null: nothing */
    int64_t record;
    Window window; /* the rows and columns that are there */
    float *source; /* (h_in, w_in, channels) */
} Prepared;

/* Of one axis, from the least and the largest position: what may be read. */
static void read_span(float low, float high, int size, int border, int32_t *from, int32_t *to)
{
    const int folded = border == REFLECT || border == MIRROR || border == WRAP ||
                       border == WRAP_CLASSIC;
    *from = 0, *to = size;
    if (!(low <= high) || (folded && !(low >= 1 && high <= size - 2)))
        return;
    /* Positions may be rounded otherwise than here. */
    const float first = floorf(low) - 1, last = floorf(high) + 3;
    *from = first > 0 ? (first < size - 1 ? (int32_t)first : size - 1) : 0;
    *to = last < size ? (last > 1 ? (int32_t)last : 1) : size;
}

/* What rows from .. to of the result read; the columns are those that any row reads. */
static Window window_of(const Group *g, const ChannelBand *l, int64_t record, int from, int to)
{
    Window w = {0, g->h_in, 0, g->w_in};
    if (is_displaced(g, record) || !g->affine)
        return w;
    const float *m = g->maps + 9 * record;
    const float half = (g->w_out - 1) * 0.5f, middle = (g->h_out - 1) * 0.5f;
    const float across = fabsf(m[0]) * half + fabsf(m[1]) * middle;
    const float x = m[2] + (g->w_in - 1) * 0.5f;
    read_span(x - across, x + across, g->w_in, l->border, &w.left, &w.right);
    const float along = fabsf(m[3]) * half, y = m[5] + (g->h_in - 1) * 0.5f;
    const float a = m[4] * (from - middle), b = m[4] * (to - 1 - middle);
    read_span(y + min(a, b) - along, y + max(a, b) + along, g->h_in, l->border, &w.top, &w.bottom);
    return w;
}

/* Low-passes rows and columns of a picture, of which `p` says where it is, what it is, and where the first
 * of all results lies. */
static void low_pass(const Group *g, const ChannelBand *l, int64_t record, int resized, Window w,
                     Separable p, const char *fill, Scratch *s)
{
    const Reading across = {1, 0, g->w_in, g->w_in, l->border, resized,
                            sigma_of(g, l, record, 0), g->radius};
    const Reading down = {1, 0, g->h_in, g->h_in, l->border, resized,
                          sigma_of(g, l, record, 1), g->radius};
    Axis rows, columns;
    if (w.top >= w.bottom || w.left >= w.right ||
        !axis_of(&down, w.top, w.bottom, s, WEIGHTS_Y, &rows) ||
        !axis_of(&across, w.left, w.right, s, WEIGHTS_X, &columns))
        return;
    p.rows = &rows, p.columns = &columns;
    p.channels = l->channels, p.pixel_out = l->channels, p.as_floats = 1;
    p.width = g->w_in, p.height = g->h_in, p.n_columns = w.right - w.left;
    p.row = g->w_in * p.pixel, p.row_out = (int64_t)g->w_in * l->channels;
    p.out = (float *)p.out + ((int64_t)w.top * g->w_in + w.left) * l->channels;
    if (have_memory(&p, fill, s))
        rows_first(&p, w.bottom - w.top);
}

/* Some values of a band, or what lies beyond it, may be none. */
INLINE int may_be_invalid(const ChannelBand *l)
{
    return l->method == NAN_AWARE ||
           (l->method == GENERAL && (l->rules->invalid != MARK_NOTHING || !l->rules->filled));
}

/* Element k of a pixel is the number that marks pixels without data. */
INLINE int is_marked(const ChannelBand *l, const char *p, int k)
{
    if (!l->numbered)
        return 0;
    if (l->method != GENERAL)
        return element(p, l->type, k) == l->invalid;
    return is_float_type(l->type) ? element(p, l->type, k) == (float)l->rules->number
                                  : whole_element(p, l->type, k) == (int32_t)l->rules->number;
}

/* Which channels of a pixel are valid: all of them or none where they are invalid together. */
static void judge_pixel(const ChannelBand *l, const char *p, float *known)
{
    const int judged = l->method != GENERAL || l->rules->invalid != MARK_NOTHING;
    int bad = 0, marked = l->numbered;
    for (int k = 0; k < l->channels; k++) {
        const int missing = judged && isnan(element(p, l->type, k)), mark = is_marked(l, p, k);
        bad |= missing, marked &= mark;
        known[k] = !missing && !mark;
    }
    for (int k = 0; k < l->channels && l->joint && judged; k++)
        known[k] = !bad && !marked;
}

/* The values of a band as they are, and 1 where they are valid: 0 and 0 elsewhere. Says how large and how
 * small they are, by channel. */
static void split_valid(const Group *g, const ChannelBand *l, const char *in, float *values,
                        float *known, float *range)
{
    const int C = l->channels;
    for (int k = 0; k < C; k++)
        range[k] = INFINITY, range[C + k] = -INFINITY;
    for (int64_t i = 0; i < (int64_t)g->h_in * g->w_in; i++, values += C, known += C) {
        judge_pixel(l, in, known);
        for (int k = 0; k < C; k++) {
            values[k] = known[k] > 0 ? element(in, l->type, k) : 0;
            if (known[k] > 0) {
                range[k] = min(range[k], values[k]);
                range[C + k] = max(range[C + k], values[k]);
            }
        }
        in += (int64_t)l->stride * l->size;
    }
}

/* Every value of a band as float32. */
static void widen(const Group *g, const ChannelBand *l, const char *in, float *values)
{
    for (int64_t i = 0; i < (int64_t)g->h_in * g->w_in; i++, values += l->channels) {
        for (int k = 0; k < l->channels; k++)
            values[k] = element(in, l->type, k);
        in += (int64_t)l->stride * l->size;
    }
}

/* One pixel of what lies beyond a constant border, as float32: NaN for nothing. */
static void widen_fill(const ChannelBand *l, float *fill)
{
    const int filled = l->method != GENERAL || l->rules->filled;
    judge_pixel(l, l->fill, fill);
    for (int k = 0; k < l->channels; k++)
        fill[k] = filled && fill[k] > 0 ? element(l->fill, l->type, k) : NAN;
}

/* The means over what is valid, of some rows: NaN where a pixel itself is not. */
static void means_of_valid(const Group *g, const ChannelBand *l, int64_t record, Window w,
                           const float *values, const float *known, const float *range,
                           float *source, Scratch *s)
{
    const int C = l->channels;
    float *mass = room(s, MASS, (int64_t)g->h_in * g->w_in * C * sizeof(float));
    float *fills = room(s, FILLS, 2 * C * sizeof(float));
    if (!mass || !fills)
        return;
    widen_fill(l, fills);
    for (int k = 0; k < C; k++) {
        /* What lies beyond a constant border is as good as any value, unless it is none. */
        const int counts = l->border == CONSTANT && !g->resized && !isnan(fills[k]);
        fills[k] = counts ? fills[k] : 0, fills[C + k] = counts;
    }
    const Separable p = {.in = values, .out = source, .pixel = C, .type = F32};
    Separable q = p;
    q.in = known, q.out = mass;
    low_pass(g, l, record, 0, w, p, (const char *)fills, s);
    low_pass(g, l, record, 0, w, q, (const char *)(fills + C), s);
    for (int64_t row = w.top; row < w.bottom; row++)
        for (int64_t i = (row * g->w_in + w.left) * C; i < (row * g->w_in + w.right) * C; i++) {
            /* A mean is not beyond what it is of: rounding is taken off. */
            const int k = (int)(i % C);
            const float mean = min(max(source[i] / mass[i], range[k]), range[C + k]);
            source[i] = known[i] > 0 ? mean : NAN;
        }
}

/* Has rows and columns of a low-passed band ready. */
static float *prepare(const Group *g, const ChannelBand *l, int64_t record, Window w, Scratch *s,
                      Prepared *kept)
{
    const int C = l->channels;
    const int64_t numbers = (int64_t)g->h_in * g->w_in * C;
    const char *in = l->in + row_of(l->rows, record) * l->in_bytes;
    const int split = may_be_invalid(l), wide = !split && l->type > F32;
    float *values = 0, *known = 0, *range = 0;
    if (split || wide)
        values = room(s, VALUES, (numbers + C) * sizeof(float));
    if (split) {
        known = room(s, KNOWN, (numbers + 2 * C) * sizeof(float));
        range = known + numbers;
    }
    if (kept->band != l || kept->record != record || kept->window.left > w.left ||
        kept->window.right < w.right) {
        *kept = (Prepared){l, record, {w.top, w.top, w.left, w.right}, 0};
        kept->source = room(s, SOURCE, (numbers + WIDE) * sizeof(float));
        if (split && !s->failed)
            split_valid(g, l, in, values, known, range);
        if (wide && !s->failed) {
            widen(g, l, in, values);
            widen_fill(l, values + numbers);
        }
    }
    Separable plain = {.in = in, .out = kept->source, .pixel = l->stride, .type = l->type};
    const char *fill = l->fill;
    if (wide) {
        plain.in = values, plain.pixel = C, plain.type = F32;
        fill = (const char *)(values + numbers);
    }
    Window *there = &kept->window;
    for (int lower = 0; lower < 2 && !s->failed; lower++) {
        /* What is missing above, then what is missing below. */
        Window more = *there;
        if (lower)
            more.top = there->bottom, more.bottom = w.bottom;
        else
            more.top = w.top, more.bottom = there->top;
        if (more.top >= more.bottom)
            continue;
        if (split)
            means_of_valid(g, l, record, more, values, known, range, kept->source, s);
        else
            low_pass(g, l, record, g->resized, more, plain, fill, s);
        if (lower)
            there->bottom = w.bottom;
        else
            there->top = w.top;
    }
    if (s->failed)
        kept->band = 0;
    return s->failed ? 0 : kept->source;
}

/* Numbers of a float32 row to pixels of a band; NaN to what stands where nothing is known. */
static void put_floats(const ChannelBand *l, const float *in, int64_t pixels, char *out)
{
    const int C = l->channels, general = l->method == GENERAL;
    const int marked = general && l->rules->invalid == MARK_NUMBER && !is_float_type(l->type);
    const int off_the_mark = marked && !(l->joint && C > 1);
    for (int64_t i = 0; i < pixels; i++, in += C, out += (int64_t)l->stride * l->size)
        for (int k = 0; k < C; k++) {
            if (l->type == U8 && !general) {
                ((uint8_t *)out)[k] = one_u8(in[k]);
            } else if (l->type == U16 && !general) {
                ((uint16_t *)out)[k] = one_u16(in[k]);
            } else if (!general) {
                ((float *)out)[k] = l->numbered && isnan(in[k]) ? l->invalid : in[k];
            } else if (isnan(in[k]) && !l->rules->never_unknown) {
                memcpy(out + k * l->size, l->rules->nothing + k * l->size, l->size);
            } else {
                put_element(out, l->type, k, in[k]);
                if (off_the_mark && whole_element(out, l->type, k) == (int32_t)l->rules->number)
                    put_whole(out + k * l->size, l->type, l->rules->beside);
            }
        }
}

static void group_rows(const Group *g, int64_t record, int from, int to, Scratch *s,
                       Prepared *kept);

/* Rows from .. to of a band whose source is low-passed first. */
static void prepared_rows(const Group *g, const ChannelBand *l, int64_t record, int from, int to,
                          Scratch *s, Prepared *kept)
{
    const int C = l->channels;
    const int64_t row = (int64_t)g->w_out * C * sizeof(float);
    const int most = row < (1 << 16) ? (int)((1 << 16) / row) : 1;
    float *result = room(s, RESULT, most * row + WIDE * sizeof(float));
    if (from >= to || s->failed)
        return;
    const float *source = prepare(g, l, record, window_of(g, l, record, from, to), s, kept);
    float *fill = room(s, FILLS, 2 * C * sizeof(float));
    if (!source || !fill)
        return;
    widen_fill(l, fill);
    /* What is not known is NaN until it is written down. */
    for (int k = 0; k < C; k++)
        fill[C + k] = NAN;
    Rules rules;
    ChannelBand soft = *l;
    if (l->method == GENERAL) {
        rules = *l->rules, soft.rules = &rules;
        rules.nothing = (const char *)(fill + C);
        rules.invalid = rules.invalid == MARK_NUMBER ? MARK_NAN : rules.invalid;
    }
    soft.in = (const char *)source, soft.in_bytes = 0, soft.rows = 0, soft.fill = (const char *)fill;
    soft.type = F32, soft.size = sizeof(float), soft.stride = C, soft.out_bytes = 0;
    soft.lowpass = 0, soft.numbered = 0, soft.reread = 1;
    Group one = *g;
    one.bands = &soft, one.n_bands = 1, one.n_validities = 0, one.sigma = 0;
    for (int first = from; first < to; first += most) {
        const int n = to - first < most ? to - first : most;
        /* Rows are counted from the first of the picture. */
        soft.out = (char *)((uintptr_t)result - (uintptr_t)(first * row));
        group_rows(&one, record, first, first + n, s, kept);
        put_floats(l, result, (int64_t)n * g->w_out,
                   l->out + record * l->out_bytes +
                       (int64_t)first * g->w_out * l->stride * l->size);
    }
}

/* The coefficients of a band whose source has to become a spline first. */
static const float *coefficients_of(const Group *g, const ChannelBand *l, int64_t record, Scratch *s,
                                    Prepared *kept)
{
    const int margin = spline_margin(spline_border(l->border, g->resized));
    const int64_t pixels = (int64_t)(g->w_in + 2 * margin) * (g->h_in + 2 * margin);
    int slot = COEFFICIENTS;
    while (slot < SLOTS && (s->holding[slot].of != l || s->holding[slot].record != record))
        slot++;
    if (slot < SLOTS)
        return (const float *)s->memory[slot];
    slot = COEFFICIENTS + s->turn++ % (SLOTS - COEFFICIENTS);
    s->holding[slot].of = 0;
    /* Four taps of one channel are read at once. */
    float *found = room(s, slot, (pixels * l->channels + WIDE) * sizeof(float));
    const char *in = l->in + row_of(l->rows, record) * l->in_bytes, *fill = l->fill;
    ChannelBand source = *l;
    if (is_low_passed(g, l, record)) {
        const Window whole = {0, g->h_in, 0, g->w_in};
        float *fills = room(s, RESULT, l->channels * sizeof(float));
        in = (const char *)prepare(g, l, record, whole, s, kept);
        if (!in || !fills)
            return 0;
        widen_fill(l, fills);
        fill = (const char *)fills;
        source.type = F32, source.size = sizeof(float), source.stride = l->channels;
    }
    for (int from = 0, n; found && from < l->channels; from += n) {
        n = l->channels - from < MAX_NAN_AWARE ? l->channels - from : MAX_NAN_AWARE;
        if (!make_coefficients(g, &source, in + from * source.size, fill + from * source.size, n,
                               found + from * pixels, s))
            return 0;
    }
    if (found)
        s->holding[slot] = (Holding){l, record};
    return found;
}

/* Rows from .. to of a band that is read as a spline. */
static void spline_rows(const Group *g, const ChannelBand *l, int64_t record, int from, int to, Scratch *s,
                        Prepared *kept)
{
    ChannelBand ready = *l;
    Group one = *g;
    if (from >= to || s->failed || !(ready.coefficients = coefficients_of(g, l, record, s, kept)))
        return;
    ready.lowpass = is_low_passed(g, l, record);
    one.bands = &ready, one.n_bands = 1, one.n_validities = 0, one.sigma = 0;
    group_rows(&one, record, from, to, s, kept);
}

#endif
