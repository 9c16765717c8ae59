/* Statistics of the values of one record, after the steps so far.
 *
 * From the values themselves, piece by piece, or from the 256 levels that bytes have and how often
 * each is there. Pixels without data do not count. Sums are made in an order that does not depend on
 * how wide the vectors of a machine are. */
#ifndef MULTIAUG_MEASURE_H
#define MULTIAUG_MEASURE_H

#include "pieces.h"

#include <stdlib.h>

enum { MOST_PERIOD_OF_LEVELS = 16 };

/* ---- of planes ------------------------------------------------------------------------- */

/* Of one channel: sixteen sums, whatever the vectors, least and greatest values. */
typedef struct {
    fv sums[16 / WIDE], low[16 / WIDE], high[16 / WIDE];
} Sixteen;

INLINE Sixteen none_of_sixteen(void)
{
    Sixteen s;
    for (int k = 0; k < 16 / WIDE; k++)
        s.sums[k] = (fv){0}, s.low[k] = splat(INFINITY), s.high[k] = splat(-INFINITY);
    return s;
}

/* Sixteen numbers, of which some may be left out of the sums: they repeat the first then. */
INLINE void put_in(Sixteen *s, const float *v, const float *summed)
{
    for (int k = 0; k < 16 / WIDE; k++) {
        const fv x = load_fv(v + k * WIDE);
        s->sums[k] += load_fv(summed + k * WIDE);
        s->low[k] = vmin(x, s->low[k]), s->high[k] = vmax(x, s->high[k]);
    }
}

static void put_all_in(Sixteen *s, const float *v, int n)
{
    float last[16], summed[16] = {0};
    int i = 0;
    for (; i + 16 <= n; i += 16)
        put_in(s, v + i, v + i);
    for (int k = 0; k < 16; k++)
        last[k] = i + k < n ? v[i + k] : v[0], summed[k] = i + k < n ? v[i + k] : 0;
    if (i < n)
        put_in(s, last, summed);
}

INLINE float sum_of_sixteen(const fv *sums)
{
    float bands[16];
    memcpy(bands, sums, sizeof bands);
    for (int half = 8; half; half /= 2)
        for (int k = 0; k < half; k++)
            bands[k] += bands[k + half];
    return bands[0];
}

/* One pass over all pixels: as `pass`, of three channels in planes. */
static void pass_of_planes(const Chain *c, const float *means, double *totals, float *low, float *high)
{
    _Alignas(64) float v[PIECE], ends[2][16];
    Sixteen found[COLOURS];
    for (int k = 0; k < COLOURS; k++)
        found[k] = none_of_sixteen();
    for (int64_t first = 0; first < c->values; first += COLOURS * PLANE) {
        const int64_t left = (c->values - first) / COLOURS;
        const int pixels = left < PLANE ? (int)left : PLANE;
        begin_planes(c, first, pixels, v);
        run_planes(c, first, pixels, v);
        for (int k = 0; k < COLOURS; k++) {
            float *plane = v + k * PLANE;
            for (int p = 0; means && p < pixels; p += WIDE) {
                const fv off = load_fv(plane + p) - means[k];
                store_fv(plane + p, off * off);
            }
            put_all_in(found + k, plane, pixels);
            totals[k] += sum_of_sixteen(found[k].sums);
            memset(found[k].sums, 0, sizeof found[k].sums);
        }
    }
    for (int k = 0; k < COLOURS; k++) {
        memcpy(ends[0], found[k].low, sizeof ends[0]);
        memcpy(ends[1], found[k].high, sizeof ends[1]);
        low[k] = INFINITY, high[k] = -INFINITY;
        for (int i = 0; i < 16; i++)
            low[k] = min(low[k], ends[0][i]), high[k] = max(high[k], ends[1][i]);
    }
}

/* ---- the mean of all channels ---------------------------------------------------------- */

