/* Linear blends of red, green and blue bytes where a map keeps rows and columns apart and leaves out
 * pixels of the source: where a column is read is found once for all rows. */
#ifndef MULTIAUG_LINEAR_APART_H
#define MULTIAUG_LINEAR_APART_H

#include "nearest_apart.h"

/* Bytes behind a row, which wide loads may read: those of the next one, where it has as many pixels. */
enum { BEHIND = 16 };

/* Not where both sides keep their scale: whole rows are copied there. */
INLINE int is_blended_apart(const Group *g, const ChannelBand *l, int64_t record)
{
#ifdef __AVX2__
    const float *m = g->maps + 9 * record;
    return l->method == LINEAR && l->type == U8 && l->channels == 3 && l->stride == 3 && g->w_in >= BEHIND &&
           keeps_axes(g, record) && !is_apart(g, l, record) && (fabsf(m[0]) != 1 || fabsf(m[4]) != 1);
#else
    (void)g, (void)l, (void)record;
    return 0;
#endif
}

#ifdef __AVX2__
/* Where a row, or a column, is read: two neighbours, which of them are the fill, the share of the second. */
typedef struct {
    int32_t at[2];
    int out[2];
    float share;
} Pair;

/* A vector of columns: inside, and two pixels with their neighbours are within sixteen bytes; inside; all of
 * them the fill; or to be looked at one by one. */
enum { CLOSE, WITHIN, FILLED, SINGLY };
/* Sixteen bytes, or two pixels, each. */
enum { LANES = WIDE / 4 };

/* The columns of a vector. Of four pixels, two are in one vector and two in another one. */
typedef struct {
    uint8_t places[2][LANES][16]; /* of the eight bytes of each of two pixels, among sixteen */
    int32_t begins[2][LANES][2];  /* where those of each begin; of close ones, the sixteen at the first */
    float shares[WIDE];
    int kind;
} Block;

/* The columns of a result. */
typedef struct {
    Pair *pairs;
    Block *blocks;
    int64_t first, last; /* bytes of a row that are read */
} Columns;

/* What stands for rows of the source: themselves, but for the last one and the fill. */
typedef struct {
    const uint8_t *source;
    int64_t bytes; /* of a row */
    int32_t height;
    uint8_t *bottom, *fill;
} Lines;

INLINE const uint8_t *line_at(const Lines *s, const Pair *row, int t)
{
    if (row->out[t])
        return s->fill;
    return row->at[t] == s->height - 1 ? s->bottom : s->source + row->at[t] * s->bytes;
}

static int find_lines(const Group *g, const ChannelBand *l, int64_t record, Scratch *s, Lines *lines)
{
    const int64_t bytes = 3 * (int64_t)g->w_in, whole = bytes + BEHIND;
    uint8_t *memory = room(s, FILL_ROW, 2 * whole);
    if (!memory)
        return 0;
    *lines = (Lines){(const uint8_t *)l->in + row_of(l->rows, record) * l->in_bytes, bytes, g->h_in, memory,
                     memory + whole};
    memset(lines->bottom + bytes, 0, BEHIND);
    memset(lines->fill + bytes, 0, BEHIND);
    memcpy(lines->bottom, lines->source + (g->h_in - 1) * bytes, (size_t)bytes);
    repeat_pixel((char *)lines->fill, l->fill, g->w_in, 3, 3);
    return 1;
}

static Pair row_pair(const Group *g, const ChannelBand *l, int64_t record, int row)
{
    Chunk c;
    Pair found;
    positions(g, record, row, 0, 1, 0, &c);
    fold_axis(c.y[0], g->h_in, l->border, g->resized, found.at, found.out, &found.share);
    return found;
}

