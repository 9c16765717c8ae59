/* Steps over a piece of an image, and the chain that they make for one record.
 *
 * What each means is said in JAX, by `transforms/_operations.py` and its neighbours; the order of
 * the arithmetic is the same there, so that results differ by rounding alone. */
#ifndef MULTIAUG_STEPS_H
#define MULTIAUG_STEPS_H

#include "planes.h"
#include "warp.h"

/* Steps that no program names: what those with statistics become. */
enum { CLIP_BY_CHANNEL = N_OPERATIONS, CURVES, BYTES_BY_TILES };

/* A step of one record. Numbers that differ from channel to channel are laid out as the values of a
 * piece are: see `tiles`. */
typedef struct {
    int kind;
    float a, b, c;
    const uint32_t *words;
    const float *own; /* as they were handed over; of CURVES the knots of every channel */
    float *tiles;     /* three times PIECE, once they are laid out; by planes one for each */
    Limit limit;      /* of what it makes, where a clip has joined it */
} Step;

/* What is done to the channels of one record. */
typedef struct {
    const PointwiseProgram *r;
    const char *in;
    int64_t values; /* elements of the record */
    int channels;   /* to a pixel; one where channels are alike and neighbours */
    int stride;     /* elements from pixel to pixel */
    float *held;        /* what the values have become, but in pixels without data; or null */
    const float *table; /* per level and channel, what the bytes are looked up in; or null */
    int period;         /* its channels */
    int planar;         /* three channels, worked on by planes: none lacks data */
    int n;
    Step *steps; /* room for all that are on */
} Chain;

INLINE mask valid(const PointwiseProgram *r, fv v)
{
    const fv mark = r->marks == MARK_NAN ? v : splat(r->invalid);
    return r->marks == MARK_NAN ? equal(v, v) : not_equal(v, mark);
}

INLINE int is_valid(const PointwiseProgram *r, float v)
{
    return r->marks == MARK_NAN ? v == v : r->marks == MARK_NOTHING || v != r->invalid;
}

/* ---- value by value -------------------------------------------------------------------- */

static void on_a_line(const Step *s, int n, float *v)
{
    /* Numbers of a step stay in registers where they are told apart from the values. */
    const Limit limit = s->limit;
    const float from = s->a, factor = s->b, to = s->c;
    if (s->tiles) {
        const float *a = s->tiles, *b = a + PIECE, *c = b + PIECE;
        for (int i = 0; i < n; i += WIDE) {
            const fv x = (load_fv(v + i) - load_fv(a + i)) * load_fv(b + i) + load_fv(c + i);
            store_fv(v + i, within(limit, x));
        }
        return;
    }
    for (int i = 0; i < n; i += WIDE)
        store_fv(v + i, within(limit, (load_fv(v + i) - from) * factor + to));
}

static void to_a_power(const Step *s, int n, float *v)
{
    /* Divided, as JAX does: black and white are integers then. */
    for (int i = 0; i < n; i += WIDE)
        store_fv(v + i, (load_fv(v + i) - s->b) / s->c);
    signed_powers(s->a, n, v);
    for (int i = 0; i < n; i += WIDE)
        store_fv(v + i, s->b + s->c * load_fv(v + i));
}

/* The same with an exponent, a black and an extent for every channel; 1 changes nothing. */
static void to_powers(const Step *s, int n, float *v)
{
    const float *a = s->tiles, *b = a + PIECE, *c = b + PIECE;
    float w[PIECE];
    for (int i = 0; i < n; i += WIDE)
        store_fv(w + i, (load_fv(v + i) - load_fv(b + i)) / load_fv(c + i));
    signed_powers_each(a, n, w);
    for (int i = 0; i < n; i += WIDE) {
        const fv powered = load_fv(b + i) + load_fv(c + i) * load_fv(w + i);
        store_fv(v + i, choose(equal(load_fv(a + i), splat(1)), load_fv(v + i), powered));
    }
}

INLINE fv clipped(fv v, float lo, float hi)
{
    v = choose(less(splat(lo), v), v, splat(lo));
    return choose(less(v, splat(hi)), v, splat(hi));
}

