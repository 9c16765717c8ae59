/* Bands of every role, interpolation and element type, a chunk of a row at a time.
 *
 * The taps of a chunk are laid out as planes of float32, one per channel; roles encode them, they are
 * blended, decoded, moved, and written in their own type. What is not known is NaN on the way. The
 * methods of blend.h, nearest.h and nan_aware.h are faster forms of special cases;
 * tests/conformance holds all of them to one reference. */
#ifndef MULTIAUG_GENERAL_H
#define MULTIAUG_GENERAL_H

#include "angles.h"
#include "segments.h"
#include "spline.h"

/* Which pixels of the result a chunk holds: `n` of rows from `row` on, each from column `first` on. */
typedef struct {
    int row, first, width, n;
} Span;

/* What the steps of a chunk share. */
typedef struct {
    const Group *g;
    const ChannelBand *l;
    const Rules *rules;
    const RecordNumbers *own;
    const Chunk *c;
    const char *in;
    const float *map; /* backward matrix of the record */
    int64_t record;
    Span span;
    Rays rays;
    int channels;          /* that are worked on: at most MAX_NAN_AWARE */
    int skipped;           /* channels of the band before them */
} Work;

/* The four taps of a chunk, and where they stand in the source. */
typedef struct {
    Plane value[4][MAX_NAN_AWARE];
    Plane fx, fy, column[2], row[2];
} ALIGNED Four;

/* Sixteen taps: per axis four places, their weights, and whether they are inside. */
typedef struct {
    int32_t column[4][ROOM], row[4][ROOM];
    Plane wx[4], wy[4];
    uint8_t in_x[4][ROOM], in_y[4][ROOM];
} ALIGNED Sixteen;

INLINE const char *pixel_at(const Work *w, int64_t index)
{
    return w->in + (index * w->l->stride + w->skipped) * w->l->size;
}

/* ---- taps ------------------------------------------------------------------------------- */

/* Element k as float32; NaN where it is the invalid number of an int32, whose neighbours float32 does
 * not tell from it. `judge_tap` does the other types. */
INLINE float valid_element(const Work *w, const char *p, int type, int k)
{
    if (type == I32 && w->rules->invalid == MARK_NUMBER && long_at(p, k) == (int32_t)w->rules->number)
        return NAN;
    return element(p, type, k);
}

INLINE void read_pixel(const Work *w, const char *p, int type, int C, int t, int i, Four *f)
{
    for (int k = 0; k < C; k++)
        f->value[t][k][i] = valid_element(w, p, type, k);
}

/* Float32 by whole vectors; the first pixel of a run that is left. What is written behind the run is
 * written again, or never looked at. */
INLINE int lay_out_floats(const Work *w, const Run *r, Four *f, int C)
{
    int i = r->from;
#ifdef __AVX2__
    const float *in = (const float *)w->in;
    const int64_t S = w->l->stride, W = w->g->w_in * S;
    const int32_t *index = w->c->index;
    if (w->skipped)
        return i;
    for (; C == 3 && i < r->to; i += WIDE) {
        fv v[4][4];
        planes_of(in, S, W, index + i, v);
        for (int t = 0; t < 4; t++)
            for (int k = 0; k < 3; k++)
                store_fv(f->value[t][k] + i, v[t][k]);
    }
    /* Two neighbours of two channels are four numbers. */
    for (; C == 2 && S == 2 && i < r->to; i += WIDE)
        for (int lower = 0; lower < 2; lower++) {
            int64_t at[4][WIDE / 4];
            fv v[4];
            for (int k = 0; k < WIDE; k++)
                at[k % 4][k / 4] = index[i + k] * S + lower * W;
            for (int k = 0; k < 4; k++)
                v[k] = quarters(in, at[k]);
            transpose4x4(v);
            for (int k = 0; k < 4; k++)
                store_fv(f->value[2 * lower + k / 2][k % 2] + i, v[k]);
        }
    /* Two neighbours of one channel are a long word. */
    for (; C == 1 && S == 1 && i < r->to; i += WIDE)
        for (int lower = 0; lower < 2; lower++) {
            uint64_t pair[WIDE] ALIGNED;
            uv half[2];
            for (int k = 0; k < WIDE; k++)
                memcpy(pair + k, in + index[i + k] + lower * W, sizeof *pair);
            load_deinterleaved(pair, half);
            store_fv(f->value[2 * lower][0] + i, (fv)half[0]);
            store_fv(f->value[2 * lower + 1][0] + i, (fv)half[1]);
        }
#else
    (void)w, (void)f, (void)C;
#endif
    return i;
}

INLINE void lay_out_four_of(const Work *w, Four *f, int type, int C)
{
    const Group *g = w->g;
    const Chunk *c = w->c;
    const ChannelBand *l = w->l;
    const int placed = w->rules->encode == ENCODE_RAY || w->rules->encode == ENCODE_WORLD_RAY;
    const int64_t offset[4] = {0, 1, g->w_in, g->w_in + 1};
    memcpy(f->fx, c->fx, w->span.n * sizeof(float));
    memcpy(f->fy, c->fy, w->span.n * sizeof(float));
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++) {
        int i = r->from;
        if (r->place <= EXACT) {
            if (type == F32)
                i = lay_out_floats(w, r, f, C);
            for (; i < r->to; i++)
                for (int t = 0; t < 4; t++)
                    read_pixel(w, pixel_at(w, c->index[i] + offset[t]), type, C, t, i, f);
            for (i = r->from; placed && i < r->to; i++)
                for (int t = 0; t < 2; t++) {
                    f->column[t][i] = floorf(c->x[i]) + (float)t;
                    f->row[t][i] = floorf(c->y[i]) + (float)t;
                }
            continue;
        }
        const int nowhere = r->place == BEYOND && is_filled(l->border);
        for (; i < r->to; i++) {
            const Taps *taps = c->taps + i;
            for (int t = 0; t < 4; t++) {
                const int outside = nowhere || (taps->out_x[t & 1] | taps->out_y[t >> 1]);
                if (outside && w->rules->filled != 1)
                    for (int k = 0; k < C; k++)
                        f->value[t][k][i] = NAN;
                else if (outside)
                    read_pixel(w, l->fill + w->skipped * l->size, type, C, t, i, f);
                else
                    read_pixel(w, pixel_at(w, (int64_t)taps->row[t >> 1] * g->w_in + taps->column[t & 1]),
                               type, C, t, i, f);
            }
            f->fx[i] = nowhere ? 0 : taps->fx, f->fy[i] = nowhere ? 0 : taps->fy;
            for (int t = 0; placed && t < 2; t++) {
                f->column[t][i] = nowhere ? 0 : taps->column[t];
                f->row[t][i] = nowhere ? 0 : taps->row[t];
            }
        }
    }
}

#define BY_CHANNELS(function, type, ...)                                                         \
    switch (w->channels) {                                                                       \
    case 1: function(__VA_ARGS__, type, 1); break;                                               \
    case 2: function(__VA_ARGS__, type, 2); break;                                               \
    case 3: function(__VA_ARGS__, type, 3); break;                                               \
    default: function(__VA_ARGS__, type, w->channels);                                           \
    }                                                                                            \
    break
/* A known number of channels pays where much is done for each; elsewhere it only makes more code. */
#define ANY_CHANNELS(function, type, ...)                                                        \
    function(__VA_ARGS__, type, w->channels);                                                    \
    break
#define BY_TYPE(CHANNELS, function, ...)                                                         \
    switch (w->l->type) {                                                                        \
    case U8: CHANNELS(function, U8, __VA_ARGS__);                                                \
    case U16: CHANNELS(function, U16, __VA_ARGS__);                                              \
    case F32: CHANNELS(function, F32, __VA_ARGS__);                                              \
    case BOOL: CHANNELS(function, BOOL, __VA_ARGS__);                                            \
    case I16: CHANNELS(function, I16, __VA_ARGS__);                                              \
    case I32: CHANNELS(function, I32, __VA_ARGS__);                                              \
    case F16: CHANNELS(function, F16, __VA_ARGS__);                                              \
    default: CHANNELS(function, BF16, __VA_ARGS__);                                              \
    }

static void lay_out_four(const Work *w, Four *f) { BY_TYPE(BY_CHANNELS, lay_out_four_of, w, f) }

