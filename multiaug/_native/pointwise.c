/* New values for the channels of a picture: a few steps per record, see `_pointwise.py`.
 *
 * The numbers of the steps come from JAX; `transforms/_operations.py` says there what the steps
 * mean. A picture is worked on piece by piece, each step over all of a piece. Of bytes, steps that
 * depend on the value alone are run on the 256 levels, and pixels look them up.
 */
#include "warp.h"
#include "functions.h"

enum { MOST_PERIOD_OF_LEVELS = 16, FEWEST_BY_LEVELS = 4096 };

/* A step of one record. Of those on straight lines, (v - a) * b + c, each channel may have numbers
 * of its own: they are then laid out as the values of a piece are. */
typedef struct {
    int kind;
    float a, b, c;
    const uint32_t *words;
    const float *own; /* as they were handed over, per channel */
    float *tiles;     /* three times PIECE, once they are laid out */
} Step;

/* What is done to the channels of one record. */
typedef struct {
    const PointwiseProgram *r;
    const char *in;
    int64_t values; /* numbers of the record */
    int channels;   /* to a pixel; one where channels are alike and neighbours */
    int stride;     /* numbers from pixel to pixel */
    const float *table; /* per level and channel, what the bytes are looked up in; or null */
    int period;         /* its channels */
    int n;
    Step *steps; /* room for all that are on */
} Chain;

/* ---- steps over a piece ---------------------------------------------------------------- */

static void on_a_line(const Step *s, int n, float *v)
{
    if (s->tiles) {
        const float *a = s->tiles, *b = a + PIECE, *c = b + PIECE;
        for (int i = 0; i < n; i += WIDE)
            store_fv(v + i, (load_fv(v + i) - load_fv(a + i)) * load_fv(b + i) + load_fv(c + i));
        return;
    }
    for (int i = 0; i < n; i += WIDE)
        store_fv(v + i, (load_fv(v + i) - s->a) * s->b + s->c);
}

static void to_a_power(const Step *s, int n, float *v)
{
    /* Divided, as JAX does: black and white are whole numbers then. */
    for (int i = 0; i < n; i += WIDE)
        store_fv(v + i, (load_fv(v + i) - s->b) / s->c);
    signed_powers(s->a, n, v);
    for (int i = 0; i < n; i += WIDE)
        store_fv(v + i, s->b + s->c * load_fv(v + i));
}

INLINE fv clipped(fv v, float lo, float hi)
{
    v = choose(less(splat(lo), v), v, splat(lo));
    return choose(less(v, splat(hi)), v, splat(hi));
}

static void into_a_range(const Step *s, int n, float *v)
{
    for (int i = 0; i < n; i += WIDE) {
        const fv x = load_fv(v + i);
        store_fv(v + i, choose(equal(x, x), clipped(x, s->a, s->b), x));
    }
}

/* The steps over n values of which the first is that of a record. Works on whole vectors. */
static void run(const Step *steps, int n_steps, int64_t first, int n, float *v)
{
    for (int k = 0; k < n_steps; k++)
        switch (steps[k].kind) {
        case OP_POWER_LAW: to_a_power(steps + k, n, v); break;
        case OP_CLIP: into_a_range(steps + k, n, v); break;
        case OP_NOISE: add_normals((uint32_t)first, steps[k].words, steps[k].a, n, v); break;
        default: on_a_line(steps + k, n, v);
        }
}

/* ---- values from and to memory --------------------------------------------------------- */

INLINE int size_of(int type) { return type == U8 ? 1 : type == U16 ? 2 : 4; }

/* Whole pixels of a piece. */
INLINE int per_piece(const Chain *c) { return PIECE / c->channels * c->channels; }

/* Numbers of some channels of n / channels pixels, to where pixels are so far apart. */
INLINE void deal(const uint32_t *from, int apart, int n, int channels, uint32_t *to, int apart_then)
{
    for (int i = 0; i < n; i += channels, from += apart, to += apart_then)
        for (int k = 0; k < channels; k++)
            to[k] = from[k];
}