/* Of as many columns as a vector has numbers, of which the last ones may repeat others. */
static void find_block(const Pair *const *pairs, int width, Block *b)
{
    int inside = 1, filled = 1, close = 1;
    for (int i = 0; i < WIDE; i++) {
        const Pair *p = pairs[i];
        inside &= !p->out[0] && !p->out[1] && (p->share == 0 || p->at[1] == p->at[0] + 1);
        filled &= p->out[0] && p->out[1];
        /* On the last pixel, it is all of the second one. */
        const int at_end = p->at[0] == width - 1;
        b->begins[i / 2 % 2][i / 4][i % 2] = 3 * (p->at[0] - at_end);
        b->shares[i] = at_end ? 1 : p->share;
    }
    for (int half = 0; half < 2; half++)
        for (int lane = 0; lane < LANES; lane++) {
            int32_t *begin = b->begins[half][lane];
            const int32_t apart = begin[1] - begin[0], least = apart < 0 ? begin[1] : begin[0];
            close &= apart >= -10 && apart <= 10;
            for (int k = 0; k < 16; k++)
                b->places[half][lane][k] = (uint8_t)(begin[k / 8] - least + (k % 8 < 6 ? k % 8 : 0));
        }
    b->kind = filled ? FILLED : !inside ? SINGLY : close ? CLOSE : WITHIN;
    for (int i = 0; b->kind == CLOSE && i < 2 * LANES; i++) {
        int32_t *begin = b->begins[i % 2][i / 2];
        begin[0] = begin[1] < begin[0] ? begin[1] : begin[0];
    }
}

static int find_pairs(const Group *g, const ChannelBand *l, int64_t record, Scratch *s, Columns *found)
{
    const int n = g->w_out, blocks = (n + WIDE - 1) / WIDE;
    found->blocks = room(s, WEIGHTS_X, blocks * (int64_t)sizeof(Block));
    found->pairs = room(s, WEIGHTS_Y, n * (int64_t)sizeof(Pair));
    found->first = INT64_MAX, found->last = -1;
    Chunk c;
    if (s->failed)
        return 0;
    for (int first = 0; first < n; first += CHUNK) {
        const int some = n - first < CHUNK ? n - first : CHUNK;
        positions(g, record, 0, first, some, 0, &c);
        for (int i = first; i < first + some; i++) {
            Pair *p = found->pairs + i;
            fold_axis(c.x[i - first], g->w_in, l->border, g->resized, p->at, p->out, &p->share);
            for (int t = 0; t < 2 && !p->out[t]; t++) {
                found->first = 3 * p->at[t] < found->first ? 3 * p->at[t] : found->first;
                found->last = 3 * p->at[t] + 2 > found->last ? 3 * p->at[t] + 2 : found->last;
            }
        }
    }
    for (int k = 0; k < blocks; k++) {
        const Pair *pairs[WIDE];
        for (int i = 0; i < WIDE; i++)
            pairs[i] = found->pairs + (k * WIDE + i < n ? k * WIDE + i : n - 1);
        find_block(pairs, g->w_in, found->blocks + k);
    }
    return 1;
}

#ifdef __AVX512F__
typedef __m512i bytes;
#define BYTES(name) _mm512_##name
INLINE bytes joined(const __m128i v[LANES])
{
    const __m256i lower = _mm256_inserti128_si256(_mm256_castsi128_si256(v[0]), v[1], 1);
    const __m256i upper = _mm256_inserti128_si256(_mm256_castsi128_si256(v[2]), v[3], 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(lower), upper, 1);
}
INLINE bytes everywhere(__m128i v) { return _mm512_broadcast_i32x4(v); }
#else
typedef __m256i bytes;
#define BYTES(name) _mm256_##name
INLINE bytes joined(const __m128i v[LANES])
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(v[0]), v[1], 1);
}
INLINE bytes everywhere(__m128i v) { return _mm256_broadcastsi128_si256(v); }
#endif

/* Eight bytes for every pixel of half of a vector, of which the first six are its two neighbours. */
INLINE bytes neighbours(const Block *b, int half, const uint8_t *line)
{
    __m128i v[LANES];
    bytes places;
    for (int lane = 0; lane < LANES; lane++) {
        const int32_t *begin = b->begins[half][lane];
        if (b->kind == CLOSE) {
            v[lane] = _mm_loadu_si128((const __m128i *)(line + begin[0]));
            continue;
        }
        const __m128i one = _mm_loadl_epi64((const __m128i *)(line + begin[0]));
        v[lane] = _mm_unpacklo_epi64(one, _mm_loadl_epi64((const __m128i *)(line + begin[1])));
    }
    if (b->kind != CLOSE)
        return joined(v);
    memcpy(&places, b->places[half], sizeof places);
    return BYTES(shuffle_epi8)(joined(v), places);
}