/* Invalid values of one tap become NaN; of joint channels, all together. */
static void judge_tap(const Work *w, Plane *value)
{
    const int C = w->channels, n = w->span.n;
    const int numbered = w->rules->invalid == MARK_NUMBER && w->l->type != I32;
    const int joint = w->l->joint && C > 1;
    const fv none = splat(NAN), mark = splat((float)w->rules->number);
    if (w->rules->invalid == MARK_NOTHING || (!numbered && !joint))
        return;
    for (int i = 0; i < n; i += WIDE) {
        mask valid = mask_of(1), unmarked = mask_of(0);
        for (int k = 0; k < C; k++) {
            const fv v = load_fv(value[k] + i);
            const mask marked = numbered ? equal(v, mark) : mask_of(0);
            unmarked |= ~marked;
            valid &= equal(v, v);
            if (numbered && !joint)
                store_fv(value[k] + i, choose(marked, none, v));
        }
        for (int k = 0; joint && k < C; k++)
            store_fv(value[k] + i, choose(numbered ? unmarked : valid, load_fv(value[k] + i), none));
    }
}

/* From source values of one tap to values that may be blended. */
static void encode_tap(const Work *w, const float *column, const float *row, Plane *value)
{
    const Rules *rules = w->rules;
    const RecordNumbers *own = w->own;
    const fv none = splat(NAN), nothing = {0};
    for (int i = 0; i < w->span.n; i += WIDE) {
        fv a = load_fv(value[0] + i), b = none, z = none, u, v;
        switch (rules->encode) {
        case ENCODE_RECIPROCAL:
            store_fv(value[0] + i, choose(less(nothing, a), 1 / a, none));
            break;
        case ENCODE_ANGLE:
            sine_and_cosine(a * rules->turns, &v, &u);
            store_fv(value[0] + i, u);
            store_fv(value[1] + i, v);
            break;
        case ENCODE_WORLD_RAY:
        case ENCODE_RAY:
            b = load_fv(value[1] + i), z = load_fv(value[2] + i);
            if (rules->encode == ENCODE_WORLD_RAY) {
                const float *m = own->pose, *o = own->origin;
                const fv x = a, y = b;
                a = m[0] * x + m[1] * y + m[2] * z + o[0];
                b = m[3] * x + m[4] * y + m[5] * z + o[1];
                z = m[6] * x + m[7] * y + m[8] * z + o[2];
            }
            rays_at(&w->rays, load_fv(column + i), load_fv(row + i), &u, &v);
            {
                const mask seen = less(nothing, z) & ordered(a, b);
                store_fv(value[0] + i, choose(seen, 1 / z, none));
                store_fv(value[1] + i, choose(seen, a - z * u, none));
                store_fv(value[2] + i, choose(seen, b - z * v, none));
            }
        }
    }
}

/* ---- blending --------------------------------------------------------------------------- */

INLINE int blended_channels(const Work *w) { return w->rules->encode == ENCODE_ANGLE ? 2 : w->channels; }

/* Everything is known. On a pixel centre it is the value there, whatever stands beside it; where the
 * difference of two values is beyond the largest one, their halves are blended. */
static void blend_plain(const Work *w, const Four *f, Plane *mixed)
{
    const fv nothing = {0};
    for (int k = 0; k < w->channels; k++)
        for (int i = 0; i < w->span.n; i += WIDE) {
            const fv fx = load_fv(f->fx + i), fy = load_fv(f->fy + i);
            const fv a = load_fv(f->value[0][k] + i), b = load_fv(f->value[1][k] + i);
            const fv c = load_fv(f->value[2][k] + i), d = load_fv(f->value[3][k] + i);
            const mask on_x = equal(fx, nothing), on_y = equal(fy, nothing);
            fv upper = choose(on_x, a, LERP(a, b, fx)), lower = choose(on_x, c, LERP(c, d, fx));
            fv found = choose(on_y, upper, LERP(upper, lower, fy));
            const mask finite = less(absolute(found), splat(INFINITY));
            if (__builtin_expect(!all_set(finite), 0)) {
                upper = choose(on_x, a / 2, LERP(a / 2, b / 2, fx));
                lower = choose(on_x, c / 2, LERP(c / 2, d / 2, fx));
                found = choose(finite, found, choose(on_y, upper, LERP(upper, lower, fy)) * 2);
            }
            store_fv(mixed[k] + i, found);
        }
}

INLINE fv jump_of(const Work *w, const Plane *value, int k, int i)
{
    const fv v = load_fv(value[k] + i);
    return w->rules->jump ? 1 / v : v;
}

/* The weights of the taps of WIDE pixels: 0 of those that are not known, or too far from the heaviest
 * one. Returns where the known ones have half of the weight. */
INLINE mask weigh(const Work *w, const Four *f, int k, int last, int i, fv weight[4], fv heaviest[])
{
    const fv fx = load_fv(f->fx + i), fy = load_fv(f->fy + i), nothing = {0};
    fv total = nothing, most = nothing;
    for (int t = 0; t < 4; t++) {
        const fv own = (t & 1 ? fx : 1 - fx) * (t & 2 ? fy : 1 - fy);
        mask valid = mask_of(1);
        for (int q = k; q < last; q++) {
            const fv v = load_fv(f->value[t][q] + i);
            valid &= equal(v, v);
        }
        weight[t] = choose(valid, own, nothing);
        total = total + weight[t];
    }
    const mask known = at_most(splat(HALF), total);
    if (!(w->rules->max_jump < INFINITY))
        return known;
    const int count = w->rules->jump ? k + 1 : last;
    for (int t = 0; t < 4; t++) {
        const mask heavier = t == 0 ? mask_of(1) : less(most, weight[t]);
        for (int q = k; q < count; q++)
            heaviest[q] = choose(heavier, jump_of(w, f->value[t], q, i), heaviest[q]);
        most = choose(heavier, weight[t], most);
    }
    for (int t = 0; t < 4; t++) {
        mask near = mask_of(1);
        for (int q = k; q < count; q++)
            near &= at_most(absolute(jump_of(w, f->value[t], q, i) - heaviest[q]),
                            splat(w->rules->max_jump));
        weight[t] = choose(near, weight[t], nothing);
    }
    return known;
}

/* Linear over the known taps, renormalised; NaN where they carry less than half of the weight. */
static void blend_valid(const Work *w, const Four *f, Plane *mixed, Plane *reference)
{
    const int C = blended_channels(w), joint = w->l->joint || w->rules->encode != ENCODE_NOTHING;
    const fv nothing = {0}, minus_zero = -nothing;
    for (int i = 0; i < w->span.n; i += WIDE) {
        mask there = mask_of(1), known = there;
        if (!is_filled(w->l->border))
            there = is_somewhere(load_fv(w->c->x + i), load_fv(w->c->y + i));
        fv weight[4], heaviest[MAX_NAN_AWARE] = {{0}}, share = nothing;
        for (int k = 0; k < C; k++) {
            if (k == 0 || !joint) {
                known = weigh(w, f, k, joint ? C : k + 1, i, weight, heaviest) & there;
                const fv total = ((weight[0] + weight[1]) + weight[2]) + weight[3];
                share = 1 / choose(less(nothing, total), total, splat(1));
            }
            fv sum = minus_zero;
            for (int t = 0; t < 4; t++)
                sum = add_where(less(nothing, weight[t]), sum,
                                load_fv(f->value[t][k] + i) * (weight[t] * share));
            store_fv(mixed[k] + i, choose(known, sum, splat(NAN)));
            if (reference)
                store_fv(reference[k] + i, heaviest[k]);
        }
    }
}

/* Cubic convolution with a = -1/2 (Keys, 1981), at distance t. */
INLINE fv keys_near(fv t) { return (1.5f * t - 2.5f) * t * t + 1; }
INLINE fv keys_far(fv t) { return -0.5f * (((t - 5) * t + 8) * t - 4); }

static int fold_index(int index, int size, int border, uint8_t *inside)
{
    *inside = !is_filled(border) || (index >= 0 && index < size);
    if (border == WRAP) {
        const int rest = index % size;
        return rest < 0 ? rest + size : rest;
    }
    if (border == REFLECT) {
        int rest = index % (2 * size);
        rest = rest < 0 ? rest + 2 * size : rest;
        return rest < size ? rest : 2 * size - 1 - rest;
    }
    if (border == MIRROR) {
        const int period = size > 1 ? 2 * size - 2 : 1;
        int rest = index % period;
        rest = rest < 0 ? rest + period : rest;
        return size > 1 ? (rest < size ? rest : period - rest) : 0;
    }
    return index < 0 ? 0 : index >= size ? size - 1 : index;
}