static void move(const char *from, int apart, int n, int channels, int size, char *to, int then)
{
    if (apart == channels && then == channels) {
        memcpy(to, from, (size_t)n * size);
    } else if (size == 4) {
        const uint32_t *in = (const uint32_t *)from;
        uint32_t *out = (uint32_t *)to;
        /* Known numbers of channels: the loop over them is none. */
        switch (channels) {
        case 1: deal(in, apart, n, 1, out, then); break;
        case 3: deal(in, apart, n, 3, out, then); break;
        default: deal(in, apart, n, channels, out, then);
        }
    } else {
        for (int i = 0; i < n; i += channels)
            memcpy(to + (int64_t)(i / channels) * then * size,
                   from + (int64_t)(i / channels) * apart * size, (size_t)channels * size);
    }
}

INLINE int64_t place_of(const Chain *c, int64_t first)
{
    return c->stride == c->channels ? first : first / c->channels * c->stride;
}

/* n numbers of a record, side by side, in the dtype; zeros up to a whole vector. */
static void collect(const Chain *c, int64_t first, int n, char *raw)
{
    const int size = size_of(c->r->in_type);
    memset(raw + n * size, 0, (size_t)(-n & 15) * size);
    move(c->in + place_of(c, first) * size, c->stride, n, c->channels, size, raw, c->channels);
}

static void widen(const Chain *c, const char *raw, int n, float *v)
{
    const int whole = (n + 15) & ~15;
    if (c->r->in_type == U8)
        for (int i = 0; i < whole; i += 8)
            put8_f32(v + i, wide_u8((const uint8_t *)raw + i));
    else
        for (int i = 0; i < whole; i += 8)
            put8_f32(v + i, wide_u16((const uint16_t *)raw + i));
}

/* Values of whole pixels; `table` is of one channel, or of each. */
static void look_up(const Chain *c, const uint8_t *in, int n, float *v)
{
    const float *table = c->table;
    memset(v + n, 0, (size_t)(-n & 15) * sizeof(float));
    if (c->period == 1)
        for (int i = 0; i < n; i++)
            v[i] = table[in[i]];
    else
        for (int i = 0; i < n; i += c->period)
            for (int k = 0; k < c->period; k++)
                v[i + k] = table[in[i + k] + k * LEVELS];
}

INLINE mask valid(const PointwiseProgram *r, fv v)
{
    const fv mark = r->marks == MARK_NAN ? v : splat(r->invalid);
    return r->marks == MARK_NAN ? equal(v, v) : not_equal(v, mark);
}

/* Values that `run` may begin with, and what they were before the table. */
static void begin(const Chain *c, int64_t first, int n, float *v, float *given)
{
    _Alignas(64) char raw[PIECE * sizeof(float)];
    if (c->r->in_type == F32) {
        collect(c, first, n, (char *)v);
    } else {
        collect(c, first, n, raw);
        if (c->table)
            look_up(c, (const uint8_t *)raw, n, v);
        else
            widen(c, raw, n, v);
    }
    if (c->r->marks == MARK_NOTHING)
        return;
    if (c->table)
        widen(c, raw, n, given);
    else
        memcpy(given, v, (size_t)((n + 15) & ~15) * sizeof(float));
}

static void hand_over(const Chain *c, char *record, int64_t first, int n, float *v)
{
    const int type = c->r->out_type, size = size_of(type);
    _Alignas(64) char raw[PIECE * sizeof(float)];
    const char *from = (const char *)v;
    if (type != F32) {
        const float top = type == U8 ? 255 : 65535;
        for (int i = 0; i < n; i += WIDE)
            store_fv(v + i, clipped(load_fv(v + i), 0, top));
        for (int i = 0; i < n; i += 8)
            if (type == U8)
                put8_u8((uint8_t *)raw + i, wide_f32(v + i));
            else
                put8_u16((uint16_t *)raw + i, wide_f32(v + i));
        from = raw;
    }
    move(from, c->channels, n, c->channels, size, record + place_of(c, first) * size, c->stride);
}

/* ---- means ----------------------------------------------------------------------------- */

