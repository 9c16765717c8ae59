/* New values for the channels of an image: a few steps per record, see `_pointwise.py`.
 *
 * The numbers of the steps come from JAX; `transforms/_operations.py` says there what the steps
 * mean. An image is worked on piece by piece, each step over all of a piece. Of bytes, steps that
 * depend on the value alone are run on the 256 levels, and pixels look them up. A step with
 * statistics becomes simpler ones, once all that comes before it is known; one that looks at
 * neighbours is run at once, over all of the image.
 */
#include "measure.h"
#include "stencils.h"
#include "tables.h"

enum { FEWEST_BY_LEVELS = 4096, TILES_ON_STACK = 8 };

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

/* What the steps of a record take besides themselves. */
typedef struct {
    float (*tiles)[3 * PIECE];
    int used;
    float *curves; /* what steps need besides, one after the other */
} Room;

/* The numbers of the channels, again and again as the values of a piece are; by planes once. */
static void lay_out(const Chain *c, float *tiles)
{
    const int channels = c->r->channels;
    for (int which = 0; which < 3 && !c->planar; which++)
        for (int i = which * PIECE + channels; i < (which + 1) * PIECE; i++)
            tiles[i] = tiles[i - channels];
}

INLINE int is_limited(Limit l) { return l.low > -INFINITY || l.high < INFINITY; }

INLINE int is_colour(int kind) { return kind == OP_BLEND_WITH_GREY || kind == OP_HUE_SATURATION_VALUE; }

/* Whether a clip may join a step; of one value alone, as those of JAX are. */
INLINE int takes_limits(const Chain *c, const Step *s)
{
    return (is_line(s) || (c->planar && is_colour(s->kind))) && !is_limited(s->limit);
}

/* Add a step behind the others; neighbours on straight lines become one, with the clip behind them. */
static void add(Chain *c, Step s, Room *room)
{
    s.limit = NO_LIMIT;
    if (s.kind == OP_SCALE_SHIFT_BY_CHANNEL || s.kind == OP_POWER_LAW_BY_CHANNEL ||
        s.kind == CLIP_BY_CHANNEL) {
        s.tiles = room->tiles[room->used++];
        for (int which = 0; which < 3; which++)
            memcpy(s.tiles + which * PIECE, s.own + which * c->r->channels,
                   (size_t)c->r->channels * sizeof *s.tiles);
        lay_out(c, s.tiles);
    }
    Step *last = c->n ? c->steps + c->n - 1 : 0;
    if (last && s.kind == OP_CLIP && takes_limits(c, last)) {
        last->limit = (Limit){s.a, s.b};
        return;
    }
    if (!last || !is_line(last) || !is_line(&s) || is_limited(last->limit)) {
        c->steps[c->n++] = s;
        return;
    }
    if (!last->tiles && !s.tiles) {
        join_lines(&last->a, &last->b, &last->c, s.a, s.b, s.c);
        return;
    }
    float *held = s.tiles ? s.tiles : last->tiles;
    for (int i = 0; i < c->r->channels; i++) {
        float x = tile_at(last, 0, i), y = tile_at(last, 1, i), z = tile_at(last, 2, i);
        join_lines(&x, &y, &z, tile_at(&s, 0, i), tile_at(&s, 1, i), tile_at(&s, 2, i));
        held[i] = x, held[PIECE + i] = y, held[2 * PIECE + i] = z;
    }
    last->kind = OP_SCALE_SHIFT_BY_CHANNEL, last->tiles = held;
    lay_out(c, held);
}

/* What the steps of a record that are on ask for. */
typedef struct {
    int tiles;
    int64_t curves; /* numbers */
    int channels;   /* they must be told apart */
    int colours;    /* red, green and blue meet */
} Needs;

INLINE int64_t tiles_of(const float *own) { return (int64_t)tiles_along(own[2]) * tiles_along(own[3]); }

/* Numbers that CLAHE keeps: a word for each level between four tiles, and two numbers for each value of a row. */
INLINE int64_t room_for_tiles(const PointwiseProgram *r, const float *own)
{
    const int64_t between = (int64_t)(tiles_along(own[2]) + 1) * (tiles_along(own[3]) + 1);
    return between * r->channels * LEVELS + 2 * ((int64_t)r->width * r->channels + 2 * 16);
}