/* The places and weights of four taps along an axis: of pixels, or of the coefficients of a spline. */
static void four_along(const float *at, int n, int size, int border, int resized, int on_spline,
                       int32_t (*place)[ROOM], Plane *weight, uint8_t (*inside)[ROOM], float *fraction)
{
    const int classic = border == CONSTANT_HARD || border == WRAP_CLASSIC;
    const int rule = on_spline ? spline_border(border, resized) : classic ? MIRROR : border;
    const int margin = on_spline ? spline_margin(rule) : 0;
    for (int i = 0; i < n; i++) {
        /* Whole vectors of which all taps are inside, or none. */
        while (i < n) {
            const fv c = load_fv(at + i);
            if (rule == CONSTANT &&
                all_set(less(c, splat(-3.0f - margin)) | less(splat(size + 2.0f + margin), c))) {
                store_fv(fraction + i, (fv){0});
                for (int t = 0; t < 4; t++) {
                    store_iv(place[t] + i, (iv){0});
                    memset(inside[t] + i, 0, WIDE);
                }
                i += WIDE;
                continue;
            }
            if (!all_set(at_most(splat(1), c) & less(c, splat(size - 2.0f))))
                break;
            const iv whole = __builtin_convertvector(c, iv);
            store_fv(fraction + i, c - __builtin_convertvector(whole, fv));
            for (int t = 0; t < 4; t++) {
                store_iv(place[t] + i, whole - 1 + t + margin);
                memset(inside[t] + i, 1, WIDE);
            }
            i += WIDE;
        }
        if (i >= n)
            break;
        float c = at[i];
        int beyond = 0;
        if (classic) {
            c = fold(c, size, border, resized);
            beyond = c < 0;
            c = max(c, 0);
        } else if (resized && is_filled(border) && c >= -0.5f && c <= size - 0.5f) {
            c = min(max(c, 0), size - 1);
        }
        /* As `split`: held within what float32 counts whole pixels in. */
        c = c != c ? 4194304.0f : c < -4194304.0f ? -4194304.0f : c > 4194304.0f ? 4194304.0f : c;
        const float whole = floorf(c);
        const int within = resized && c >= 0 && c <= size - 1;
        fraction[i] = c - whole;
        for (int t = 0; t < 4; t++) {
            place[t][i] = fold_index((int)whole - 1 + t + margin, size + 2 * margin, rule, &inside[t][i]);
            inside[t][i] = beyond ? 0 : inside[t][i] | within;
        }
    }
    for (int i = 0; on_spline && i < n; i += WIDE) {
        const fv f = load_fv(fraction + i), rest = 1 - f;
        store_fv(weight[0] + i, rest * rest * rest / 6);
        store_fv(weight[1] + i, 2.0f / 3 - f * f * (1 - f / 2));
        store_fv(weight[2] + i, 2.0f / 3 - rest * rest * (1 - rest / 2));
        store_fv(weight[3] + i, f * f * f / 6);
    }
    for (int i = 0; !on_spline && i < n; i += WIDE) {
        const fv f = load_fv(fraction + i);
        store_fv(weight[0] + i, keys_far(1 + f));
        store_fv(weight[1] + i, keys_near(f));
        store_fv(weight[2] + i, keys_near(1 - f));
        store_fv(weight[3] + i, keys_far(2 - f));
    }
}

INLINE void lay_out_tap_of(const Work *w, const Sixteen *s, int r, int q, Plane *value, int type, int C)
{
    for (int i = 0; i < w->span.n; i++) {
        if (__builtin_expect(s->in_y[r][i] & s->in_x[q][i], 1)) {
            const char *p = pixel_at(w, (int64_t)s->row[r][i] * w->g->w_in + s->column[q][i]);
            for (int k = 0; k < C; k++)
                value[k][i] = valid_element(w, p, type, k);
        } else {
            const char *fill = w->l->fill + w->skipped * w->l->size;
            for (int k = 0; k < C; k++)
                value[k][i] = w->rules->filled ? valid_element(w, fill, type, k) : NAN;
        }
    }
}

static void lay_out_tap(const Work *w, const Sixteen *s, int r, int q, Plane *value)
{
    BY_TYPE(ANY_CHANNELS, lay_out_tap_of, w, s, r, q, value)
}

/* The sixteen taps of a pixel inside are four rows of neighbours: of the first pixel whose taps are
 * not all inside, its number. Down the columns first, then along. By what the others differ from the
 * middle ones: where nothing differs, nothing is rounded. */
#define CUBIC_INSIDE(T, NAME)                                                                    \
    INLINE void cubic_inside_##NAME(const Work *w, const Sixteen *s, int from, int to, int C,    \
                                    Plane *mixed)                                                \
    {                                                                                            \
        float columns[PART_OF_CUBIC][4 * MAX_NAN_AWARE + 4] ALIGNED;                             \
        const float down = sizeof(T) == 4 ? 0.5f : 1, up = sizeof(T) == 4 ? 2 : 1;               \
        for (int first = from; first < to; first += PART_OF_CUBIC) {                             \
            const int n = to - first < PART_OF_CUBIC ? to - first : PART_OF_CUBIC;               \
            for (int i = 0; i < n; i++) {                                                        \
                const int at = first + i;                                                        \
                const T *p[4];                                                                   \
                for (int r = 0; r < 4; r++)                                                      \
                    p[r] = (const T *)w->in + ((int64_t)s->row[r][at] * w->g->w_in +             \
                                               s->column[0][at]) * C;                            \
                for (int k = 0; k < C; k++) {                                                    \
                    const f4 middle = half_##NAME(p[1] + 4 * k) * down;                          \
                    const f4 a = half_##NAME(p[0] + 4 * k) * down - middle;                      \
                    const f4 b = half_##NAME(p[2] + 4 * k) * down - middle;                      \
                    const f4 c = half_##NAME(p[3] + 4 * k) * down - middle;                      \
                    put4_f32(columns[i] + 4 * k, middle + (a * s->wy[0][at] + b * s->wy[2][at] + \
                                                           c * s->wy[3][at]));                   \
                }                                                                                \
            }                                                                                    \
            for (int i = 0; i < n; i++)                                                          \
                for (int k = 0; k < C; k += 4) {                                                 \
                    const int at = first + i;                                                    \
                    const float *q = columns[i] + k;                                             \
                    const f4 middle = half_f32(q + C);                                           \
                    const f4 sum = middle + ((half_f32(q) - middle) * s->wx[0][at] +             \
                                             (half_f32(q + 2 * C) - middle) * s->wx[2][at] +     \
                                             (half_f32(q + 3 * C) - middle) * s->wx[3][at]);     \
                    for (int j = 0; j < 4 && k + j < C; j++)                                     \
                        mixed[k + j][at] = sum[j] * up;                                          \
                }                                                                                \
        }                                                                                        \
    }                                                                                            \
    static void cubic_run_##NAME(const Work *w, const Sixteen *s, int from, int to, Plane *m)    \
    {                                                                                            \
        switch (w->channels) {                                                                   \
        case 1: cubic_inside_##NAME(w, s, from, to, 1, m); break;                                \
        case 3: cubic_inside_##NAME(w, s, from, to, 3, m); break;                                \
        default: cubic_inside_##NAME(w, s, from, to, w->channels, m);                            \
        }                                                                                        \
    }

enum { PART_OF_CUBIC = 32 };
CUBIC_INSIDE(uint8_t, u8)
CUBIC_INSIDE(uint16_t, u16)
CUBIC_INSIDE(float, f32)

/* Whether neighbours in memory are neighbours in the band, so that four taps are one piece. */
INLINE int is_one_piece(const Work *w)
{
    return w->l->stride == w->l->channels && w->channels == w->l->channels && w->l->type <= F32;
}

INLINE int any_inside(const Sixteen *s, int i)
{
    return (s->in_x[0][i] | s->in_x[1][i] | s->in_x[2][i] | s->in_x[3][i]) &
           (s->in_y[0][i] | s->in_y[1][i] | s->in_y[2][i] | s->in_y[3][i]);
}