/* The mean of all valid values after the steps so far. In sixteen sums, whatever the vectors. */
static float mean_of(const Chain *c)
{
    _Alignas(64) float v[PIECE], given[PIECE], bands[16];
    const int piece = per_piece(c);
    double total = 0;
    int64_t count = 0;
    for (int64_t first = 0; first < c->values; first += piece) {
        const int n = c->values - first < piece ? (int)(c->values - first) : piece;
        begin(c, first, n, v, given);
        run(c->steps, c->n, first, n, v);
        if (c->r->marks == MARK_NOTHING) {
            count += n;
        } else {
            for (int i = 0; i < n; i += WIDE) {
                const mask there = valid(c->r, load_fv(given + i));
                store_fv(v + i, choose(there, load_fv(v + i), (fv){0}));
                store_fv(given + i, choose(there, splat(1), (fv){0}));
            }
            for (int i = 0; i < n; i++)
                count += given[i] != 0;
        }
        for (int i = n; i < ((n + 15) & ~15); i++)
            v[i] = 0;
        fv sums[16 / WIDE] = {{0}};
        for (int i = 0; i < n; i += 16)
            for (int k = 0; k < 16 / WIDE; k++)
                sums[k] += load_fv(v + i + k * WIDE);
        memcpy(bands, sums, sizeof bands);
        for (int k = 0; k < 16; k++)
            total += bands[k];
    }
    return (float)(total / (double)(count ? count : 1));
}

/* How often every level is there, per channel of the table. */
static void count_levels(const Chain *c, int32_t *counts)
{
    const uint8_t *in = (const uint8_t *)c->in;
    const int period = c->period;
    memset(counts, 0, (size_t)period * LEVELS * sizeof *counts);
    int64_t i = 0;
    /* Neighbours are alike: counted in one place, each would wait for the one before. */
    int32_t others[3][LEVELS] = {{0}};
    for (; period == 1 && i + 4 <= c->values; i += 4) {
        counts[in[i]]++;
        for (int k = 0; k < 3; k++)
            others[k][in[i + k + 1]]++;
    }
    for (; period == 3 && i + 3 <= c->values; i += 3) {
        counts[in[i]]++;
        counts[in[i + 1] + LEVELS]++;
        counts[in[i + 2] + 2 * LEVELS]++;
    }
    for (int k = 0; i < c->values; i++) {
        counts[in[i] + k * LEVELS]++;
        k = k + 1 == period ? 0 : k + 1;
    }
    for (int k = 0; period == 1 && k < 3; k++)
        for (int v = 0; v < LEVELS; v++)
            counts[v] += others[k][v];
}

/* `mean_of` bytes that were only put on one line: its value at their mean. */
static float mean_on_a_line(const Chain *c)
{
    const uint8_t *in = (const uint8_t *)c->in;
    uint64_t total = 0;
    for (int64_t first = 0; first < c->values; first += 1 << 16) {
        const int n = c->values - first < 1 << 16 ? (int)(c->values - first) : 1 << 16;
        uint32_t sum = 0;
        for (int i = 0; i < n; i++)
            sum += in[first + i];
        total += sum;
    }
    const double mean = (double)total / (double)c->values;
    const Step *s = c->steps;
    return (float)(c->n ? (mean - s->a) * s->b + s->c : mean);
}

/* `mean_of`, from the values of the levels. */
static float mean_of_levels(const Chain *c, const int32_t *counts, const float *table)
{
    double total = 0, count = 0;
    for (int k = 0; k < c->period * LEVELS; k++) {
        if (c->r->marks == MARK_NUMBER && (float)(k % LEVELS) == c->r->invalid)
            continue;
        total += (double)table[k] * counts[k];
        count += counts[k];
    }
    return (float)(total / (count ? count : 1));
}

/* ---- from what was handed over to steps ------------------------------------------------ */

INLINE int is_line(const Step *s) { return s->kind == OP_SCALE_SHIFT || s->kind == OP_SCALE_SHIFT_BY_CHANNEL; }

/* (v - a1) b1 + c1, then (v - a2) b2 + c2, in one; no digits are lost where a is near v. */
INLINE void join_lines(float *a1, float *b1, float *c1, float a2, float b2, float c2)
{
    if (*b1 == 0) {
        *a1 = 0, *c1 = (*c1 - a2) * b2 + c2;
        return;
    }
    *a1 = (float)(*a1 + ((double)a2 - *c1) / *b1);
    *b1 *= b2;
    *c1 = c2;
}

static float tile_at(const Step *s, int which, int i)
{
    return s->tiles ? s->tiles[which * PIECE + i] : which == 0 ? s->a : which == 1 ? s->b : s->c;
}

