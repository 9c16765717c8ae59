/* Tables of the 256 levels of bytes, of one channel or of several in turn. */
#ifndef MULTIAUG_TABLES_H
#define MULTIAUG_TABLES_H

#include "vectors.h"
#include "warp.h"

/* Of dispatch.c. */
int multiaug_permutes_bytes(void);

#ifdef __AVX512F__
/* Not a level of its own: few machines with AVX-512 lack the instructions, and nothing else needs them. */
#define WITH_PERMUTES __attribute__((target("avx512vbmi")))

/* Bytes of the channels that a vector has in some place among so many vectors. */
INLINE __mmask64 of_channel_in(int vector, int channel, int period)
{
    __mmask64 found = 0;
    for (int i = 0; i < 64; i++)
        found |= (__mmask64)((64 * vector + i) % period == channel) << i;
    return found;
}

/* Up to 64 bytes of which the first is that of channel `vector * 64 % period`. */
WITH_PERMUTES INLINE __m512i looked_up(const __m512i (*tables)[4], const __mmask64 *masks, int period, __m512i v)
{
    const __mmask64 upper = _mm512_movepi8_mask(v);
    __m512i found = _mm512_setzero_si512();
    for (int k = 0; k < period; k++) {
        const __m512i low = _mm512_permutex2var_epi8(tables[k][0], v, tables[k][1]);
        const __m512i high = _mm512_permutex2var_epi8(tables[k][2], v, tables[k][3]);
        found = _mm512_mask_mov_epi8(found, masks[k], _mm512_mask_blend_epi8(upper, low, high));
    }
    return found;
}

WITH_PERMUTES INLINE void look_all_up(const uint8_t *in, int64_t n, const uint8_t *table, int period, uint8_t *out)
{
    enum { MOST = 4 };
    __m512i tables[MOST][4];
    __mmask64 masks[MOST][MOST];
    for (int k = 0; k < period; k++)
        for (int j = 0; j < 4; j++)
            tables[k][j] = _mm512_loadu_si512(table + k * LEVELS + 64 * j);
    for (int j = 0; j < period; j++)
        for (int k = 0; k < period; k++)
            masks[j][k] = of_channel_in(j, k, period);
    int64_t i = 0;
    for (; i + 64 * period <= n; i += 64 * period)
        for (int j = 0; j < period; j++) {
            const __m512i v = _mm512_loadu_si512(in + i + 64 * j);
            _mm512_storeu_si512(out + i + 64 * j, looked_up(tables, masks[j], period, v));
        }
    for (int j = 0; i < n; i += 64, j++) {
        const __mmask64 there = n - i < 64 ? (1ull << (n - i)) - 1 : ~0ull;
        const __m512i v = _mm512_maskz_loadu_epi8(there, in + i);
        _mm512_mask_storeu_epi8(out + i, there, looked_up(tables, masks[j], period, v));
    }
}

WITH_PERMUTES static void look_up_by_permutes(const uint8_t *in, int64_t n, const uint8_t *table, int period,
                                              uint8_t *out)
{
    switch (period) {
    case 1: look_all_up(in, n, table, 1, out); break;
    case 2: look_all_up(in, n, table, 2, out); break;
    case 3: look_all_up(in, n, table, 3, out); break;
    case 4: look_all_up(in, n, table, 4, out); break;
    }
}
#endif

/* Bytes from n bytes of some channels in turn; `table` has LEVELS for each. */
static void look_up_levels(const uint8_t *in, int64_t n, const uint8_t *table, int period, uint8_t *out)
{
#ifdef __AVX512F__
    if (period <= 4 && multiaug_permutes_bytes()) {
        look_up_by_permutes(in, n, table, period, out);
        return;
    }
#endif
    if (period == 1) {
        for (int64_t i = 0; i < n; i++)
            out[i] = table[in[i]];
        return;
    }
    for (int64_t i = 0; i < n; i += period)
        for (int k = 0; k < period; k++)
            out[i + k] = table[in[i + k] + k * LEVELS];
}

#endif