/* The steps of a record that are on, and how many there are; with no room given they are counted. */
static int read_steps(const PointwiseProgram *r, int64_t record, Step *steps, Needs *needs)
{
    const float *numbers = r->numbers + record * r->length;
    const uint32_t *words = r->words + record * r->n_noises * 2;
    int count = 0;
    *needs = (Needs){0};
    for (int k = 0; k < r->n_steps; k++) {
        const int kind = r->kinds[k];
        const Operation *row = operations + kind;
        const float *own = numbers + 1;
        if (numbers[0] != 0 && !(kind == OP_NOISE && own[0] == 0)) {
            if (steps)
                steps[count] = (Step){.kind = kind, .a = row->once ? own[0] : 0,
                                      .b = row->once > 1 ? own[1] : 0,
                                      .c = row->once > 2 ? own[2] : 0, .words = words, .own = own};
            needs->tiles += row->tiles;
            needs->curves += kind == OP_EQUALIZE ? r->channels * LEVELS
                             : kind == OP_LOCAL  ? 2 * r->channels
                             : kind == OP_CLAHE  ? room_for_tiles(r, own)
                                                 : 0;
            needs->channels |= row->per_channel || row->apart;
            needs->colours |= is_colour(kind);
            count++;
        }
        words += 2 * row->words;
        numbers += 1 + row->once + row->per_channel * r->channels;
    }
    return count;
}

/* ---- steps with statistics ------------------------------------------------------------- */

/* About means: elements say whether all channels have one, and whether their range is kept. */
static void about_means(Chain *c, const Step *s, Levels *levels, Room *room)
{
    const int channels = c->r->channels, keeps_range = s->own[1] != 0;
    const float *factors = s->own + 2;
    float line[3 * MAX_CHANNELS], ends[3 * MAX_CHANNELS] = {0};
    Measured m[MAX_CHANNELS];
    measure(c, levels, 0, s->own[0] != 0, m);
    for (int k = 0; k < channels; k++) {
        const int same = factors[k] == 1;
        line[k] = line[2 * channels + k] = same ? 0 : (float)m[k].mean;
        line[channels + k] = factors[k];
        ends[k] = same ? -INFINITY : m[k].low, ends[channels + k] = same ? INFINITY : m[k].high;
    }
    add(c, (Step){.kind = OP_SCALE_SHIFT_BY_CHANNEL, .own = line}, room);
    if (keeps_range)
        add(c, (Step){.kind = CLIP_BY_CHANNEL, .own = ends}, room);
}

/* About the mean of a weighted sum of channels. */
static void about_grey_mean(Chain *c, const Step *s, Levels *levels, Room *room)
{
    const int channels = c->r->channels;
    const float *weights = s->own + 1, *on = weights + channels;
    float line[3 * MAX_CHANNELS];
    Measured m[MAX_CHANNELS];
    double grey = 0;
    measure(c, levels, 0, 0, m);
    for (int k = 0; k < channels; k++)
        grey += weights[k] * m[k].mean;
    for (int k = 0; k < channels; k++) {
        line[k] = line[2 * channels + k] = on[k] != 0 ? (float)grey : 0;
        line[channels + k] = on[k] != 0 ? s->own[0] : 1;
    }
    add(c, (Step){.kind = OP_SCALE_SHIFT_BY_CHANNEL, .own = line}, room);
}

/* Powers. Elements: 0 for the range that follows, 1 for that of each channel, 2 for that of all of
 * them; whether from white on; whether means and deviations are kept; black, extent; exponents. */
static int to_powers_of(Chain *c, const Step *s, Levels *levels, Room *room)
{
    const int channels = c->r->channels, of = s->own[0] == 1 ? 1 : s->own[0] == 2 ? 2 : 0;
    const int inverted = s->own[1] != 0, keeps = s->own[2] != 0;
    const float *exponents = s->own + 5;
    float power[3 * MAX_CHANNELS], line[3 * MAX_CHANNELS];
    Measured before[MAX_CHANNELS], after[MAX_CHANNELS];
    if (of || keeps)
        measure(c, levels, keeps, of == 2, before);
    for (int k = 0; k < channels; k++) {
        const float low = of ? before[k].low : s->own[3];
        const float extent = of ? before[k].high - before[k].low : s->own[4];
        const int same = exponents[k] == 1 || extent == 0;
        power[k] = same ? 1 : exponents[k];
        power[channels + k] = inverted ? low + extent : low;
        power[2 * channels + k] = same ? 1 : inverted ? -extent : extent;
    }
    add(c, (Step){.kind = OP_POWER_LAW_BY_CHANNEL, .own = power}, room);
    if (!keeps)
        return 0;
    if (!levels && hold_if_costly(c))
        return 1;
    measure(c, levels, 1, of == 2, after);
    for (int k = 0; k < channels; k++) {
        const int same = power[k] == 1;
        const double least = after[k].deviation > 1e-7 ? after[k].deviation : 1e-7;
        line[k] = same ? 0 : (float)after[k].mean;
        line[channels + k] = same ? 1 : (float)(before[k].deviation / least);
        line[2 * channels + k] = same ? 0 : (float)before[k].mean;
    }
    add(c, (Step){.kind = OP_SCALE_SHIFT_BY_CHANNEL, .own = line}, room);
    return 0;
}