static void into_a_range(const Step *s, int n, float *v)
{
    const Limit limit = {s->a, s->b};
    for (int i = 0; i < n; i += WIDE)
        store_fv(v + i, within(limit, load_fv(v + i)));
}

static void into_ranges(const Step *s, int n, float *v)
{
    const float *lo = s->tiles, *hi = lo + PIECE;
    for (int i = 0; i < n; i += WIDE) {
        const fv x = load_fv(v + i), low = load_fv(lo + i), high = load_fv(hi + i);
        store_fv(v + i, choose(less(x, low), low, choose(less(high, x), high, x)));
    }
}

/* Down to the next of levels that are a step apart. */
static void quantized(const Step *s, int n, float *v)
{
    for (int i = 0; i < n; i += WIDE)
        store_fv(v + i, floor_of((load_fv(v + i) - s->a) / s->b) * s->b + s->a);
}

/* Mirrored from a threshold on: b is the sum of black and white. */
static void solarized(const Step *s, int n, float *v)
{
    for (int i = 0; i < n; i += WIDE) {
        const fv x = load_fv(v + i);
        store_fv(v + i, choose(at_most(splat(s->a), x), s->b - x, x));
    }
}

/* A value by a curve through evenly spaced knots; beyond the last ones with the slope of 1. All in
 * units of an extent above a low. */
INLINE float on_curve(float v, float low, float extent, int last, const float *knots)
{
    const float u = (v - low) / extent * (float)last;
    const float inside = u > 0 ? u < (float)last ? u : (float)last : 0;
    const int i = (int)inside < last ? (int)inside : last - 1;
    const float t = inside - (float)i;
    const float y = knots[i] + t * (knots[i + 1] - knots[i]);
    return low + extent * (y + (u - inside) / (float)last);
}

static void on_curves(const Chain *c, const Step *s, int n, float *v)
{
    const int each = s->kind == CURVES, channels = each ? c->channels : 1;
    const int last = each || !(s->c < LEVELS) ? LEVELS - 1 : s->c > 2 ? (int)s->c - 1 : 1;
    const float *knots = each ? s->own : s->own + 3;
    for (int k = 0; k < channels; k++, knots += LEVELS)
        for (int i = k; i < n; i += channels)
            v[i] = v[i] == v[i] ? on_curve(v[i], s->a, s->b, last, knots) : v[i];
}

/* ---- pixel by pixel -------------------------------------------------------------------- */

/* Whether a pixel lacks one of some channels: then none of it changes. */
static void find_unknown(const Chain *c, const float *given, int k, int pixels, uint8_t *unknown)
{
    if (c->r->marks != MARK_NOTHING)
        for (int p = 0; p < pixels; p++)
            unknown[p] |= !is_valid(c->r, given[p * c->channels + k]);
}

/* Weights of all channels, and by how much each becomes their sum. */
static void blend_with_grey(const Chain *c, const Step *s, int n, float *v, const float *given)
{
    const int channels = c->channels, pixels = n / channels;
    const float *weights = s->own, *amounts = weights + channels;
    float grey[PIECE];
    uint8_t unknown[PIECE];
    memset(grey, 0, (size_t)pixels * sizeof *grey);
    memset(unknown, 0, (size_t)pixels);
    for (int k = 0; k < channels; k++) {
        if (weights[k] == 0)
            continue;
        for (int p = 0; p < pixels; p++)
            grey[p] += weights[k] * v[p * channels + k];
        find_unknown(c, given, k, pixels, unknown);
    }
    for (int k = 0; k < channels; k++) {
        const float amount = amounts[k], rest = 1 - amount;
        if (amount == 0)
            continue;
        for (int p = 0; p < pixels; p++) {
            float *x = v + p * channels + k;
            *x = unknown[p] ? *x : rest * *x + amount * grey[p];
        }
    }
}

/* A channel that an element names. */
INLINE int named(const Chain *c, float element)
{
    return element > 0 && element < (float)c->channels ? (int)element : 0;
}

/* Elements: the channels that are red, green and blue; by how many turns the hue moves; factor and
 * shift of saturation and of value; black, extent, and the largest value. */