/* All that is inside, and the fill where no tap is; the others are left as a list of numbers. */
static int cubic_of_insides(const Work *w, const Sixteen *s, Plane *mixed, int32_t *others)
{
    int count = 0;
    float fill[MAX_NAN_AWARE];
    for (int k = 0; k < w->channels; k++)
        fill[k] = element(w->l->fill, w->l->type, k);
    for (int from = 0, to = 0; from < w->span.n; from = to) {
        uint8_t inside = 0;
        for (; to < w->span.n; to++) {
            const int straight_x = s->column[3][to] - s->column[0][to] == 3;
            const int here = straight_x && s->in_x[0][to] & s->in_x[3][to] & s->in_y[0][to] & s->in_y[3][to];
            if (to == from)
                inside = (uint8_t)here;
            else if (here != inside)
                break;
        }
        if (!inside)
            for (int i = from; i < to; i++) {
                others[count] = i;
                count += any_inside(s, i);
                for (int k = 0; k < w->channels; k++)
                    mixed[k][i] = fill[k];
            }
        else if (w->l->type == U8)
            cubic_run_u8(w, s, from, to, mixed);
        else if (w->l->type == U16)
            cubic_run_u16(w, s, from, to, mixed);
        else
            cubic_run_f32(w, s, from, to, mixed);
    }
    return count;
}

static float cubic_of_one(const Work *w, const Sixteen *s, int i, int k)
{
    float first = 0, total = 0;
    for (int t = -1; t < 16; t++) {
        const int r = t < 0 ? 1 : t / 4, q = t < 0 ? 1 : t % 4;
        const char *p = s->in_y[r][i] & s->in_x[q][i]
                            ? pixel_at(w, (int64_t)s->row[r][i] * w->g->w_in + s->column[q][i])
                            : w->l->fill;
        const float v = element(p, w->l->type, k) / 2;
        if (t < 0)
            first = v;
        else
            total += (v - first) * (s->wy[r][i] * s->wx[q][i]);
    }
    return (first + total) * 2;
}

/* All of it where everything is known. */
static void cubic_of_all(const Work *w, const Sixteen *s, Plane *mixed)
{
    int32_t others[CHUNK];
    const int count = cubic_of_insides(w, s, mixed, others);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < w->channels; k++)
            mixed[k][others[i]] = cubic_of_one(w, s, others[i], k);
}

/* The same on the coefficients of a spline: a source of float32 with a margin. */
static void spline_of_all(const Work *w, const Sixteen *s, Plane *mixed)
{
    const int margin = spline_margin(spline_border(w->l->border, w->g->resized));
    float fill[MAX_NAN_AWARE];
    Group g = *w->g;
    ChannelBand l = *w->l;
    Work on = *w;
    g.w_in += 2 * margin, g.h_in += 2 * margin;
    for (int k = 0; k < w->channels; k++)
        fill[k] = element(l.fill + w->skipped * l.size, l.type, k);
    l.fill = (const char *)fill, l.type = F32, l.size = sizeof(float);
    l.channels = l.stride = w->channels;
    /* Channels that are worked on together follow those before them as a whole. */
    on.in = (const char *)(l.coefficients + (int64_t)w->skipped * g.w_in * g.h_in);
    on.g = &g, on.l = &l, on.skipped = 0;
    cubic_of_all(&on, s, mixed);
}

/* Cubic where all sixteen taps are known and none is beyond a jump; else what stands there. */
static void blend_cubic(const Work *w, Sixteen *s, int aware, Plane *mixed, const Plane *reference)
{
    const int C = w->channels, n = w->span.n;
    Plane value[MAX_NAN_AWARE] ALIGNED, first[MAX_NAN_AWARE] ALIGNED, total[MAX_NAN_AWARE] ALIGNED;
    Plane whole[MAX_NAN_AWARE] ALIGNED;
    const fv nothing = {0};
    const int joint = w->l->joint;
    if (!aware) {
        lay_out_tap(w, s, 1, 1, value);
        for (int k = 0; k < C; k++)
            for (int i = 0; i < n; i += WIDE)
                store_fv(first[k] + i, load_fv(value[k] + i) / 2);
    }
    for (int k = 0; k < C; k++)
        for (int i = 0; i < n; i += WIDE)
            store_fv(total[k] + i, nothing), store_fv(whole[k] + i, splat(1));
    for (int t = 0; t < 16; t++) {
        if (!aware && t == 5)
            continue;
        lay_out_tap(w, s, t / 4, t % 4, value);
        if (aware)
            judge_tap(w, value);
        for (int i = 0; i < n; i += WIDE) {
            const fv weight = load_fv(s->wy[t / 4] + i) * load_fv(s->wx[t % 4] + i);
            mask together = mask_of(1);
            for (int k = 0; aware && joint && k < C; k++) {
                const fv v = load_fv(value[k] + i);
                together &= equal(v, v);
                if (w->rules->max_jump < INFINITY)
                    together &= at_most(absolute(v - load_fv(reference[k] + i)),
                                        splat(w->rules->max_jump));
            }
            for (int k = 0; k < C; k++) {
                const fv v = load_fv(value[k] + i), sum = load_fv(total[k] + i);
                if (!aware) {
                    store_fv(total[k] + i, sum + (v / 2 - load_fv(first[k] + i)) * weight);
                    continue;
                }
                mask used = together;
                if (!joint) {
                    used = equal(v, v);
                    if (w->rules->max_jump < INFINITY)
                        used &= at_most(absolute(v - load_fv(reference[k] + i)),
                                        splat(w->rules->max_jump));
                }
                store_fv(total[k] + i, add_where(used, sum, v * weight));
                store_fv(whole[k] + i, choose(used, load_fv(whole[k] + i), nothing));
            }
        }
    }
    for (int k = 0; k < C; k++)
        for (int i = 0; i < n; i += WIDE) {
            const fv sum = load_fv(total[k] + i);
            if (!aware) {
                store_fv(mixed[k] + i, (load_fv(first[k] + i) + sum) * 2);
                continue;
            }
            const mask all = less(nothing, load_fv(whole[k] + i));
            store_fv(mixed[k] + i, choose(all, sum, load_fv(mixed[k] + i)));
        }
}

/* ---- where pixels stand ------------------------------------------------------------------- */

/* Positions of WIDE pixels in the source, centred, in reference pixels. */
INLINE void centred(const Work *w, int i, fv *x, fv *y)
{
    const Group *g = w->g;
    *x = (load_fv(w->c->x + i) - (g->w_in - 1) * 0.5f) / g->scale_x;
    *y = (load_fv(w->c->y + i) - (g->h_in - 1) * 0.5f) / g->scale_y;
}

/* The same of the pixels themselves, in the result and in its pixels. */
INLINE void centred_out(const Work *w, int i, fv *x, fv *y)
{
    const Group *g = w->g;
    float column[WIDE], row[WIDE];
    for (int k = 0; k < WIDE; k++) {
        column[k] = (float)(w->span.first + (i + k) % w->span.width);
        row[k] = (float)(w->span.row + (i + k) / w->span.width);
    }
    *x = load_fv(column) - (g->w_out - 1) * 0.5f;
    *y = load_fv(row) - (g->h_out - 1) * 0.5f;
}

/* The Jacobian of the backward map between pixels, at WIDE pixels. */
INLINE void jacobian_at(const Work *w, int i, fv j[4])
{
    const float *m = w->map;
    if (w->c->sloped || w->g->affine) {
        for (int k = 0; k < 4; k++)
            j[k] = w->c->sloped ? load_fv(w->c->slope[k] + i) : splat(m[k + k / 2]);
        return;
    }
    fv x, y;
    centred_out(w, i, &x, &y);
    const fv a = m[6] * x, b = m[7] * y, size = absolute(a) + absolute(b) + fabsf(m[8]);
    const fv scaled = a + b + m[8];
    const fv d = choose(less(HORIZON * size, scaled), scaled, splat(1));
    const fv u = (m[0] * x + m[1] * y + m[2]) / d, v = (m[3] * x + m[4] * y + m[5]) / d;
    j[0] = (m[0] - u * m[6]) / d, j[1] = (m[1] - u * m[7]) / d;
    j[2] = (m[3] - v * m[6]) / d, j[3] = (m[4] - v * m[7]) / d;
}