/* To a range, or to a mean of 0 and a deviation of 1. Elements: 0 by least and greatest, 1 by mean
 * and deviation, 2 by quantiles; whether all channels are one; the quantiles; what the first becomes
 * and how far the second is from it; whether values are clipped to that; whether constant channels
 * stay. */
static int normalized(Chain *c, const Step *s, Levels *levels, Room *room)
{
    const int channels = c->r->channels, by = s->own[0] == 1 ? 1 : s->own[0] == 2 ? 2 : 0, joined = s->own[1] != 0;
    const float low = s->own[4], extent = s->own[5];
    float line[3 * MAX_CHANNELS];
    Measured m[MAX_CHANNELS];
    if (by == 2 && measure_quantiles(c, s->own + 2, joined, m))
        return 1;
    if (by != 2)
        measure(c, levels, by == 1, joined, m);
    for (int k = 0; k < channels; k++) {
        const float from = by == 1 ? (float)m[k].mean : m[k].low;
        const float spread = by == 1 ? (float)m[k].deviation : m[k].high - m[k].low;
        const int stays = spread <= 0 && s->own[7] != 0;
        line[k] = stays ? 0 : from;
        line[channels + k] = stays ? 1 : spread > 0 ? extent / spread : 1;
        line[2 * channels + k] = stays ? 0 : low;
    }
    add(c, (Step){.kind = OP_SCALE_SHIFT_BY_CHANNEL, .own = line}, room);
    if (s->own[6] != 0)
        add(c, (Step){.kind = OP_CLIP, .a = low, .b = low + extent}, room);
    return 0;
}

/* The curve of a channel that makes all levels equally frequent; as ImageOps.equalize of Pillow. */
static void equalizing(const int32_t *counts, float *knots)
{
    int64_t total = 0, last = 0, sum;
    int levels = 0;
    for (int v = 0; v < LEVELS; v++)
        if (counts[v])
            total += counts[v], last = counts[v], levels++;
    const int64_t step = (total - last) / 255;
    sum = step / 2;
    for (int v = 0; v < LEVELS; v++) {
        const int64_t level = levels < 2 || !step ? v : sum / step < 255 ? sum / step : 255;
        knots[v] = (float)level / 255;
        sum += counts[v];
    }
}

static int equalized(Chain *c, const Step *s, Levels *levels, Room *room)
{
    const int channels = c->r->channels;
    float *knots = room->curves;
    int32_t *bins = malloc((size_t)channels * LEVELS * sizeof *bins);
    if (!bins)
        return 1;
    room->curves += channels * LEVELS;
    if (levels) {
        fill_levels(c, levels);
        memset(bins, 0, (size_t)channels * LEVELS * sizeof *bins);
        for (int k = 0; k < channels; k++)
            for (int v = 0; v < LEVELS; v++)
                if (is_counted(c, levels, k, v)) {
                    const float value = levels->table[k * LEVELS + v];
                    const float bin = floorf((value - s->own[0]) / s->own[1] * 255 + 0.5f);
                    bins[k * LEVELS + (bin > 0 ? bin < 255 ? (int)bin : 255 : 0)] +=
                        levels->counts[k * LEVELS + v];
                }
    } else {
        count_bins(c, s->own[0], s->own[1], bins);
    }
    for (int k = 0; k < channels; k++)
        equalizing(bins + k * LEVELS, knots + k * LEVELS);
    free(bins);
    add(c, (Step){.kind = CURVES, .a = s->own[0], .b = s->own[1], .own = knots}, room);
    return 0;
}