static void change_hsv(const Chain *c, const Step *s, int n, float *v, const float *given)
{
    const float *e = s->own;
    const int channels = c->channels, pixels = n / channels;
    _Alignas(64) float rgb[3][PIECE];
    uint8_t unknown[PIECE];
    const Cone cone = cone_of(e);
    for (int k = 0; k < 3; k++)
        memset(rgb[k] + pixels, 0, (size_t)(-pixels & 15) * sizeof(float));
    memset(unknown, 0, (size_t)pixels);
    for (int k = 0; k < 3; k++) {
        const int at = named(c, e[k]);
        for (int p = 0; p < pixels; p++)
            rgb[k][p] = v[p * channels + at];
        find_unknown(c, given, at, pixels, unknown);
    }
    change_colours(&cone, NO_LIMIT, pixels, rgb[0], rgb[1], rgb[2]);
    for (int k = 0; k < 3; k++)
        for (int p = 0; p < pixels; p++)
            if (!unknown[p])
                v[p * channels + named(c, e[k])] = rgb[k][p];
}

/* ---- fields ------------------------------------------------------------------------------ */

/* Places of pixels from a number on: their centres, where the frame reaches from 0 to 1. */
static void places(const Chain *c, int64_t first, int pixels, float *x, float *y)
{
    const int64_t width = c->r->width, height = c->r->pixels / width;
    const int64_t row = first / width;
    int column = (int)(first % width), below = 0;
    for (int p = 0; p < pixels; column = 0, below++) {
        const int some = (int)width - column < pixels - p ? (int)width - column : pixels - p;
        const float line = ((float)(row + below) + 0.5f) / (float)height;
        for (int i = 0; i < some; i++)
            x[p + i] = ((float)(column + i) + 0.5f) / (float)width, y[p + i] = line;
        p += some;
    }
    memset(x + pixels, 0, (size_t)(-pixels & 15) * sizeof *x);
    memset(y + pixels, 0, (size_t)(-pixels & 15) * sizeof *y);
}

/* Times e to a polynomial of the place. Elements: factors of 1, x, y, x2, xy, y2, x3, x2y, xy2, y3,
 * where the frame reaches from -1 to 1. */
static void times_bias(const Chain *c, const Step *s, int64_t first, int n, float *v)
{
    const float *e = s->own;
    const int channels = c->channels, pixels = n / channels;
    _Alignas(64) float at_x[PIECE], at_y[PIECE];
    places(c, first / channels, pixels, at_x, at_y);
    for (int p = 0; p < pixels; p += WIDE) {
        const fv x = 2 * load_fv(at_x + p) - 1, y = 2 * load_fv(at_y + p) - 1;
        const fv cubic = x * (x * (e[6] * x + e[7] * y) + e[8] * y * y) + e[9] * y * y * y;
        const fv square = x * (e[3] * x + e[4] * y) + e[5] * y * y;
        store_fv(at_x + p, exponential(e[0] + e[1] * x + e[2] * y + square + cubic));
    }
    for (int p = 0; p < pixels; p++)
        for (int k = 0; k < channels; k++)
            v[p * channels + k] *= at_x[p];
}

/* Blended, by a share that is largest about a centre, with what a gain, a shift and a power make of
 * it. Elements: black, extent, whether they are the least value and what is to the greatest of each
 * channel; then for every channel: the centre; one by the deviation along x and y; the logarithm of the
 * bell at its highest; the share of the lowest place; gain, shift, exponent; and the largest share. */