/* The mean of all valid values after the steps so far. In sixteen sums, whatever the vectors. */
static float mean_of(const Chain *c)
{
    _Alignas(64) float v[PIECE], given[PIECE], bands[16];
    const int piece = per_piece(c);
    double total = 0;
    int64_t count = 0;
    if (c->planar) {
        double totals[COLOURS] = {0};
        float low[COLOURS], high[COLOURS];
        pass_of_planes(c, 0, totals, low, high);
        return (float)((totals[0] + totals[1] + totals[2]) / (double)c->values);
    }
    for (int64_t first = 0; first < c->values; first += piece) {
        const int n = c->values - first < piece ? (int)(c->values - first) : piece;
        begin(c, first, n, v, given);
        run(c, first, n, v, given);
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
    for (; period == 3 && i + 6 <= c->values; i += 6)
        for (int k = 0; k < 3; k++) {
            counts[in[i + k] + k * LEVELS]++;
            others[k][in[i + 3 + k]]++;
        }
    for (int k = 0; i < c->values; i++) {
        counts[in[i] + k * LEVELS]++;
        k = k + 1 == period ? 0 : k + 1;
    }
    for (int k = 0; (period == 1 || period == 3) && k < 3; k++)
        for (int v = 0; v < LEVELS; v++)
            counts[v + (period == 3 ? k * LEVELS : 0)] += others[k][v];
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

/* ---- every channel by itself ----------------------------------------------------------- */

/* Of the valid values of a channel; all zeros where there are none. */
typedef struct {
    double count, mean, deviation;
    float low, high;
} Measured;

/* Where levels are counted: bytes that no step but those of a table has touched. */
typedef struct {
    int32_t *counts; /* (period, LEVELS) */
    float *table;    /* (period, LEVELS), made anew for every question */
    int counted;
} Levels;

static void table_of(const Chain *c, float *table);

static void fill_levels(const Chain *c, Levels *l)
{
    if (!l->counted)
        count_levels(c, l->counts);
    l->counted = 1;
    table_of(c, l->table);
}

INLINE int is_counted(const Chain *c, const Levels *l, int channel, int level)
{
    return l->counts[channel * LEVELS + level] &&
           (c->r->marks != MARK_NUMBER || (float)level != c->r->invalid);
}

static void measure_levels(const Chain *c, const Levels *l, Measured *m)
{
    for (int k = 0; k < c->period; k++) {
        const int32_t *counts = l->counts + k * LEVELS;
        const float *values = l->table + k * LEVELS;
        double total = 0, squares = 0;
        m[k] = (Measured){0, 0, 0, INFINITY, -INFINITY};
        for (int v = 0; v < LEVELS; v++)
            if (is_counted(c, l, k, v)) {
                m[k].count += counts[v], total += (double)values[v] * counts[v];
                m[k].low = values[v] < m[k].low ? values[v] : m[k].low;
                m[k].high = values[v] > m[k].high ? values[v] : m[k].high;
            }
        m[k].mean = m[k].count ? total / m[k].count : 0;
        for (int v = 0; v < LEVELS; v++)
            if (is_counted(c, l, k, v))
                squares += (values[v] - m[k].mean) * (values[v] - m[k].mean) * counts[v];
        m[k].deviation = m[k].count ? sqrt(squares / m[k].count) : 0;
    }
}

/* Columns that sums are made in: whole pixels, and enough of them for the widest vectors. */
INLINE int columns_of(const Chain *c) { return c->channels * ((15 + c->channels) / c->channels); }

enum { MOST_COLUMNS = MAX_CHANNELS + 16 };

/* One pass: sums, least and greatest of every channel; or the squares of what is beside `means`. */
static void pass(const Chain *c, const float *means, double *totals, Measured *m)
{
    _Alignas(64) float v[PIECE], given[PIECE];
    float sums[MOST_COLUMNS], low[MOST_COLUMNS], high[MOST_COLUMNS];
    const int piece = per_piece(c), columns = columns_of(c), marked = c->r->marks != MARK_NOTHING;
    if (c->planar) {
        pass_of_planes(c, means, totals, low, high);
        for (int k = 0; !means && k < COLOURS; k++)
            m[k].low = low[k], m[k].high = high[k];
        return;
    }
    for (int j = 0; j < columns; j++)
        low[j] = INFINITY, high[j] = -INFINITY;
    for (int64_t first = 0; first < c->values; first += piece) {
        const int n = c->values - first < piece ? (int)(c->values - first) : piece;
        begin(c, first, n, v, given);
        run(c, first, n, v, given);
        memset(sums, 0, sizeof sums);
        for (int i = 0; i < n; i += columns) {
            const int some = n - i < columns ? n - i : columns;
            float *x = v + i;
            if (marked && !means)
                for (int j = 0; j < some; j++)
                    m[(i + j) % c->channels].count += is_valid(c->r, given[i + j]);
            if (means)
                for (int j = 0; j < some; j++)
                    x[j] = (x[j] - means[j]) * (x[j] - means[j]);
            if (marked)
                for (int j = 0; j < some; j++) {
                    const int there = is_valid(c->r, given[i + j]);
                    low[j] = there && x[j] < low[j] ? x[j] : low[j];
                    high[j] = there && x[j] > high[j] ? x[j] : high[j];
                    x[j] = there ? x[j] : 0;
                }
            else if (!means)
                for (int j = 0; j < some; j++) {
                    low[j] = x[j] < low[j] ? x[j] : low[j];
                    high[j] = x[j] > high[j] ? x[j] : high[j];
                }
            for (int j = 0; j < some; j++)
                sums[j] += x[j];
        }
        for (int j = 0; j < columns; j++)
            totals[j % c->channels] += sums[j];
    }
    for (int j = 0; !means && j < columns; j++) {
        Measured *one = m + j % c->channels;
        one->low = low[j] < one->low ? low[j] : one->low;
        one->high = high[j] > one->high ? high[j] : one->high;
    }
}

static void measure_values(const Chain *c, int deviations, Measured *m)
{
    double totals[MAX_CHANNELS] = {0};
    float means[MOST_COLUMNS];
    for (int k = 0; k < c->channels; k++)
        m[k] = (Measured){0, 0, 0, INFINITY, -INFINITY};
    pass(c, 0, totals, m);
    for (int k = 0; k < c->channels; k++) {
        if (c->r->marks == MARK_NOTHING)
            m[k].count = (double)(c->values / c->channels);
        m[k].mean = m[k].count ? totals[k] / m[k].count : 0;
        totals[k] = 0;
    }
    if (!deviations)
        return;
    for (int j = 0; j < columns_of(c); j++)
        means[j] = (float)m[j % c->channels].mean;
    pass(c, means, totals, m);
    for (int k = 0; k < c->channels; k++) {
        /* The mean was rounded before it was taken away. */
        const double off = m[k].mean - means[k];
        const double square = m[k].count ? totals[k] / m[k].count - off * off : 0;
        m[k].deviation = square > 0 ? sqrt(square) : 0;
    }
}

/* All channels as one. */
static void together(int channels, Measured *m)
{
    Measured all = {0, 0, 0, INFINITY, -INFINITY};
    double square = 0;
    for (int k = 0; k < channels; k++) {
        all.count += m[k].count, all.mean += m[k].count * m[k].mean;
        all.low = m[k].low < all.low ? m[k].low : all.low;
        all.high = m[k].high > all.high ? m[k].high : all.high;
    }
    all.mean = all.count ? all.mean / all.count : 0;
    for (int k = 0; k < channels; k++) {
        const double off = m[k].mean - all.mean;
        square += m[k].count * (m[k].deviation * m[k].deviation + off * off);
    }
    all.deviation = all.count ? sqrt(square / all.count) : 0;
    for (int k = 0; k < channels; k++)
        m[k] = all;
}

/* Of every channel, or of all channels together; `levels` where they are counted, or null. */
static void measure(const Chain *c, Levels *levels, int deviations, int joined, Measured *m)
{
    if (levels) {
        fill_levels(c, levels);
        measure_levels(c, levels, m);
    } else {
        measure_values(c, deviations, m);
    }
    if (joined)
        together(c->channels, m);
    for (int k = 0; k < c->channels; k++)
        if (!m[k].count)
            m[k] = (Measured){0};
}

/* ---- quantiles ------------------------------------------------------------------------- */

/* Bits that are ordered as the numbers are, NaN at the end. */
INLINE uint32_t key_of(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

INLINE float value_of(uint32_t key)
{
    const uint32_t bits = key & 0x80000000u ? key ^ 0x80000000u : ~key;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* The key of a rank: its digits are found from the first on. */
static uint32_t key_at(const uint32_t *keys, int64_t n, int64_t rank)
{
    uint32_t prefix = 0, known = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        int64_t counts[LEVELS] = {0};
        for (int64_t i = 0; i < n; i++)
            if ((keys[i] & known) == prefix)
                counts[keys[i] >> shift & 255]++;
        uint32_t digit = 0;
        for (; digit < 255 && rank >= counts[digit]; digit++)
            rank -= counts[digit];
        prefix |= digit << shift, known |= 255u << shift;
    }
    return prefix;
}

static float between(float low, float high, double place)
{
    const double share = place - floor(place);
    return (float)(low + share * ((double)high - low));
}

static float quantile(const uint32_t *keys, int64_t n, double q)
{
    if (!n)
        return 0;
    const double place = (q > 0 ? q < 1 ? q : 1 : 0) * (double)(n - 1);
    const int64_t rank = (int64_t)place;
    const float low = value_of(key_at(keys, n, rank));
    return rank + 1 < n ? between(low, value_of(key_at(keys, n, rank + 1)), place) : low;
}

/* Two quantiles of every channel, or of all: in `low` and `high`. Not 0 where memory is missing. */
static int measure_quantiles(const Chain *c, const float q[2], int joined, Measured *m)
{
    _Alignas(64) float v[PIECE], given[PIECE];
    const int piece = per_piece(c), channels = joined ? 1 : c->channels;
    const int64_t room = c->values / channels;
    int64_t counts[MAX_CHANNELS] = {0};
    uint32_t *keys = malloc((size_t)c->values * sizeof *keys + 1);
    if (!keys)
        return 1;
    for (int64_t first = 0; first < c->values; first += piece) {
        const int n = c->values - first < piece ? (int)(c->values - first) : piece;
        begin(c, first, n, v, given);
        run(c, first, n, v, given);
        for (int i = 0, k = 0; i < n; i++, k = k + 1 == channels ? 0 : k + 1)
            if (c->r->marks == MARK_NOTHING || is_valid(c->r, given[i]))
                keys[k * room + counts[k]++] = key_of(v[i]);
    }
    for (int k = 0; k < c->channels; k++) {
        const int from = joined ? 0 : k;
        m[k] = k && joined ? m[0] : (Measured){.count = (double)counts[from],
            .low = quantile(keys + from * room, counts[from], q[0]),
            .high = quantile(keys + from * room, counts[from], q[1])};
    }
    free(keys);
    return 0;
}

/* ---- how often -------------------------------------------------------------------------- */

/* Counts of 256 bins from black to white for every channel: (channels, LEVELS). */
static void count_bins(const Chain *c, float low, float extent, int32_t *counts)
{
    _Alignas(64) float v[PIECE], given[PIECE];
    const int piece = per_piece(c);
    memset(counts, 0, (size_t)c->channels * LEVELS * sizeof *counts);
    for (int64_t first = 0; first < c->values; first += piece) {
        const int n = c->values - first < piece ? (int)(c->values - first) : piece;
        begin(c, first, n, v, given);
        run(c, first, n, v, given);
        for (int i = 0, k = 0; i < n; i++, k = k + 1 == c->channels ? 0 : k + 1) {
            const float bin = floorf((v[i] - low) / extent * 255 + 0.5f);
            if (c->r->marks != MARK_NOTHING && !is_valid(c->r, given[i]))
                continue;
            counts[k * LEVELS + (bin > 0 ? bin < 255 ? (int)bin : 255 : 0)]++;
        }
    }
}

#endif
