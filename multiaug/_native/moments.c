/* Sums, squares and extremes of the columns of integers, exact: see `statistics/moments/_moments_native.py`.
 *
 * Strips of columns go down all rows, so that what is summed stays in the cache; a few rows at a
 * time, so that it is not fetched for each of them. Bytes are summed as they are, from 0 to 255, and
 * what they are about is taken into account at the end. */
#include "moments.h"
#include "vectors.h"

/* Columns of a strip; rows whose sums of bytes 16 bits hold; rows before 32 bits are full. */
enum { STRIP = 1024, AT_ONCE = 4, ROWS = 4096 };

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

INLINE uint8_t smaller(uint8_t a, uint8_t b, uint8_t c)
{
    const uint8_t least = b < c ? b : c;
    return a < least ? a : least;
}
INLINE uint8_t larger(uint8_t a, uint8_t b, uint8_t c)
{
    const uint8_t most = b > c ? b : c;
    return a > most ? a : most;
}

/* Bytes two by two, as numbers of 16 bits, and numbers of 16 bits two by two. */
enum { BYTES = 32 };
typedef uint16_t twos __attribute__((vector_size(BYTES)));
typedef uint32_t fours __attribute__((vector_size(BYTES)));

/* Sums of columns 4 k + lane, and of their squares. */
typedef struct {
    fours sums[4][STRIP / BYTES], squares[4][STRIP / BYTES];
} Lanes;

INLINE void split(fours *even, fours *odd, twos v)
{
    *even += (fours)v & 0xffff;
    *odd += (fours)v >> 16;
}

/* Add four rows of whole vectors. Bytes are taken apart where they lie: that needs no shuffles. */
INLINE void add_four(Lanes *lanes, const uint8_t *const rows[4], int width, uint8_t flip)
{
    const twos flips = (twos){0} + (uint16_t)(flip * 257);
    for (int i = 0; i < width / BYTES; i++) {
        twos low = {0}, high = {0};
        fours squares[4] = {{0}};
        for (int k = 0; k < AT_ONCE; k++) {
            twos v;
            memcpy(&v, rows[k] + i * BYTES, sizeof v);
            v ^= flips;
            const twos even = v & 255, odd = v >> 8;
            low += even, high += odd;
            split(squares, squares + 2, even * even);
            split(squares + 1, squares + 3, odd * odd);
        }
        split(&lanes->sums[0][i], &lanes->sums[2][i], low);
        split(&lanes->sums[1][i], &lanes->sums[3][i], high);
        for (int lane = 0; lane < 4; lane++)
            lanes->squares[lane][i] += squares[lane];
    }
}

/* Add one strip of bytes; `flip` makes bytes from 0 to 255 of signed ones. */
INLINE void bytes(const Columns *t, const uint8_t *first, int64_t count, int64_t left, int width,
                  uint8_t flip, int marked)
{
    uint32_t sums[STRIP], squares[STRIP];
    uint16_t valid[STRIP];
    uint8_t low[STRIP], high[STRIP];
    const uint8_t mark = (uint8_t)((uint8_t)t->mark ^ flip);
    memset(sums, 0, sizeof sums), memset(squares, 0, sizeof squares);
    memset(valid, 0, sizeof valid);
    memset(low, 255, sizeof low), memset(high, 0, sizeof high);
    const int whole = width / BYTES * BYTES;
    Lanes lanes;
    if (!marked)
        memset(&lanes, 0, sizeof lanes);
    int64_t row = 0;
    if (!marked)
        for (; row + AT_ONCE <= count; row += AT_ONCE) {
            const uint8_t *restrict p = first + row * t->width, *restrict q = p + t->width;
            const uint8_t *restrict r = q + t->width, *restrict s = r + t->width;
            /* One thing in a loop: compilers make vectors of it. */
            for (int i = 0; i < width; i++)
                low[i] = smaller(smaller(low[i], p[i] ^ flip, q[i] ^ flip), r[i] ^ flip, s[i] ^ flip);
            for (int i = 0; i < width; i++)
                high[i] = larger(larger(high[i], p[i] ^ flip, q[i] ^ flip), r[i] ^ flip, s[i] ^ flip);
            add_four(&lanes, (const uint8_t *const[]){p, q, r, s}, whole, flip);
            for (int i = whole; i < width; i++) {
                const uint32_t a = p[i] ^ flip, b = q[i] ^ flip, c = r[i] ^ flip, d = s[i] ^ flip;
                sums[i] += a + b + c + d;
                squares[i] += a * a + b * b + c * c + d * d;
            }
        }
    for (; row < count; row++) {
        const uint8_t *restrict p = first + row * t->width;
        for (int i = 0; i < width; i++) {
            const uint8_t v = p[i] ^ flip, counts = marked ? (v == mark ? 0 : 255) : 255;
            const uint8_t from = v | (uint8_t)~counts, to = v & counts;
            low[i] = low[i] < from ? low[i] : from;
            high[i] = high[i] > to ? high[i] : to;
            sums[i] += to;
            squares[i] += (uint16_t)(to * to);
            valid[i] += counts & 1;
        }
    }
    uint32_t more[8][STRIP / 4];
    if (!marked)
        memcpy(more, &lanes, sizeof more);
    uint8_t *lows = (uint8_t *)t->low + left, *highs = (uint8_t *)t->high + left;
    for (int i = 0; i < width; i++) {
        if (!marked && i < whole) {
            sums[i] += more[i % 4][i / 4];
            squares[i] += more[4 + i % 4][i / 4];
        }
        const int64_t n = marked ? valid[i] : count, from = t->shift + (flip ? 128 : 0);
        t->valid[left + i] += n;
        t->sums[left + i] += (int64_t)sums[i] - from * n;
        t->squares[left + i] += (int64_t)squares[i] - 2 * from * (int64_t)sums[i] + from * from * n;
        /* Compared as bytes from 0 to 255, stored as they came. */
        const uint8_t a = lows[i] ^ flip, b = highs[i] ^ flip;
        lows[i] = (n && low[i] < a ? low[i] : a) ^ flip;
        highs[i] = (n && high[i] > b ? high[i] : b) ^ flip;
    }
}