/* ---- means over areas --------------------------------------------------------------------- */

/* The part of a box of width `step` that falls on a pixel at a distance: see `_area.py`. */
static float share_of(float distance, float step)
{
    step = max(step, 1e-6f);
    const float spread = max(1 - step, 0), half = (1 + step) / 2, most = min(step, 1);
    float sum = 0;
    if (fabsf(distance) >= half + spread)
        return 0;
    if (spread == 0)
        return min(max(half - fabsf(distance), 0), most) / step;
    for (int k = 0; k < 4; k++) {
        const float place = (k + 0.5f) / 4 - 0.5f;
        sum += min(max(half - fabsf(distance + spread * place), 0), most);
    }
    return sum / (4 * step);
}

static int nearest_index(float c)
{
    c = c != c ? 4194304.0f : c < -4194304.0f ? -4194304.0f : c > 4194304.0f ? 4194304.0f : c;
    const float whole = floorf(c);
    return (int)whole + (c - whole >= 0.5f);
}

/* Shares along a row that are kept for all rows. */
enum { MAX_SHARES = 64 };

/* Steps of about one pixel, which most maps have: the nine neighbours, of WIDE pixels at a time. */
static int mean_of_neighbours(const Work *w, int from, fv step_x, fv step_y, Plane *mixed)
{
    const Group *g = w->g;
    const fv x = load_fv(w->c->x + from), y = load_fv(w->c->y + from), zero = {0};
    const mask inside = at_most(splat(1), x) & less(x, splat(g->w_in - 2.0f)) & at_most(splat(1), y) &
                        less(y, splat(g->h_in - 2.0f)) & at_most(step_x, splat(2)) &
                        at_most(step_y, splat(2));
    if (w->channels > 1 || w->l->type != F32 || !all_set(inside))
        return 0;
    fv along[2][3], total = zero, weight = zero;
    int32_t at[WIDE];
    const fv left = floor_of(x + 0.5f), top = floor_of(y + 0.5f);
    for (int axis = 0; axis < 2; axis++) {
        const fv step = vmax(axis ? step_y : step_x, splat(1e-6f)), middle = axis ? top - y : left - x;
        const fv spread = vmax(1 - step, zero), half = (1 + step) / 2, most = vmin(step, splat(1));
        for (int d = 0; d < 3; d++) {
            fv sum = zero;
            for (int k = 0; k < 4; k++) {
                const fv away = absolute(middle + (float)(d - 1) + spread * ((k + 0.5f) / 4 - 0.5f));
                sum = sum + vmin(vmax(half - away, zero), most);
            }
            along[axis][d] = sum / (4 * step);
        }
    }
    store_iv(at, __builtin_convertvector(top, iv) * g->w_in + __builtin_convertvector(left, iv));
    for (int d = 0; d < 9; d++) {
        float value[WIDE];
        const fv part = along[1][d / 3] * along[0][d % 3];
        for (int k = 0; k < WIDE; k++)
            value[k] = element(pixel_at(w, at[k] + (d / 3 - 1) * g->w_in + d % 3 - 1), F32, 0);
        total = total + load_fv(value) * part;
        weight = weight + part;
    }
    store_fv(mixed[0] + from, total / weight);
    return 1;
}

static void mean_over_areas(const Work *w, Plane *mixed)
{
    const Group *g = w->g;
    const ChannelBand *l = w->l;
    const int keep = g->resized && l->border == CONSTANT, C = w->channels;
    for (int from = 0; from < w->span.n; from += WIDE) {
        fv j[4];
        float step_x[WIDE], step_y[WIDE];
        jacobian_at(w, from, j);
        store_fv(step_x, root(j[0] * j[0] + j[1] * j[1]));
        store_fv(step_y, root(j[2] * j[2] + j[3] * j[3]));
        if (from + WIDE <= w->span.n &&
            mean_of_neighbours(w, from, load_fv(step_x), load_fv(step_y), mixed))
            continue;
        for (int i = from; i < from + WIDE && i < w->span.n; i++) {
            const float sx = step_x[i - from], sy = step_y[i - from], x = w->c->x[i], y = w->c->y[i];
            const int ix = nearest_index(x), iy = nearest_index(y);
            const float reach_x = w->l->reach_x, reach_y = w->l->reach_y;
            const int rx = (int)max(1, ceilf(min(sx / 2, reach_x)));
            const int ry = (int)max(1, ceilf(min(sy / 2, reach_y)));
            float total[MAX_NAN_AWARE] = {0}, weight = 0, across[MAX_SHARES];
            if (is_filled(l->border) && (ix + rx < 0 || ix - rx >= g->w_in || iy + ry < 0 || iy - ry >= g->h_in)) {
                for (int k = 0; k < C; k++)
                    mixed[k][i] = element(l->fill + w->skipped * l->size, l->type, k);
                continue;
            }
            for (int dx = -rx; dx <= rx && dx + rx < MAX_SHARES; dx++)
                across[dx + rx] = share_of((float)(ix + dx) - x, sx);
            for (int dy = -ry; dy <= ry; dy++) {
                const float along = share_of((float)(iy + dy) - y, sy);
                uint8_t in_y;
                const int row = fold_index(iy + dy, g->h_in, l->border, &in_y);
                if (keep)
                    in_y = sy < 1 ? iy >= 0 && iy < g->h_in : in_y;
                for (int dx = -rx; along > 0 && dx <= rx; dx++) {
                    const float part = along * (dx + rx < MAX_SHARES ? across[dx + rx]
                                                                     : share_of((float)(ix + dx) - x, sx));
                    if (!(part > 0))
                        continue;
                    uint8_t in_x;
                    const int column = fold_index(ix + dx, g->w_in, l->border, &in_x);
                    if (keep)
                        in_x = sx < 1 ? ix >= 0 && ix < g->w_in : in_x;
                    const char *p = in_x & in_y ? pixel_at(w, (int64_t)row * g->w_in + column)
                                                : l->fill + w->skipped * l->size;
                    for (int k = 0; k < C; k++)
                        total[k] += element(p, l->type, k) * part;
                    weight += part;
                }
            }
            for (int k = 0; k < C; k++)
                mixed[k][i] = weight > 0 ? total[k] / weight
                                         : element(l->fill + w->skipped * l->size, l->type, k);
        }
    }
}

/* ---- copies ------------------------------------------------------------------------------- */

/* The pixel that is copied, by its index; below 0 beyond a border that is filled. */
static void pick_pixels(const Work *w, int32_t *at)
{
    const Group *g = w->g;
    const Chunk *c = w->c;
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++)
        for (int i = r->from; i < r->to; i++) {
            if (r->place <= EXACT) {
                at[i] = c->index[i] + (c->fx[i] >= 0.5f) + (c->fy[i] >= 0.5f ? g->w_in : 0);
                continue;
            }
            const Taps *t = c->taps + i;
            const int nowhere = r->place == BEYOND && is_filled(w->l->border);
            const int right = !nowhere && t->fx >= 0.5f, lower = !nowhere && t->fy >= 0.5f;
            const int outside = nowhere || (t->out_x[right] | t->out_y[lower]);
            at[i] = outside ? -1 : t->row[lower] * g->w_in + t->column[right];
        }
}

static int32_t label_at(const Work *w, int64_t index)
{
    const char *p = index < 0 ? w->l->fill : pixel_at(w, index);
    return whole_element(p, w->l->type, 0);
}

/* The tap whose label gathers most of the linear weight; of equal ones the nearer. */
static void pick_majority(const Work *w, int32_t *at)
{
    const Group *g = w->g;
    const Chunk *c = w->c;
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++)
        for (int i = r->from; i < r->to; i++) {
            int32_t place[4], label[4];
            const int nowhere = r->place == BEYOND && is_filled(w->l->border), near = r->place <= EXACT;
            const Taps *t = c->taps + i;
            const float fx = near ? c->fx[i] : nowhere ? 0 : t->fx, fy = near ? c->fy[i] : nowhere ? 0 : t->fy;
            float weight[4], best = 0, own = 0;
            for (int k = 0; k < 4; k++) {
                weight[k] = (k & 2 ? fy : 1 - fy) * (k & 1 ? fx : 1 - fx);
                if (near)
                    place[k] = c->index[i] + (k & 1) + (k & 2 ? g->w_in : 0);
                else if (nowhere || (t->out_x[k & 1] | t->out_y[k >> 1]))
                    place[k] = -1;
                else
                    place[k] = t->row[k >> 1] * g->w_in + t->column[k & 1];
                label[k] = label_at(w, place[k]);
            }
            at[i] = place[0];
            for (int k = 0; k < 4; k++) {
                float score = 0;
                for (int q = 0; q < 4; q++)
                    score += label[q] == label[k] ? weight[q] : 0;
                /* Sums of the same weights in another order differ by their rounding. */
                const int tie = fabsf(score - best) < 1e-6f;
                if (k == 0 || (tie ? weight[k] > own : score > best))
                    at[i] = place[k], own = weight[k], best = score;
            }
        }
}