/* A channel of the left neighbours of WIDE pixels, and of the right ones. */
INLINE void channel_at(const bytes v[2], int k, fv *left, fv *right)
{
    const char N = -1;
    const bytes pick = everywhere(_mm_setr_epi8(k, N, N, N, k + 8, N, N, N, k + 3, N, N, N, k + 11, N, N, N));
    const bytes a = BYTES(shuffle_epi8)(v[0], pick), b = BYTES(shuffle_epi8)(v[1], pick);
    *left = (fv)BYTES(cvtepi32_ps)(BYTES(unpacklo_epi64)(a, b));
    *right = (fv)BYTES(cvtepi32_ps)(BYTES(unpackhi_epi64)(a, b));
}

INLINE void block_apart(const Block *block, const uint8_t *upper, const uint8_t *lower, fv fy, int n, uint8_t *out)
{
    const bytes up[2] = {neighbours(block, 0, upper), neighbours(block, 1, upper)};
    const bytes down[2] = {neighbours(block, 0, lower), neighbours(block, 1, lower)};
    const fv fx = load_fv(block->shares);
    uv words = {0};
    for (int k = 0; k < 3; k++) {
        fv a, b, c, d;
        channel_at(up, k, &a, &b);
        channel_at(down, k, &c, &d);
        words |= (uv)whole_of(BLEND(a, b, c, d, fx, fy) + BELOW_HALF) << 8 * k;
    }
    put_rgb(out, words, n);
}

static void one_apart(const Pair *p, const uint8_t *upper, const uint8_t *lower, const uint8_t *fill, float fy,
                      uint8_t *out)
{
    for (int k = 0; k < 3; k++) {
        float v[4];
        for (int t = 0; t < 2; t++) {
            v[t] = p->out[t] ? fill[k] : upper[3 * p->at[t] + k];
            v[2 + t] = p->out[t] ? fill[k] : lower[3 * p->at[t] + k];
        }
        out[k] = one_u8(BLEND(v[0], v[1], v[2], v[3], p->share, fy));
    }
}

static void row_apart(const Columns *c, int n, const uint8_t *upper, const uint8_t *lower, const uint8_t *fill,
                      float fy, uint8_t *out)
{
    const uv beyond = (uv){0} + (fill[0] | (uint32_t)fill[1] << 8 | (uint32_t)fill[2] << 16);
    for (int i = 0; i < n; i += WIDE) {
        const Block *block = c->blocks + i / WIDE;
        if (block->kind <= WITHIN)
            block_apart(block, upper, lower, splat(fy), n - i, out + 3 * i);
        else if (block->kind == FILLED)
            put_rgb(out + 3 * i, beyond, n - i);
        else
            for (int q = i; q < i + WIDE && q < n; q++)
                one_apart(c->pairs + q, upper, lower, fill, fy, out + 3 * q);
    }
}
#endif

/* Rows from .. to of the result of a band. */
static void linear_rows_apart(const Group *g, const ChannelBand *l, int64_t record, int from, int to, Scratch *s)
{
#ifdef __AVX2__
    const int n = g->w_out;
    Columns columns;
    Lines lines;
    if (!find_pairs(g, l, record, s, &columns) || !find_lines(g, l, record, s, &lines))
        return;
    uint8_t *out = (uint8_t *)l->out + record * l->out_bytes + (int64_t)from * n * 3;
    for (int row = from; row < to; row++, out += 3 * (int64_t)n) {
        const Pair at = row_pair(g, l, record, row);
        if (row + ROWS_AHEAD < to) {
            const Pair ahead = row_pair(g, l, record, row + ROWS_AHEAD);
            for (int t = 0; t < 2; t++)
                fetch_bytes((const char *)lines.source + ahead.at[t] * lines.bytes, columns.first, columns.last);
        }
        if (at.out[0] && at.out[1])
            repeat_pixel((char *)out, l->fill, n, 3, 3);
        else
            row_apart(&columns, n, line_at(&lines, &at, 0), line_at(&lines, &at, 1), (const uint8_t *)l->fill,
                      at.share, out);
    }
#else
    (void)g, (void)l, (void)record, (void)from, (void)to, (void)s;
#endif
}

#endif