static void blend_locally(const Chain *c, const Step *s, int64_t first, int n, float *v)
{
    const int channels = c->channels, pixels = n / channels;
    _Alignas(64) float at_x[PIECE], at_y[PIECE], share[PIECE], u[PIECE], exponents[PIECE];
    places(c, first / channels, pixels, at_x, at_y);
    for (int k = 0; k < channels; k++) {
        float e[10];
        for (int i = 0; i < 10; i++)
            e[i] = s->own[3 + i * channels + k];
        if (e[9] == 0)
            continue;
        const float low = s->tiles ? s->tiles[k] : s->a;
        const float extent = s->tiles ? s->tiles[channels + k] : s->b;
        if (extent == 0)
            continue;
        for (int p = 0; p < pixels; p++)
            u[p] = (v[p * channels + k] - low) / extent;
        memset(u + pixels, 0, (size_t)(-pixels & 15) * sizeof *u);
        for (int p = 0; p < pixels; p += WIDE) {
            const fv x = (load_fv(at_x + p) - e[0]) * e[2], y = (load_fv(at_y + p) - e[1]) * e[3];
            const fv bell = exponential((x * x + y * y) * -0.5f - e[4]);
            store_fv(share + p, (bell - e[5]) / (1 - e[5]) * e[9]);
            store_fv(exponents + p, splat(e[8]));
        }
        if (e[8] != 1)
            signed_powers_each(exponents, pixels, u);
        for (int p = 0; p < pixels; p++) {
            float *x = v + p * channels + k;
            const float other = low + extent * (e[6] * u[p] + e[7]);
            *x = *x + share[p] * (other - *x);
        }
    }
}

/* How many tiles of a column, or of a row, an element of CLAHE asks for. */
enum { MOST_TILES = 64 };
INLINE int tiles_along(float element)
{
    return element > 1 ? element < MOST_TILES ? (int)element : MOST_TILES : 1;
}

/* What the curves of the four tiles around a pixel have at a knot. */
INLINE void look_up_tiles(const float *tiles, int channels, int pixels, const int32_t *knot,
                          int32_t (*begins)[PIECE], float (*on)[PIECE])
{
    for (int p = 0, i = 0; p < pixels; p++)
        for (int k = 0; k < channels; k++, i++) {
            const float *at = tiles + k * LEVELS + knot[i];
            for (int j = 0; j < 4; j++)
                on[j][i] = at[begins[j][p]];
        }
}

/* Between the curves of the tiles around a pixel. Elements: black, extent, tiles of a column and of a
 * row, and a limit; `tiles` has the curves: (rows, columns, channels, LEVELS). */
static void along_tiles(const Chain *c, const Step *s, int64_t first, int n, float *v)
{
    const int channels = c->channels, pixels = n / channels;
    const int rows = tiles_along(s->own[2]), columns = tiles_along(s->own[3]);
    float at_x[PIECE], at_y[PIECE], share[PIECE], beyond[PIECE];
    int32_t knot[PIECE];
    places(c, first / channels, pixels, at_x, at_y);
    int between = 0;
    for (int i = 0; i < n; i++) {
        const float u = (v[i] - s->a) / s->b * (LEVELS - 1);
        const float inside = u > 0 ? u < LEVELS - 1 ? u : LEVELS - 1 : 0;
        knot[i] = (int)inside < LEVELS - 2 ? (int)inside : LEVELS - 2;
        share[i] = inside - (float)knot[i];
        beyond[i] = (u - inside) / (LEVELS - 1);
        between |= share[i] != 0 && share[i] != 1;
    }
    /* Of bytes that nothing has changed, values lie on knots. */
    for (int i = 0; !between && i < n; i++)
        knot[i] += share[i] == 1;
    /* Where the curves of the four tiles begin, and the shares of the right and the lower ones. */
    int32_t begins[4][PIECE];
    for (int p = 0; p < pixels; p++) {
        const float x = at_x[p] * (float)columns - 0.5f, y = at_y[p] * (float)rows - 0.5f;
        const int left = (int)floorf(x), above = (int)floorf(y);
        const int right = left + 1 < columns ? left + 1 : columns - 1;
        const int below = above + 1 < rows ? above + 1 : rows - 1;
        const int from = left < 0 ? 0 : left, top = above < 0 ? 0 : above;
        at_x[p] = x - (float)left, at_y[p] = y - (float)above;
        begins[0][p] = (top * columns + from) * channels * LEVELS;
        begins[1][p] = (top * columns + right) * channels * LEVELS;
        begins[2][p] = (below * columns + from) * channels * LEVELS;
        begins[3][p] = (below * columns + right) * channels * LEVELS;
    }
    /* What is looked up has loops of its own, so that the arithmetic is made of vectors. */
    float on[4][PIECE], each_x[PIECE], each_y[PIECE];
    switch (channels) {
    case 1: look_up_tiles(s->tiles, 1, pixels, knot, begins, on); break;
    case 3: look_up_tiles(s->tiles, 3, pixels, knot, begins, on); break;
    default: look_up_tiles(s->tiles, channels, pixels, knot, begins, on);
    }
    if (between) {
        float next[4][PIECE];
        look_up_tiles(s->tiles + 1, channels, pixels, knot, begins, next);
        for (int j = 0; j < 4; j++)
            for (int i = 0; i < n; i++)
                on[j][i] += share[i] * (next[j][i] - on[j][i]);
    }
    const float *right_share = channels == 1 ? at_x : each_x, *lower_share = channels == 1 ? at_y : each_y;
    for (int i = 0, p = 0; channels > 1 && p < pixels; p++)
        for (int k = 0; k < channels; k++, i++)
            each_x[i] = at_x[p], each_y[i] = at_y[p];
    for (int i = 0; i < n; i++) {
        const float upper = on[0][i] + right_share[i] * (on[1][i] - on[0][i]);
        const float lower = on[2][i] + right_share[i] * (on[3][i] - on[2][i]);
        const float found = s->a + s->b * (upper + lower_share[i] * (lower - upper) + beyond[i]);
        v[i] = v[i] == v[i] ? found : v[i];
    }
}