/* Labels of left and right parts change places. */
static void swap_pairs(const Work *w, char *out)
{
    const Rules *rules = w->rules;
    const int64_t pixel = (int64_t)w->l->stride * w->l->size;
    if (w->l->size == 1) {
        uint8_t swapped[256];
        for (int v = 0; v < 256; v++)
            swapped[v] = (uint8_t)v;
        for (int k = 0; k < rules->n_pairs; k++) {
            swapped[(uint8_t)rules->pairs[2 * k]] = (uint8_t)rules->pairs[2 * k + 1];
            swapped[(uint8_t)rules->pairs[2 * k + 1]] = (uint8_t)rules->pairs[2 * k];
        }
        for (int i = 0; i < w->span.n; i++)
            out[i * pixel] = (char)swapped[(uint8_t)out[i * pixel]];
        return;
    }
    for (int i = 0; i < w->span.n; i++) {
        const int32_t v = whole_element(out + i * pixel, w->l->type, 0);
        for (int k = 0; k < 2 * rules->n_pairs; k++)
            if (v == rules->pairs[k])
                put_whole(out + i * pixel, w->l->type, rules->pairs[k ^ 1]);
    }
}

/* ---- after the blend ---------------------------------------------------------------------- */

INLINE void to_unit(fv *x, fv *y, fv *z)
{
    const fv square = (*x * *x + *y * *y) + *z * *z;
    const fv scale = 1 / root(choose(less((fv){0}, square), square, splat(1)));
    *x = *x * scale, *y = *y * scale, *z = *z * scale;
}

static void decode(const Work *w, Plane *mixed)
{
    const RecordNumbers *own = w->own;
    for (int i = 0; i < w->span.n; i += WIDE) {
        fv a = load_fv(mixed[0] + i), b = a, c = a, u, v;
        if (w->rules->decode == DECODE_RECIPROCAL) {
            store_fv(mixed[0] + i, 1 / a);
            continue;
        }
        b = load_fv(mixed[1] + i);
        if (w->rules->decode == DECODE_ANGLE) {
            store_fv(mixed[0] + i, angle_of(b, a) / w->rules->turns);
            continue;
        }
        c = load_fv(mixed[2] + i);
        if (w->rules->decode == DECODE_UNIT) {
            to_unit(&a, &b, &c);
        } else {
            const fv z = 1 / a;
            rays_at(&w->rays, load_fv(w->c->x + i), load_fv(w->c->y + i), &u, &v);
            fv x = z * u + b, y = z * v + c;
            a = x, b = y, c = z;
            if (w->rules->decode == DECODE_WORLD_RAY) {
                const float *m = own->back, *o = own->origin;
                x = x - o[0], y = y - o[1];
                const fv deep = z - o[2];
                a = m[0] * x + m[1] * y + m[2] * deep;
                b = m[3] * x + m[4] * y + m[5] * deep;
                c = m[6] * x + m[7] * y + m[8] * deep;
            }
        }
        store_fv(mixed[0] + i, a), store_fv(mixed[1] + i, b), store_fv(mixed[2] + i, c);
    }
}

/* Pixels on pixel centres show the values that stand there, where those are known. */
static void keep_exact(const Work *w, const float *fx, const float *fy, Plane *mixed)
{
    const Chunk *c = w->c;
    const int lying = w->rules->decode != DECODE_NOTHING;
    const int on_rays = w->rules->decode == DECODE_RAY || w->rules->decode == DECODE_WORLD_RAY;
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++)
        for (int i = r->from; r->place != BETWEEN && i < r->to; i++) {
            const int exact = lying ? c->x[i] == floorf(c->x[i]) && c->y[i] == floorf(c->y[i])
                                    : fx[i] == 0 && fy[i] == 0;
            const int nowhere = r->place == BEYOND && is_filled(w->l->border);
            if (!exact || nowhere)
                continue;
            const Taps *t = c->taps + i;
            if (r->place > EXACT && (t->out_x[0] | t->out_y[0]))
                continue;
            /* Beyond the image a border shows pixels that stand elsewhere. */
            if (r->place > EXACT && on_rays && (c->x[i] != t->column[0] || c->y[i] != t->row[0]))
                continue;
            const char *p = pixel_at(w, r->place <= EXACT
                                            ? c->index[i]
                                            : (int64_t)t->row[0] * w->g->w_in + t->column[0]);
            for (int k = 0; k < w->channels; k++)
                if (w->rules->never_unknown || mixed[k][i] == mixed[k][i])
                    mixed[k][i] = element(p, w->l->type, k);
        }
}

static void move_values(const Work *w, Plane *mixed)
{
    const Group *g = w->g;
    const float *m = w->own ? w->own->matrix : 0;
    const fv nothing = {0}, none = splat(NAN);
    for (int i = 0; i < w->span.n; i += WIDE) {
        fv a = load_fv(mixed[0] + i), b = a, c = a, x, y, u, v, j[4];
        switch (w->rules->move) {
        case MOVE_MATRIX:
        case MOVE_UNIT_MATRIX:
            b = load_fv(mixed[1] + i), c = load_fv(mixed[2] + i);
            x = m[0] * a + m[1] * b + m[2] * c;
            y = m[3] * a + m[4] * b + m[5] * c;
            u = m[6] * a + m[7] * b + m[8] * c;
            if (w->rules->move == MOVE_UNIT_MATRIX)
                to_unit(&x, &y, &u);
            store_fv(mixed[0] + i, x), store_fv(mixed[1] + i, y), store_fv(mixed[2] + i, u);
            break;
        case MOVE_DEPTH:
            rays_at(&w->rays, load_fv(w->c->x + i), load_fv(w->c->y + i), &u, &v);
            x = a * (m[6] * u + m[7] * v + m[8]);
            if (!is_float_type(w->l->type)) {
                /* Of integers the nearest is 1, and further than the last one is no depth. */
                const fv last = splat((float)top_of(w->l->type) + 0.5f);
                x = choose(less(nothing, a), choose(less(x, splat(1)), splat(1), x), x);
                x = choose(less(x, last), x, none);
            }
            store_fv(mixed[0] + i, x);
            break;
        case MOVE_FLOW:
            b = load_fv(mixed[1] + i);
            u = a * (1 / g->scale_x), v = b * (1 / g->scale_y);
            store_fv(mixed[0] + i, (m[0] * u + m[1] * v) * g->out_scale_x);
            store_fv(mixed[1] + i, (m[3] * u + m[4] * v) * g->out_scale_y);
            break;
        case MOVE_FLOW_ENDS:
            b = load_fv(mixed[1] + i);
            centred(w, i, &x, &y);
            if (g->n_segments) {
                fv from[2] = {x, y}, to[2] = {x + a * (1 / g->scale_x), y + b * (1 / g->scale_y)}, here[2];
                centred_out(w, i, &x, &y);
                here[0] = x / g->out_scale_x, here[1] = y / g->out_scale_y;
                push(g, w->record, from, here, to);
                const mask somewhere = less(absolute(to[0]), splat(LOST));
                store_fv(mixed[0] + i, choose(somewhere, to[0] - here[0], none) * g->out_scale_x);
                store_fv(mixed[1] + i, choose(somewhere, to[1] - here[1], none) * g->out_scale_y);
                break;
            }
            x = x + a * (1 / g->scale_x), y = y + b * (1 / g->scale_y);
            u = m[0] * x + m[1] * y + m[2], v = m[3] * x + m[4] * y + m[5];
            {
                const fv e = m[6] * x, f = m[7] * y, d = e + f + m[8];
                const fv size = absolute(e) + absolute(f) + fabsf(m[8]);
                const mask seen = less(HORIZON * size, d) & less(absolute(x), splat(LOST));
                u = choose(seen, u / choose(seen, d, splat(1)), none);
                v = choose(seen, v / choose(seen, d, splat(1)), none);
                const mask somewhere = less(absolute(u), splat(LOST));
                centred_out(w, i, &x, &y);
                u = choose(somewhere, u - x / g->out_scale_x, none);
                v = choose(somewhere, v - y / g->out_scale_y, none);
            }
            store_fv(mixed[0] + i, u * g->out_scale_x);
            store_fv(mixed[1] + i, v * g->out_scale_y);
            break;
        case MOVE_ANGLE: {
            jacobian_at(w, i, j);
            sine_and_cosine(a * w->rules->radians, &v, &u);
            const fv determinant = j[0] * j[3] - j[1] * j[2];
            x = (j[3] * u - j[1] * -v) / determinant;
            y = (-j[2] * u + j[0] * -v) / determinant;
            fv turned = angle_of(-y, x) / w->rules->radians;
            if (!is_float_type(w->l->type))
                turned = floor_of(turned + 0.5f); /* first: 359.7 is 0, and not 360 */
            const fv period = splat(w->rules->period);
            turned = choose(less(turned, nothing), turned + period, turned);
            turned = choose(at_most(period, turned), turned - period, turned);
            store_fv(mixed[0] + i, choose(less(turned, period) | ~equal(turned, turned), turned, nothing));
            break;
        }
        case MOVE_AREA:
            jacobian_at(w, i, j);
            x = absolute(j[0] * j[3] - j[1] * j[2]);
            for (int k = 0; k < w->channels; k++)
                store_fv(mixed[k] + i, load_fv(mixed[k] + i) * x);
        }
    }
}