/* The range of every channel, where it is asked for. */
static void locally(Chain *c, Step s, Room *room)
{
    const int channels = c->r->channels;
    if (s.own[2] != 0) {
        Measured m[MAX_CHANNELS];
        measure(c, 0, 0, 0, m);
        s.tiles = room->curves;
        for (int k = 0; k < channels; k++)
            s.tiles[k] = m[k].low, s.tiles[channels + k] = m[k].high - m[k].low;
    }
    room->curves += 2 * channels;
    add(c, s, room);
}

/* The curve of a tile, the level of each level: as CLAHE of OpenCV. */
static void limited(int32_t *counts, float limit, uint8_t *levels)
{
    int64_t total = 0, excess = 0;
    for (int v = 0; v < LEVELS; v++)
        total += counts[v];
    if (!total) {
        for (int v = 0; v < LEVELS; v++)
            levels[v] = (uint8_t)v;
        return;
    }
    const double wanted = floor((double)limit * (double)total / LEVELS);
    const int64_t most = limit > 0 ? wanted > 1 ? wanted < (double)total ? (int64_t)wanted : total : 1 : total;
    const int32_t highest = (int32_t)most;
    for (int v = 0; v < LEVELS; v++) {
        excess += counts[v] > highest ? counts[v] - highest : 0;
        counts[v] = counts[v] > highest ? highest : counts[v];
    }
    const int64_t rest = excess % LEVELS, apart = rest ? LEVELS / rest > 1 ? LEVELS / rest : 1 : 0;
    for (int64_t k = 0; k < rest && k * apart < LEVELS; k++)
        counts[k * apart]++;
    const int32_t each = (int32_t)(excess / LEVELS);
    for (int32_t v = 0, sum = 0; v < LEVELS; v++)
        counts[v] = sum += counts[v] + each;
    const float scale = 255.0f / (float)total;
    for (int v = 0; v < LEVELS; v++) {
        const float level = floorf((float)counts[v] * scale + 0.5f);
        levels[v] = (uint8_t)(int32_t)(level < 255 ? level : 255);
    }
}

/* Counts of the bytes of one channel in a box; four of each, so that neighbours of one level need not
 * wait for one another. */
static void count_bytes(const uint8_t *in, int64_t row_bytes, int64_t rows, int64_t columns, int stride,
                        int32_t *counts)
{
    int32_t some[4][LEVELS] = {{0}};
    for (int64_t y = 0; y < rows; y++) {
        const uint8_t *p = in + y * row_bytes;
        int64_t x = 0;
        for (; x + 4 <= columns; x += 4, p += 4 * stride) {
            some[0][p[0]]++;
            some[1][p[stride]]++;
            some[2][p[2 * stride]]++;
            some[3][p[3 * stride]]++;
        }
        for (; x < columns; x++, p += stride)
            some[0][*p]++;
    }
    for (int v = 0; v < LEVELS; v++)
        counts[v] = some[0][v] + some[1][v] + some[2][v] + some[3][v];
}

/* The first pixel of a tile. */
INLINE int64_t edge_of(int64_t tile, int64_t size, int64_t tiles) { return (tile * size + tiles - 1) / tiles; }

/* The levels of all tiles of bytes that nothing has changed: (rows, columns, channels, LEVELS). */
static void levels_of_bytes(const Chain *c, const Step *s, uint8_t *levels)
{
    const int rows = tiles_along(s->own[2]), columns = tiles_along(s->own[3]);
    const int64_t width = c->r->width, height = c->r->pixels / width;
    int32_t counts[LEVELS];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            const int64_t top = edge_of(i, height, rows), left = edge_of(j, width, columns);
            const int64_t some = edge_of(i + 1, height, rows) - top, across = edge_of(j + 1, width, columns) - left;
            for (int k = 0; k < c->channels; k++, levels += LEVELS) {
                const uint8_t *in = (const uint8_t *)c->in + (top * width + left) * c->stride + k;
                count_bytes(in, width * c->stride, some, across, c->stride, counts);
                if (c->r->marks == MARK_NUMBER && c->r->invalid >= 0 && c->r->invalid < LEVELS)
                    counts[(int)c->r->invalid] = 0;
                limited(counts, s->own[4], levels);
            }
        }
}

