/* Linear blends of four taps. */
#ifndef MULTIAUG_BLEND_H
#define MULTIAUG_BLEND_H

#include "masked.h"
#include "positions.h"

#define LERP(a, b, f) ((a) + ((b) - (a)) * (f))
#define BLEND(a, b, c, d, fx, fy) LERP(LERP(a, b, fx), LERP(c, d, fx), fy)

#ifdef __AVX2__
/* Each tap is a word of three bytes and one that is not looked at; eight pixels are a vector. */
INLINE int rgb_u8(const uint8_t *in, int64_t W, const Chunk *c, int from, int to, uint8_t *out,
                  int64_t S)
{
    (void)S;
    uint32_t tap[4][CHUNK];
    const int n = to - from;
    for (int i = 0; i < n; i++) {
        const uint8_t *p = in + c->index[from + i] * 3;
        memcpy(tap[0] + i, p, 4);
        memcpy(tap[1] + i, p + 3, 4);
        memcpy(tap[2] + i, p + W, 4);
        memcpy(tap[3] + i, p + W + 3, 4);
    }
    const __m256i packed =
        _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2, 4, 5, 6,
                         8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    const __m256i byte = _mm256_set1_epi32(255);
    for (int i = 0; i < n; i += 8) {
        const f8 fx = wide_f32(c->fx + from + i), fy = wide_f32(c->fy + from + i);
        __m256i words = _mm256_setzero_si256();
        for (int k = 0; k < 3; k++) {
            f8 t[4];
            for (int q = 0; q < 4; q++) {
                const __m256i four = _mm256_loadu_si256((const __m256i *)(tap[q] + i));
                t[q] = (f8)_mm256_cvtepi32_ps(
                    _mm256_and_si256(_mm256_srli_epi32(four, 8 * k), byte));
            }
            const f8 mixed = BLEND(t[0], t[1], t[2], t[3], fx, fy) + BELOW_HALF;
            words = _mm256_or_si256(words,
                                    _mm256_slli_epi32(_mm256_cvttps_epi32((__m256)mixed), 8 * k));
        }
        words = _mm256_shuffle_epi8(words, packed);
        const __m128i lower = _mm256_castsi256_si128(words);
        const __m128i upper = _mm256_extracti128_si256(words, 1);
        uint8_t *at = out + 3 * (from + i);
        if (i + 10 <= n) {
            /* Four bytes of the next two pixels are written again by the next turn. */
            _mm_storeu_si128((__m128i *)at, lower);
            _mm_storeu_si128((__m128i *)(at + 12), upper);
        } else {
            uint8_t last[28];
            _mm_storeu_si128((__m128i *)last, lower);
            _mm_storeu_si128((__m128i *)(last + 12), upper);
            memcpy(at, last, 3 * (n - i));
        }
    }
    return to;
}

/* A pixel is a quarter of a vector, whose last number is not written. */
INLINE int rgb_f32(const float *in, int64_t W, const Chunk *c, int from, int to, float *out, int64_t S)
{
    for (int i = from; i < to; i += WIDE / 4) {
        const float *at[WIDE / 4];
        for (int q = 0; q < WIDE / 4; q++)
            at[q] = in + c->index[i + q] * S;
        const fv mixed = BLEND(quarters(at, 0), quarters(at, S), quarters(at, W),
                               quarters(at, W + S), spread(c->fx + i), spread(c->fy + i));
        for (int q = 0; q < WIDE / 4 && q < to - i; q++)
            put3(out + (i + q) * S, quarter(mixed, q));
    }
    return to;
}
#endif

#define T uint8_t
#define NAME(x) x##_u8
#ifdef __AVX2__
#define RGB
#endif
#include "linear.h"

#define T uint16_t
#define NAME(x) x##_u16
#include "linear.h"

#define T float
#define NAME(x) x##_f32
#ifdef __AVX2__
#define RGB
#endif
#include "linear.h"

#endif