/* Add a step behind the others; neighbours on straight lines become one. */
static void add(Chain *c, Step s, float (*tiles)[3 * PIECE], int *used)
{
    if (s.kind == OP_SCALE_SHIFT_BY_CHANNEL) {
        s.tiles = tiles[(*used)++];
        for (int which = 0; which < 3; which++)
            for (int i = 0, k = 0; i < PIECE; i++) {
                s.tiles[which * PIECE + i] = s.own[which * c->r->channels + k];
                k = k + 1 == c->r->channels ? 0 : k + 1;
            }
    }
    Step *last = c->n ? c->steps + c->n - 1 : 0;
    if (!last || !is_line(last) || !is_line(&s)) {
        c->steps[c->n++] = s;
        return;
    }
    if (!last->tiles && !s.tiles) {
        join_lines(&last->a, &last->b, &last->c, s.a, s.b, s.c);
        return;
    }
    float *held = s.tiles ? s.tiles : last->tiles;
    for (int i = 0; i < PIECE; i++) {
        float x = tile_at(last, 0, i), y = tile_at(last, 1, i), z = tile_at(last, 2, i);
        join_lines(&x, &y, &z, tile_at(&s, 0, i), tile_at(&s, 1, i), tile_at(&s, 2, i));
        held[i] = x, held[PIECE + i] = y, held[2 * PIECE + i] = z;
    }
    last->kind = OP_SCALE_SHIFT_BY_CHANNEL, last->tiles = held;
}

/* The steps of a record that are on, and how many there are; with no room given they are counted. */
static int read_steps(const PointwiseProgram *r, int64_t record, Step *steps, int *by_channel)
{
    const float *numbers = r->numbers + record * r->length;
    const uint32_t *words = r->words + record * r->n_noises * 2;
    int count = 0;
    *by_channel = 0;
    for (int k = 0; k < r->n_steps; k++) {
        const int kind = r->kinds[k];
        const Operation *row = operations + kind;
        const float *own = numbers + 1;
        if (numbers[0] != 0 && !(kind == OP_NOISE && own[0] == 0)) {
            if (steps)
                steps[count] = (Step){kind, own[0], row->once > 1 ? own[1] : 0,
                                      row->once > 2 ? own[2] : 0, words, own, 0};
            *by_channel += kind == OP_SCALE_SHIFT_BY_CHANNEL;
            count++;
        }
        words += 2 * row->words;
        numbers += 1 + row->once + row->per_channel * r->channels;
    }
    return count;
}

/* ---- all of it ------------------------------------------------------------------------- */

/* Values of the levels after the steps so far: (period, LEVELS). */
static void table_of(const Chain *c, float *table)
{
    float v[PIECE];
    const int period = c->period, levels = PIECE / period;
    for (int first = 0; first < LEVELS; first += levels) {
        const int n = (LEVELS - first < levels ? LEVELS - first : levels) * period;
        memset(v, 0, sizeof v);
        for (int i = 0; i < n; i++)
            v[i] = (float)(first + i / period);
        run(c->steps, c->n, 0, n, v);
        for (int i = 0; i < n; i++)
            table[i % period * LEVELS + first + i / period] = v[i];
    }
    if (c->r->marks == MARK_NUMBER && c->r->invalid >= 0 && c->r->invalid < LEVELS)
        for (int k = 0; k < period; k++)
            table[k * LEVELS + (int)c->r->invalid] = c->r->invalid;
}

/* Bytes to bytes, where nothing comes after the table. */
static void look_up_bytes(const Chain *c, uint8_t *out)
{
    const uint8_t *in = (const uint8_t *)c->in;
    const int period = c->period;
    uint8_t bytes[MOST_PERIOD_OF_LEVELS * LEVELS];
    for (int k = 0; k < period * LEVELS; k++)
        bytes[k] = one_u8(min(max(c->table[k], 0), 255));
    for (int k = 0; c->r->marks == MARK_NUMBER && k < period * LEVELS; k++)
        if (bytes[k] == c->r->invalid && k % LEVELS != c->r->invalid)
            bytes[k] = (uint8_t)c->r->beside;
    if (period == 1) {
        for (int64_t i = 0; i < c->values; i++)
            out[i] = bytes[in[i]];
        return;
    }
    for (int64_t i = 0; i < c->values; i += period)
        for (int k = 0; k < period; k++)
            out[i + k] = bytes[in[i + k] + k * LEVELS];
}