/* ---- noise ------------------------------------------------------------------------------- */

/* Elements: how much variance grows with what is above black, and black. */
static void add_photon_noise(const Step *s, int64_t first, int n, float *v)
{
    _Alignas(64) float noise[PIECE] = {0};
    add_normals((uint32_t)first, s->words, 1, n, noise);
    for (int i = 0; i < n; i += WIDE) {
        const fv x = load_fv(v + i), variance = vmax(x - s->b, splat(0)) * s->a;
        store_fv(v + i, x + root(variance) * load_fv(noise + i));
    }
}

static void add_speckles(const Step *s, int64_t first, int n, float *v)
{
    _Alignas(64) float noise[PIECE] = {0};
    add_normals((uint32_t)first, s->words, 1, n, noise);
    for (int i = 0; i < n; i += WIDE)
        store_fv(v + i, load_fv(v + i) + load_fv(v + i) * s->a * load_fv(noise + i));
}

INLINE uint32_t mixed_word(uint32_t word)
{
    word = (word ^ (word >> 16)) * 0x7FEB352Du;
    word = (word ^ (word >> 15)) * 0x846CA68Bu;
    return word ^ (word >> 16);
}

/* Elements: the shares that become white and black; black and white; whether a pixel does as one. */
static void set_impulses(const Chain *c, const Step *s, int64_t first, int n, float *v)
{
    const float white = s->own[0], some = s->own[0] + s->own[1];
    const int apart = s->own[4] != 0 ? c->channels : 1;
    for (int i = 0; i < n; i += apart) {
        const uint32_t count = (uint32_t)((first + i) / apart) * 0x9E3779B9u;
        const uint32_t word = mixed_word(mixed_word(count + s->words[0]) ^ s->words[1]);
        const float u = (float)(int32_t)(word >> 8) * 0x1p-24f;
        for (int k = 0; k < apart; k++)
            v[i + k] = u < white ? s->own[3] : u < some ? s->own[2] : v[i + k];
    }
}

/* Elements: the deviation of both parts, and no signal. */
static void to_magnitudes(const Step *s, int64_t first, int n, float *v)
{
    _Alignas(64) float real[PIECE] = {0}, imaginary[PIECE] = {0};
    if (s->a == 0)
        return;
    add_normals((uint32_t)first, s->words, s->a, n, real);
    add_normals((uint32_t)first, s->words + 2, s->a, n, imaginary);
    for (int i = 0; i < n; i += WIDE) {
        const fv x = load_fv(v + i) - s->b + load_fv(real + i), y = load_fv(imaginary + i);
        store_fv(v + i, root(x * x + y * y) + s->b);
    }
}