/* See `bytes_by_tiles`. Not 0 where memory is missing. */
static int prepare_bytes_by_tiles(Chain *c, Step s, Room *room)
{
    const int rows = tiles_along(s.own[2]), columns = tiles_along(s.own[3]), channels = c->channels;
    const int64_t width = c->r->width, of_tile = (int64_t)channels * LEVELS;
    const int64_t apart = (width * channels + WIDE + 15) & ~15;
    uint8_t *levels = malloc((size_t)(tiles_of(s.own) * of_tile));
    if (!levels)
        return 1;
    levels_of_bytes(c, &s, levels);
    int32_t *begins = (int32_t *)room->curves;
    float *shares = room->curves + apart;
    uint32_t *words = (uint32_t *)(room->curves + 2 * apart);
    memset(begins, 0, (size_t)(2 * apart) * sizeof *begins);
    for (int64_t x = 0; x < width; x++) {
        const float at = ((float)x + 0.5f) / (float)width * (float)columns - 0.5f, left = floorf(at);
        for (int k = 0; k < channels; k++) {
            begins[x * channels + k] = (((int)left + 1) * channels + k) * LEVELS;
            shares[x * channels + k] = at - left;
        }
    }
    for (int i = 0; i <= rows; i++)
        for (int j = 0; j <= columns; j++, words += of_tile) {
            const int64_t above = (i ? i - 1 : 0) * columns, below = (i < rows ? i : rows - 1) * columns;
            const int left = j ? j - 1 : 0, right = j < columns ? j : columns - 1;
            const uint8_t *p = levels + (above + left) * of_tile, *q = levels + (above + right) * of_tile;
            const uint8_t *u = levels + (below + left) * of_tile, *w = levels + (below + right) * of_tile;
            for (int64_t v = 0; v < of_tile; v++)
                words[v] = p[v] | (uint32_t)q[v] << 8 | (uint32_t)u[v] << 16 | (uint32_t)w[v] << 24;
        }
    free(levels);
    s.kind = BYTES_BY_TILES, s.tiles = room->curves;
    room->curves += room_for_tiles(c->r, s.own);
    add(c, s, room);
    return 0;
}

static int by_tiles(Chain *c, Step s, Room *room)
{
    const int rows = tiles_along(s.own[2]), columns = tiles_along(s.own[3]);
    const int channels = c->channels, piece = per_piece(c);
    const int64_t tiles = tiles_of(s.own);
    _Alignas(64) float v[PIECE], given[PIECE];
    if (c->r->in_type == U8 && !c->held && !c->table && !c->n && s.a == 0 && s.b == 255)
        return prepare_bytes_by_tiles(c, s, room);
    int32_t *counts = calloc((size_t)(tiles * channels * LEVELS), sizeof *counts);
    if (!counts)
        return 1;
    const int64_t width = c->r->width, height = c->r->pixels / width;
    int64_t row = 0, column = 0;
    for (int64_t first = 0; first < c->values; first += piece) {
        const int n = c->values - first < piece ? (int)(c->values - first) : piece;
        int32_t level[PIECE];
        begin(c, first, n, v, given);
        run(c, first, n, v, given);
        for (int i = 0; i < n; i++) {
            const float bin = floorf((v[i] - s.a) / s.b * 255 + 0.5f);
            level[i] = bin > 0 ? bin < 255 ? (int)bin : 255 : 0;
        }
        for (int i = 0; i < n;) {
            const int64_t across = column * columns / width;
            /* Up to the end of the tile, of the row or of the piece. */
            const int64_t edge = (across + 1) * width + columns - 1, end = edge / columns;
            const int64_t left = (n - i) / channels, some = end - column < left ? end - column : left;
            int32_t *of_tile = counts + (row * rows / height * columns + across) * channels * LEVELS;
            const int until = i + (int)some * channels, all = c->r->marks == MARK_NOTHING;
            for (int k = 0; i < until; i++) {
                of_tile[k * LEVELS + level[i]] += all || is_valid(c->r, given[i]);
                k = k + 1 == channels ? 0 : k + 1;
            }
            column += some;
            if (column == width)
                column = 0, row++;
        }
    }
    for (int64_t k = 0; k < tiles * channels; k++) {
        uint8_t levels[LEVELS];
        limited(counts + k * LEVELS, s.own[4], levels);
        for (int v = 0; v < LEVELS; v++)
            room->curves[k * LEVELS + v] = (float)levels[v] / 255;
    }
    free(counts);
    s.tiles = room->curves;
    room->curves += room_for_tiles(c->r, s.own);
    add(c, s, room);
    return 0;
}