/* Values that become the number of pixels without data are moved off it. */
INLINE fv off_the_mark(const PointwiseProgram *r, fv v)
{
    if (r->marks != MARK_NUMBER)
        return v;
    fv written = v;
    if (r->out_type != F32)
        written = __builtin_convertvector(
            __builtin_convertvector(clipped(v, 0, r->out_type == U8 ? 255 : 65535) + BELOW_HALF, iv),
            fv);
    return choose(equal(written, splat(r->invalid)), splat(r->beside), v);
}

static void run_over_pixels(const Chain *c, char *out)
{
    _Alignas(64) float v[PIECE], given[PIECE];
    const int piece = per_piece(c);
    for (int64_t first = 0; first < c->values; first += piece) {
        const int n = c->values - first < piece ? (int)(c->values - first) : piece;
        begin(c, first, n, v, given);
        run(c->steps, c->n, first, n, v);
        if (c->r->marks != MARK_NOTHING)
            for (int i = 0; i < n; i += WIDE) {
                const fv was = load_fv(given + i);
                store_fv(v + i, choose(valid(c->r, was), off_the_mark(c->r, load_fv(v + i)), was));
            }
        hand_over(c, out, first, n, v);
    }
}

/* The steps are settled one after the other: a spread needs the mean of what comes before it. Of
 * bytes, a table takes in all that are before the first noise. */
void JOIN(multiaug_pointwise_one_, LEVEL)(const PointwiseProgram *r, int64_t record)
{
    float table[MOST_PERIOD_OF_LEVELS * LEVELS];
    int32_t counts[MOST_PERIOD_OF_LEVELS * LEVELS];
    int by_channel, used = 0, k = 0;
    const int n = read_steps(r, record, 0, &by_channel);
    /* As much as this record needs: of what a container did not choose there is nothing here. */
    _Alignas(64) float tiles[by_channel ? by_channel : 1][3 * PIECE];
    Step wanted[n ? n : 1], steps[n ? n : 1];
    read_steps(r, record, wanted, &by_channel);
    char *out = r->out + record * r->out_bytes;
    const int apart = r->stride != r->channels || by_channel;
    Chain c = {.r = r,
               .steps = steps,
               .in = r->in + record * r->in_bytes,
               .values = r->pixels * r->channels,
               .channels = apart ? r->channels : 1,
               .stride = apart ? r->stride : 1};
    if (!n && r->in_type == r->out_type)
        return;
    c.period = c.channels;
    if (r->in_type == U8 && c.stride == c.channels && c.period <= MOST_PERIOD_OF_LEVELS &&
        c.values >= FEWEST_BY_LEVELS && n && wanted[0].kind != OP_NOISE) {
        int counted = 0;
        for (; k < n && wanted[k].kind != OP_NOISE; k++) {
            if (wanted[k].kind == OP_SCALE_ABOUT_MEAN) {
                const int line = c.n == 0 || (c.n == 1 && c.steps[0].kind == OP_SCALE_SHIFT);
                float mean;
                if (line && r->marks == MARK_NOTHING) {
                    mean = mean_on_a_line(&c);
                } else {
                    if (!counted)
                        count_levels(&c, counts);
                    counted = 1;
                    table_of(&c, table);
                    mean = mean_of_levels(&c, counts, table);
                }
                wanted[k] = (Step){OP_SCALE_SHIFT, mean, wanted[k].a, mean, 0, 0, 0};
            }
            add(&c, wanted[k], tiles, &used);
        }
        table_of(&c, table);
        c.table = table, c.n = 0;
        if (k == n && r->out_type == U8) {
            look_up_bytes(&c, (uint8_t *)out);
            return;
        }
    }
    for (; k < n; k++) {
        if (wanted[k].kind == OP_SCALE_ABOUT_MEAN) {
            const float mean = mean_of(&c);
            wanted[k] = (Step){OP_SCALE_SHIFT, mean, wanted[k].a, mean, 0, 0, 0};
        }
        add(&c, wanted[k], tiles, &used);
    }
    run_over_pixels(&c, out);
}

void JOIN(multiaug_pointwise_, LEVEL)(const PointwiseProgram *r)
{
    for (int64_t record = 0; record < r->n_records; record++)
        JOIN(multiaug_pointwise_one_, LEVEL)(r, record);
}