/* Levels of the four tiles around a pixel, of which one word has the upper ones and the lower ones. */
INLINE fv between_levels(uv words, fv right, fv lower)
{
#define LEVEL_OF(k) __builtin_convertvector((iv)(words >> 8 * k & 255), fv)
    const fv upper_left = LEVEL_OF(0), upper_right = LEVEL_OF(1), lower_left = LEVEL_OF(2);
    const fv lower_right = __builtin_convertvector((iv)(words >> 24), fv);
#undef LEVEL_OF
    const fv above = upper_left + right * (upper_right - upper_left);
    const fv below = lower_left + right * (lower_right - lower_left);
    return above + lower * (below - above);
}

/* The same as `along_tiles`, of bytes as they were read. `tiles` has, for the values of a row, where the
 * words of their columns of tiles begin, and the shares of the right ones, and behind these the words:
 * (rows + 1, columns + 1, channels, LEVELS). */
static void bytes_by_tiles(const Chain *c, const Step *s, int64_t first, int n, float *v)
{
    const int rows = tiles_along(s->own[2]), columns = tiles_along(s->own[3]);
    const int64_t of_row = c->r->width * c->channels, apart = (of_row + WIDE + 15) & ~15;
    const int64_t height = c->r->pixels / c->r->width;
    const int32_t *begins = (const int32_t *)s->tiles;
    const float *shares = s->tiles + apart;
    const uint32_t *all = (const uint32_t *)(s->tiles + 2 * apart);
    _Alignas(64) float found[PIECE + WIDE];
    _Alignas(64) uint32_t words[PIECE + WIDE];
    _Alignas(64) int32_t level[PIECE];
    for (int i = 0; i < n; i += WIDE)
        store_iv(level + i, __builtin_convertvector(load_fv(v + i), iv));
    int64_t row = first / of_row, x = first % of_row;
    for (int i = 0, some; i < n; i += some, x = 0, row++) {
        some = of_row - x < n - i ? (int)(of_row - x) : n - i;
        const float y = ((float)row + 0.5f) / (float)height * (float)rows - 0.5f, above = floorf(y);
        const uint32_t *of_tiles = all + ((int)above + 1) * (int64_t)(columns + 1) * c->channels * LEVELS;
        const int32_t *from = begins + x;
        for (int k = 0; k < some; k++)
            words[k] = of_tiles[from[k] + level[i + k]];
        for (int k = 0; k < some; k += WIDE)
            store_fv(found + i + k, between_levels(load_uv(words + k), load_fv(shares + x + k), splat(y - above)));
    }
    memcpy(v, found, (size_t)n * sizeof *v);
}

/* ---- all of them ----------------------------------------------------------------------- */

/* They need whole pixels, or their places: a table of levels does not have them. */
INLINE int needs_pixels(int kind)
{
    return kind == OP_NOISE || kind == OP_BLEND_WITH_GREY || kind == OP_HUE_SATURATION_VALUE ||
           kind == OP_BIAS_FIELD || kind == OP_LOCAL || kind == OP_CLAHE || kind == OP_PHOTON_NOISE ||
           kind == OP_SPECKLE || kind == OP_IMPULSES || kind == OP_MAGNITUDE_NOISE ||
           kind == OP_GAUSSIAN_MEAN || kind == OP_UNSHARP_MASK || kind == OP_SEGMENT_MEAN ||
           kind == OP_LOWER_RESOLUTION || kind == OP_MEDIAN || kind == OP_AWAY_FROM_SMOOTH;
}