/* From planes to pixels in their own type. */
INLINE void put_planes_of(const Work *w, const Plane *mixed, char *out, int type, int C)
{
    const Rules *rules = w->rules;
    const ChannelBand *l = w->l;
    const int64_t pixel = (int64_t)l->stride * l->size;
    const int integer = !is_float_type(type), marked = integer && rules->invalid == MARK_NUMBER;
    const int off_the_mark = marked && !(l->joint && l->channels > 1);
    const int angle = rules->move == MOVE_ANGLE && is_float_type(type);
    const char *nothing = rules->nothing + w->skipped * l->size;
    for (int i = 0; i < w->span.n; i++)
        for (int k = 0; k < C; k++) {
            const float v = mixed[k][i];
            char *to = out + i * pixel + k * l->size;
            if (v != v && !rules->never_unknown) {
                memcpy(to, nothing + k * l->size, l->size);
                continue;
            }
            put_element(to, type, 0, v);
            /* Just below the whole period narrow floats have nothing but the period itself. */
            if (angle && element(to, type, 0) >= rules->period)
                put_element(to, type, 0, 0);
            if (off_the_mark && whole_element(to, type, 0) == (int32_t)rules->number)
                put_whole(to, type, rules->beside);
        }
}

/* What is not known becomes the number for it; of bytes and words, values are rounded and moved off the
 * number that marks pixels without data. In place, as float32. */
static void settle_plane(const Work *w, int k, float *plane)
{
    const Rules *rules = w->rules;
    const ChannelBand *l = w->l;
    const int integer = l->type == U8 || l->type == U16;
    const fv nothing = splat(element(rules->nothing + w->skipped * l->size, l->type, k));
    const fv top = splat(integer ? (float)top_of(l->type) : 0), zero = {0};
    const fv mark = splat((float)rules->number), beside = splat((float)rules->beside);
    const int off_the_mark = rules->invalid == MARK_NUMBER && !(l->joint && l->channels > 1);
    for (int i = 0; i < w->span.n; i += WIDE) {
        const fv v = load_fv(plane + i);
        fv found = v;
        if (integer) {
            found = vmin(vmax(v, zero), top);
            found = __builtin_convertvector(__builtin_convertvector(found + BELOW_HALF, iv), fv);
            if (off_the_mark)
                found = choose(equal(found, mark), beside, found);
        }
        store_fv(plane + i, rules->never_unknown ? found : choose(equal(v, v), found, nothing));
    }
}

INLINE void interleave_of(const Work *w, const Plane *plane, char *out, int type, int C)
{
    const int64_t S = w->l->stride;
    for (int i = 0; i < w->span.n; i++)
        for (int k = 0; k < C; k++)
            if (type == U8)
                ((uint8_t *)out)[i * S + k] = (uint8_t)(int32_t)plane[k][i];
            else if (type == U16)
                ((uint16_t *)out)[i * S + k] = (uint16_t)(int32_t)plane[k][i];
            else
                ((float *)out)[i * S + k] = plane[k][i];
}

static void put_planes(const Work *w, Plane *mixed, char *out)
{
    out += w->skipped * w->l->size;
    if (w->l->type != U8 && w->l->type != U16 && w->l->type != F32) {
        BY_TYPE(ANY_CHANNELS, put_planes_of, w, mixed, out)
        return;
    }
    for (int k = 0; k < w->channels; k++)
        settle_plane(w, k, mixed[k]);
#ifdef __AVX2__
    if (w->l->type == F32 && w->channels == 3) {
        for (int i = 0; i < w->span.n; i += WIDE) {
            fv v[4] = {load_fv(mixed[0] + i), load_fv(mixed[1] + i), load_fv(mixed[2] + i)};
            put_planes_of_three((float *)out + i * (int64_t)w->l->stride, w->l->stride, v, w->span.n - i);
        }
        return;
    }
#endif
    switch (w->l->type) {
    case U8: BY_CHANNELS(interleave_of, U8, w, mixed, out);
    case U16: BY_CHANNELS(interleave_of, U16, w, mixed, out);
    default: BY_CHANNELS(interleave_of, F32, w, mixed, out);
    }
}

/* Integers that float32 does not hold survive on pixel centres. */
static void keep_exact_integers(const Work *w, const float *fx, const float *fy, char *out)
{
    const Chunk *c = w->c;
    const int64_t pixel = (int64_t)w->l->stride * w->l->size;
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++)
        for (int i = r->from; r->place != BETWEEN && i < r->to; i++) {
            if (fx[i] != 0 || fy[i] != 0)
                continue;
            const Taps *t = c->taps + i;
            const int nowhere = r->place == BEYOND && is_filled(w->l->border);
            const char *p;
            if (r->place <= EXACT)
                p = pixel_at(w, c->index[i]);
            else if (!nowhere && !(t->out_x[0] | t->out_y[0]))
                p = pixel_at(w, (int64_t)t->row[0] * w->g->w_in + t->column[0]);
            else
                p = (w->rules->filled ? w->l->fill : w->rules->nothing) + w->skipped * w->l->size;
            memcpy(out + i * pixel + w->skipped * w->l->size, p, w->channels * w->l->size);
        }
}

/* ---- all of it ---------------------------------------------------------------------------- */

static void copy_channels(const Work *w, const int32_t *at, char *out)
{
    const Rules *rules = w->rules;
    const int64_t pixel = (int64_t)w->l->stride * w->l->size;
    const int bytes = w->channels * w->l->size;
    const char *beyond = (rules->filled ? w->l->fill : rules->nothing) + w->skipped * w->l->size;
    for (int i = 0; i < w->span.n; i++)
        memcpy(out + i * pixel + w->skipped * w->l->size, at[i] < 0 ? beyond : pixel_at(w, at[i]), bytes);
}

INLINE void gather_planes_of(const Work *w, const int32_t *at, Plane *mixed, int type, int C)
{
    for (int i = 0; i < w->span.n; i++)
        for (int k = 0; k < C; k++)
            mixed[k][i] = at[i] < 0 ? NAN : valid_element(w, pixel_at(w, at[i]), type, k);
}

static void gather_planes(const Work *w, const int32_t *at, Plane *mixed)
{
    BY_TYPE(ANY_CHANNELS, gather_planes_of, w, at, mixed)
}