INLINE int measures(int kind)
{
    return kind == OP_SCALE_ABOUT_MEAN || kind == OP_SCALE_ABOUT_MEANS || kind == OP_SCALE_ABOUT_GREY_MEAN ||
           kind == OP_POWER_LAW_BY_CHANNEL || kind == OP_NORMALIZE_RECORD || kind == OP_EQUALIZE;
}

/* Add what a step stands for, now that all before it are known. Not 0 where memory is missing. */
static int settle(Chain *c, Step s, Levels *levels, Room *room)
{
    if (!levels && measures(s.kind) && hold_if_costly(c))
        return 1;
    switch (s.kind) {
    case OP_SCALE_ABOUT_MEANS: about_means(c, &s, levels, room); return 0;
    case OP_SCALE_ABOUT_GREY_MEAN: about_grey_mean(c, &s, levels, room); return 0;
    case OP_POWER_LAW_BY_CHANNEL: return to_powers_of(c, &s, levels, room);
    case OP_NORMALIZE_RECORD: return normalized(c, &s, levels, room);
    case OP_EQUALIZE: return equalized(c, &s, levels, room);
    case OP_LOCAL: locally(c, s, room); return 0;
    case OP_CLAHE: return by_tiles(c, s, room);
    case OP_GAUSSIAN_MEAN: return to_bells(c, s.own + 1, 0, s.own[0]);
    case OP_UNSHARP_MASK: return to_bells(c, s.own, s.own + c->channels, 0);
    case OP_SEGMENT_MEAN: return to_segment_mean(c, s.own);
    case OP_LOWER_RESOLUTION: return to_lower_resolution(c, s.own);
    case OP_MEDIAN: return to_medians(c, s.own[0]);
    case OP_AWAY_FROM_SMOOTH: return away_from_smooth(c, s.own[0]);
    case OP_SCALE_ABOUT_MEAN: {
        const int line = c->n == 0 || (c->n == 1 && c->steps[0].kind == OP_SCALE_SHIFT);
        float mean;
        if (levels && line && c->r->marks == MARK_NOTHING) {
            mean = mean_on_a_line(c);
        } else if (levels) {
            fill_levels(c, levels);
            mean = mean_of_levels(c, levels->counts, levels->table);
        } else {
            mean = mean_of(c);
        }
        s = (Step){.kind = OP_SCALE_SHIFT, .a = mean, .b = s.a, .c = mean};
    }
    }
    add(c, s, room);
    return 0;
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
        run(c, 0, n, v, 0);
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
    look_up_levels(in, c->values, bytes, period, out);
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
        if (c->planar) {
            begin_planes(c, first, n / COLOURS, v);
            run_planes(c, first, n / COLOURS, v);
            hand_over_planes(c, out, first, n / COLOURS, v);
            continue;
        }
        begin(c, first, n, v, given);
        run(c, first, n, v, given);
        if (c->r->marks != MARK_NOTHING)
            for (int i = 0; i < n; i += WIDE) {
                const fv was = load_fv(given + i);
                store_fv(v + i, choose(valid(c->r, was), off_the_mark(c->r, load_fv(v + i)), was));
            }
        hand_over(c, out, first, n, v);
    }
}

/* Whether the steps before the first one that needs whole pixels take less time by planes than to count
 * levels and to look them up. */
static int are_quick(const Step *wanted, int n)
{
    int quick = 1;
    for (int k = 0; k < n && !needs_pixels(wanted[k].kind); k++)
        quick &= wanted[k].kind != OP_POWER_LAW && wanted[k].kind != OP_POWER_LAW_BY_CHANNEL &&
                 wanted[k].kind != OP_CURVE && wanted[k].kind != OP_EQUALIZE;
    return quick;
}

/* Whether a step is what it says, whatever comes before it. */
INLINE int is_settled(int kind)
{
    return !measures(kind) && kind != OP_LOCAL && kind != OP_CLAHE && kind != OP_GAUSSIAN_MEAN &&
           kind != OP_UNSHARP_MASK && kind != OP_SEGMENT_MEAN && kind != OP_LOWER_RESOLUTION &&
           kind != OP_MEDIAN && kind != OP_AWAY_FROM_SMOOTH;
}

/* Where the last step that looks further than one pixel is a bell, its rows and all that comes behind go to their
 * place at once. Returns 0 where they cannot, 1 where they are there, and -1 where memory is missing. */