/* Add one strip of integers of 16 bits. */
#define WORDS(T)                                                                                 \
    INLINE void words_##T(const Columns *t, const T *first, int64_t count, int64_t left,         \
                          int width, int marked)                                                 \
    {                                                                                            \
        int32_t sums[STRIP];                                                                     \
        uint64_t squares[STRIP];                                                                 \
        int32_t valid[STRIP];                                                                    \
        T *restrict low = (T *)t->low + left, *restrict high = (T *)t->high + left;                                \
        const T mark = (T)t->mark;                                                               \
        memset(sums, 0, sizeof sums), memset(squares, 0, sizeof squares);                        \
        memset(valid, 0, sizeof valid);                                                          \
        for (int64_t row = 0; row < count; row++) {                                              \
            const T *restrict p = first + row * t->width;                                                 \
            for (int i = 0; i < width; i++) {                                                    \
                const int counts = !marked || p[i] != mark;                                      \
                const int32_t v = counts ? p[i] - t->shift : 0;                                  \
                low[i] = counts && p[i] < low[i] ? p[i] : low[i];                                \
                high[i] = counts && p[i] > high[i] ? p[i] : high[i];                             \
                sums[i] += v;                                                                    \
                squares[i] += (uint32_t)((uint32_t)v * (uint32_t)v);                             \
                valid[i] += counts;                                                              \
            }                                                                                    \
        }                                                                                        \
        for (int i = 0; i < width; i++) {                                                        \
            t->valid[left + i] += valid[i];                                                      \
            t->sums[left + i] += sums[i];                                                        \
            t->squares[left + i] += (int64_t)squares[i];                                         \
        }                                                                                        \
    }
WORDS(uint16_t)
WORDS(int16_t)
#undef WORDS

INLINE void strip(const Columns *t, int64_t row, int64_t count, int64_t left, int width, int marked)
{
    const int64_t at = row * t->width + left;
    switch (t->type) {
    case COLUMN_U8: bytes(t, (const uint8_t *)t->rows + at, count, left, width, 0, marked); break;
    case COLUMN_I8: bytes(t, (const uint8_t *)t->rows + at, count, left, width, 128, marked); break;
    case COLUMN_U16: words_uint16_t(t, (const uint16_t *)t->rows + at, count, left, width, marked); break;
    default: words_int16_t(t, (const int16_t *)t->rows + at, count, left, width, marked);
    }
}

void JOIN(multiaug_moments_, LEVEL)(const Columns *t)
{
    for (int64_t row = 0; row < t->count; row += ROWS)
        for (int64_t left = 0; left < t->width; left += STRIP) {
            const int64_t count = least(t->count - row, ROWS);
            const int width = (int)least(t->width - left, STRIP);
            if (t->has_mark)
                strip(t, row, count, left, width, 1);
            else
                strip(t, row, count, left, width, 0);
        }
}