static void copy_band(const Work *w, char *out)
{
    const Rules *rules = w->rules;
    int32_t at[ROOM] ALIGNED;
    if (rules->interpolation == BY_NEAREST && rules->move == MOVE_MIRROR_PAIRS && rules->filled) {
        nearest(w->g, w->l, w->in, w->c, w->span.n, out);
        if (w->own->mirrored != 0)
            swap_pairs(w, out);
        return;
    }
    if (rules->interpolation == BY_MAJORITY)
        pick_majority(w, at);
    else
        pick_pixels(w, at);
    const int moved = rules->move != MOVE_NOTHING && rules->move != MOVE_MIRROR_PAIRS;
    const int judged = rules->invalid == MARK_NAN && w->l->joint && w->l->channels > 1;
    if (!moved && !judged) {
        copy_channels(w, at, out);
        if (rules->move == MOVE_MIRROR_PAIRS && w->own->mirrored != 0)
            swap_pairs(w, out);
        return;
    }
    Plane mixed[MAX_NAN_AWARE] ALIGNED;
    gather_planes(w, at, mixed);
    judge_tap(w, mixed);
    if (!is_filled(w->l->border))
        for (int i = 0; i < w->span.n; i++)
            for (int k = 0; k < w->channels; k++)
                if (!(fabsf(w->c->x[i]) < LOST))
                    mixed[k][i] = NAN;
    move_values(w, mixed);
    put_planes(w, mixed, out);
    for (int i = 0; rules->filled && i < w->span.n; i++)
        if (at[i] < 0)
            memcpy(out + i * (int64_t)w->l->stride * w->l->size + w->skipped * w->l->size,
                   w->l->fill + w->skipped * w->l->size, w->channels * w->l->size);
}

static void blend_band(const Work *w, char *out)
{
    const Rules *rules = w->rules;
    const int on_spline = rules->interpolation == BY_SPLINE;
    const int is_cubic = on_spline || rules->interpolation == BY_CUBIC;
    /* A source that was low-passed shows none of its own values. */
    const int shown = !on_spline || !w->l->lowpass;
    const int aware = rules->invalid != MARK_NOTHING || !rules->filled || rules->encode ||
                      rules->max_jump < INFINITY;
    Plane mixed[MAX_NAN_AWARE] ALIGNED, reference[MAX_NAN_AWARE] ALIGNED;
    Plane fx ALIGNED, fy ALIGNED;
    if (rules->interpolation == BY_AREA) {
        mean_over_areas(w, mixed);
    } else {
        if (aware || !is_cubic) {
            Four f;
            lay_out_four(w, &f);
            for (int t = 0; aware && t < 4; t++) {
                /* Of joint channels the weights look at all. */
                if (rules->invalid == MARK_NUMBER)
                    judge_tap(w, f.value[t]);
                if (rules->encode)
                    encode_tap(w, f.column[t & 1], f.row[t >> 1], f.value[t]);
            }
            if (aware)
                blend_valid(w, &f, mixed, is_cubic ? reference : 0);
            else
                blend_plain(w, &f, mixed);
            memcpy(fx, f.fx, sizeof fx), memcpy(fy, f.fy, sizeof fy);
        }
        if (is_cubic) {
            Sixteen s;
            const int n = w->span.n;
            const int border = w->l->border, resized = w->g->resized;
            four_along(w->c->x, n, w->g->w_in, border, resized, on_spline, s.column, s.wx, s.in_x, fx);
            four_along(w->c->y, n, w->g->h_in, border, resized, on_spline, s.row, s.wy, s.in_y, fy);
            if (on_spline) {
                spline_of_all(w, &s, mixed);
            } else if (!aware && is_one_piece(w)) {
                cubic_of_all(w, &s, mixed);
            } else {
                blend_cubic(w, &s, aware, mixed, reference);
            }
        }
        /* What is made of length 1 once it is moved need not be before. */
        if (rules->decode && !(rules->decode == DECODE_UNIT && rules->move == MOVE_UNIT_MATRIX))
            decode(w, mixed);
        if (shown && (rules->decode || is_cubic || w->l->type == F32 || w->l->type == BF16))
            keep_exact(w, fx, fy, mixed);
    }
    if (rules->move)
        move_values(w, mixed);
    put_planes(w, mixed, out);
    if (w->l->type == I32 && shown && !rules->encode && !rules->decode && !rules->move &&
        rules->interpolation != BY_AREA)
        keep_exact_integers(w, fx, fy, out);
}

/* What lies outside is a fill that cannot be blended with encoded values, nor be part of a spline: it
 * replaces them. */
static void fill_outside(const Work *w, char *out)
{
    const int64_t pixel = (int64_t)w->l->stride * w->l->size;
    const Group *g = w->g;
    for (int i = 0; i < w->span.n; i++) {
        float x = w->c->x[i], y = w->c->y[i];
        if (g->resized && x >= -0.5f && x <= g->w_in - 0.5f)
            x = min(max(x, 0), g->w_in - 1);
        if (g->resized && y >= -0.5f && y <= g->h_in - 0.5f)
            y = min(max(y, 0), g->h_in - 1);
        const int ix = nearest_index(x), iy = nearest_index(y);
        if (ix < 0 || iy < 0 || ix >= g->w_in || iy >= g->h_in)
            memcpy(out + i * pixel, w->l->fill, w->l->channels * w->l->size);
    }
}

static void general(const Group *g, const ChannelBand *l, int64_t record, const char *in,
                    const Chunk *c, Span span, char *out)
{
    const Rules *rules = l->rules;
    const int on_spline = rules->interpolation == BY_SPLINE;
    const int replaced = on_spline ? g->resized && l->border == CONSTANT
                                   : rules->encode && rules->filled == 2;
    Work w = {.g = g, .l = l, .rules = rules, .c = c, .in = in, .map = g->maps + 9 * record,
              .record = record,
              .own = rules->numbers ? rules->numbers + record : 0, .span = span};
    if (w.own && w.own->k[0] != 0)
        w.rays = rays_of(g, w.own->k);
    const int copying = rules->interpolation == BY_NEAREST || rules->interpolation == BY_MAJORITY;
    for (w.skipped = 0; w.skipped < l->channels; w.skipped += w.channels) {
        w.channels = l->channels - w.skipped < MAX_NAN_AWARE ? l->channels - w.skipped : MAX_NAN_AWARE;
        if (copying)
            copy_band(&w, out);
        else
            blend_band(&w, out);
    }
    if (replaced)
        fill_outside(&w, out);
}

/* What stands where no tap is inside, if that is known before anything is blended; or null. */
INLINE const char *found_beyond(const ChannelBand *l)
{
    const Rules *rules = l->rules;
    if (!is_filled(l->border) || rules->interpolation != BY_LINEAR || rules->never_unknown)
        return 0;
    if (rules->filled == 2 && rules->encode)
        return l->fill;
    return rules->filled ? 0 : rules->nothing;
}

/* `general` of a stretch of a row, at whose ends no tap is inside. */
static void general_row(const Group *g, const ChannelBand *l, int64_t record, const char *in, Chunk *c,
                        Span span, char *out)
{
    const int64_t pixel = (int64_t)l->stride * l->size;
    const char *beyond = found_beyond(l);
    const Run *first = c->runs, *end = c->runs + c->n_runs;
    while (beyond && first < end && first->place == BEYOND)
        first++;
    while (beyond && first < end && end[-1].place == BEYOND)
        end--;
    const int from = first < end ? first->from : span.n, to = first < end ? end[-1].to : span.n;
    if (!beyond || (from == 0 && to == span.n)) {
        fold_chunk(g, l->border, c);
        general(g, l, record, in, c, span, out);
        return;
    }
    repeat_pixel(out, beyond, from, pixel, l->channels * l->size);
    repeat_pixel(out + to * pixel, beyond, span.n - to, pixel, l->channels * l->size);
    if (from == to)
        return;
    Chunk some;
    const int n = to - from;
    const size_t bytes = (size_t)(n + ROOM - CHUNK) * sizeof(float);
    memcpy(some.x, c->x + from, bytes), memcpy(some.y, c->y + from, bytes);
    memcpy(some.fx, c->fx + from, bytes), memcpy(some.fy, c->fy + from, bytes);
    memcpy(some.index, c->index + from, bytes);
    some.folded = -1, some.n_runs = 0;
    for (const Run *r = first; r < end; r++)
        some.runs[some.n_runs++] = (Run){r->from - from, r->to - from, r->place};
    fold_chunk(g, l->border, &some);
    general(g, l, record, in, &some, (Span){span.row, span.first + from, n, n}, out + from * pixel);
}

#endif