/* One step over n values of pixels of which the first is that of a record. Works on whole vectors. */
static void take(const Chain *c, const Step *s, int64_t first, int n, float *v, const float *given)
{
    switch (s->kind) {
    case OP_POWER_LAW: to_a_power(s, n, v); break;
    case OP_POWER_LAW_BY_CHANNEL: to_powers(s, n, v); break;
    case OP_CLIP: into_a_range(s, n, v); break;
    case CLIP_BY_CHANNEL: into_ranges(s, n, v); break;
    case OP_NOISE: add_normals((uint32_t)first, s->words, s->a, n, v); break;
    case OP_PHOTON_NOISE: add_photon_noise(s, first, n, v); break;
    case OP_SPECKLE: add_speckles(s, first, n, v); break;
    case OP_IMPULSES: set_impulses(c, s, first, n, v); break;
    case OP_MAGNITUDE_NOISE: to_magnitudes(s, first, n, v); break;
    case OP_QUANTIZE: quantized(s, n, v); break;
    case OP_SOLARIZE: solarized(s, n, v); break;
    case OP_CURVE:
    case CURVES: on_curves(c, s, n, v); break;
    case OP_BLEND_WITH_GREY: blend_with_grey(c, s, n, v, given); break;
    case OP_HUE_SATURATION_VALUE: change_hsv(c, s, n, v, given); break;
    case OP_BIAS_FIELD: times_bias(c, s, first, n, v); break;
    case OP_LOCAL: blend_locally(c, s, first, n, v); break;
    case OP_CLAHE: along_tiles(c, s, first, n, v); break;
    case BYTES_BY_TILES: bytes_by_tiles(c, s, first, n, v); break;
    default: on_a_line(s, n, v);
    }
}

/* What a step with numbers for every channel is to one of them: as steps say it that have one for all. */
INLINE Step of_channel(const Step *s, int k)
{
    Step one = *s;
    if (s->kind == OP_SCALE_SHIFT_BY_CHANNEL || s->kind == OP_POWER_LAW_BY_CHANNEL || s->kind == CLIP_BY_CHANNEL) {
        one.kind = s->kind == OP_SCALE_SHIFT_BY_CHANNEL ? OP_SCALE_SHIFT
                   : s->kind == CLIP_BY_CHANNEL         ? OP_CLIP
                                                        : OP_POWER_LAW;
        one.a = s->tiles[k], one.b = s->tiles[PIECE + k], one.c = s->tiles[2 * PIECE + k], one.tiles = 0;
    }
    return one;
}

/* One step over pixels in planes. */
static void take_planes(const Chain *c, const Step *s, int64_t first, int pixels, float *v)
{
    const int whole = (pixels + 15) & ~15;
    const float *e = s->own;
    switch (s->kind) {
    case OP_BLEND_WITH_GREY: blend_planes(e, e + COLOURS, s->limit, whole, v); return;
    case OP_HUE_SATURATION_VALUE: {
        const Cone cone = cone_of(e);
        change_colours(&cone, s->limit, whole, v + named(c, e[0]) * PLANE, v + named(c, e[1]) * PLANE,
                       v + named(c, e[2]) * PLANE);
        return;
    }
    case OP_SCALE_SHIFT: case OP_SCALE_SHIFT_BY_CHANNEL: case OP_POWER_LAW: case OP_POWER_LAW_BY_CHANNEL:
    case OP_CLIP: case CLIP_BY_CHANNEL: case OP_QUANTIZE: case OP_SOLARIZE: case OP_CURVE:
        for (int k = 0; k < COLOURS; k++) {
            const Step one = of_channel(s, k);
            if (one.kind != OP_POWER_LAW || one.a != 1)
                take(c, &one, 0, whole, v + k * PLANE, 0);
        }
        return;
    default: {
        _Alignas(64) float w[PIECE];
        values_from_planes(v, pixels, w);
        take(c, s, first, pixels * COLOURS, w, 0);
        values_to_planes(w, pixels, v);
    }
    }
}

static void run_planes(const Chain *c, int64_t first, int pixels, float *v)
{
    for (int k = 0; k < c->n; k++)
        take_planes(c, c->steps + k, first, pixels, v);
}

/* All steps. */
static void run(const Chain *c, int64_t first, int n, float *v, const float *given)
{
    if (c->planar && c->n) {
        _Alignas(64) float planes[PIECE];
        values_to_planes(v, n / COLOURS, planes);
        run_planes(c, first, n / COLOURS, planes);
        values_from_planes(planes, n / COLOURS, v);
        return;
    }
    for (int k = 0; k < c->n; k++)
        take(c, c->steps + k, first, n, v, given);
}

#endif