static int finish_by_rows(Chain *c, const Step *wanted, int n, Room *room, char *out)
{
    const int blurs = wanted->kind == OP_GAUSSIAN_MEAN, masks = wanted->kind == OP_UNSHARP_MASK;
    const float *sigmas = blurs ? wanted->own + 1 : wanted->own;
    float weights[MOST_REACH + 1];
    if (!(blurs || masks) || !goes_by_rows(c, sigmas))
        return 0;
    for (int k = 1; k < n; k++)
        if (!is_settled(wanted[k].kind))
            return 0;
    Chain behind = *c;
    behind.held = 0, behind.table = 0, behind.steps = c->steps + c->n, behind.n = 0;
    for (int k = 1; k < n; k++)
        settle(&behind, wanted[k], 0, room);
    const Weights w = {.reach = bell_of(sigmas[0], blurs ? wanted->own[0] : 0, weights), .weights = weights};
    return mean_by_rows(c, &behind, &w, masks ? wanted->own + c->channels : 0, out) ? -1 : 1;
}

/* The steps are settled one after the other. Of bytes, a table takes in all that are before the
 * first one that it cannot. Not 0 where memory is missing. */
static int run_steps(Chain *c, const Step *wanted, int n, Room *room, char *out)
{
    const PointwiseProgram *r = c->r;
    float table[MOST_PERIOD_OF_LEVELS * LEVELS];
    int32_t counts[MOST_PERIOD_OF_LEVELS * LEVELS];
    int k = 0;
    if (r->in_type == U8 && c->stride == c->channels && c->period <= MOST_PERIOD_OF_LEVELS &&
        c->values >= FEWEST_BY_LEVELS && n && !needs_pixels(wanted[0].kind) &&
        !(c->planar && are_quick(wanted, n))) {
        Levels levels = {counts, table, 0};
        for (; k < n && !needs_pixels(wanted[k].kind); k++)
            if (settle(c, wanted[k], &levels, room))
                return 1;
        table_of(c, table);
        c->table = table, c->n = 0;
        if (k == n && r->out_type == U8) {
            look_up_bytes(c, (uint8_t *)out);
            return 0;
        }
    }
    for (; k < n; k++) {
        const int finished = finish_by_rows(c, wanted + k, n - k, room, out);
        if (finished)
            return finished < 0;
        if (settle(c, wanted[k], 0, room))
            return 1;
    }
    run_over_pixels(c, out);
    return 0;
}

/* Not 0 where memory is missing. */
int JOIN(multiaug_pointwise_one_, LEVEL)(const PointwiseProgram *r, int64_t record)
{
    Needs needs;
    const int n = read_steps(r, record, 0, &needs);
    if (!n && r->in_type == r->out_type)
        return 0;
    /* As much as this record needs: of what a container did not choose there is nothing here. */
    const int few = needs.tiles <= TILES_ON_STACK;
    _Alignas(64) float tiles[few && needs.tiles ? needs.tiles : 1][3 * PIECE];
    Step wanted[n ? n : 1], steps[n ? 2 * n : 1];
    const size_t floats = (few ? 0 : (size_t)needs.tiles * 3 * PIECE) +
                          (size_t)needs.curves;
    float *more = floats ? malloc(floats * sizeof *more) : 0;
    if (floats && !more)
        return 1;
    Room room = {few ? tiles : (float (*)[3 * PIECE])more, 0,
                 few ? more : more + (size_t)needs.tiles * 3 * PIECE};
    read_steps(r, record, wanted, &needs);
    const int apart = r->stride != r->channels || needs.channels;
    Chain c = {.r = r,
               .steps = steps,
               .in = r->in + record * r->in_bytes,
               .values = r->pixels * r->channels,
               .channels = apart ? r->channels : 1,
               .stride = apart ? r->stride : 1};
    c.period = c.channels;
    c.planar = needs.colours && c.channels == COLOURS && r->marks == MARK_NOTHING;
    const int failed = run_steps(&c, wanted, n, &room, r->out + record * r->out_bytes);
    free(c.held);
    free(more);
    return failed;
}

void JOIN(multiaug_pointwise_, LEVEL)(const PointwiseProgram *r)
{
    for (int64_t record = 0; record < r->n_records; record++)
        JOIN(multiaug_pointwise_one_, LEVEL)(r, record);
}
