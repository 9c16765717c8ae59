/* Vectors of which only some numbers are read and written: with AVX-512, a mask leaves no rest.
 *
 * some16_u8(p, n) are the first n of sixteen numbers at p as floats, put16_u8(p, v, n) rounds and
 * writes them; so for eight, and for the other element types. */
#ifndef MULTIAUG_MASKED_H
#define MULTIAUG_MASKED_H

#include "simd.h"

#ifdef __AVX512F__
INLINE uint32_t first(int n) { return (1u << n) - 1; }

INLINE fv some16_u8(const uint8_t *p, int n)
{
    return (fv)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(n), p)));
}
INLINE f8 some8_u8(const uint8_t *p, int n)
{
    return (f8)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(n), p)));
}
INLINE void put16_u8(uint8_t *p, fv v, int n)
{
    const __m512i whole = _mm512_cvttps_epi32((__m512)(v + BELOW_HALF));
    _mm_mask_storeu_epi8(p, first(n), _mm512_cvtepi32_epi8(whole));
}
INLINE void put_some8_u8(uint8_t *p, f8 v, int n)
{
    const __m256i whole = _mm256_cvttps_epi32((__m256)(v + BELOW_HALF));
    _mm_mask_storeu_epi8(p, first(n), _mm256_cvtepi32_epi8(whole));
}
INLINE fv some16_u16(const uint16_t *p, int n)
{
    return (fv)_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first(n), p)));
}
INLINE f8 some8_u16(const uint16_t *p, int n)
{
    return (f8)_mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_maskz_loadu_epi16(first(n), p)));
}
INLINE void put16_u16(uint16_t *p, fv v, int n)
{
    const __m512i whole = _mm512_cvttps_epi32((__m512)(v + BELOW_HALF));
    _mm256_mask_storeu_epi16(p, first(n), _mm512_cvtepi32_epi16(whole));
}
INLINE void put_some8_u16(uint16_t *p, f8 v, int n)
{
    const __m256i whole = _mm256_cvttps_epi32((__m256)(v + BELOW_HALF));
    _mm_mask_storeu_epi16(p, first(n), _mm256_cvtepi32_epi16(whole));
}
INLINE fv some16_f32(const float *p, int n) { return (fv)_mm512_maskz_loadu_ps(first(n), p); }
INLINE f8 some8_f32(const float *p, int n) { return (f8)_mm256_maskz_loadu_ps(first(n), p); }
INLINE void put16_f32(float *p, fv v, int n) { _mm512_mask_storeu_ps(p, first(n), (__m512)v); }
/* Without a mask: to write less than all of a vector's numbers takes a processor several steps. */
INLINE void put_whole_u8(uint8_t *p, fv v)
{
    const __m512i whole = _mm512_cvttps_epi32((__m512)(v + BELOW_HALF));
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(whole));
}
INLINE void put_whole_u16(uint16_t *p, fv v)
{
    const __m512i whole = _mm512_cvttps_epi32((__m512)(v + BELOW_HALF));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(whole));
}
INLINE void put_whole_f32(float *p, fv v) { _mm512_storeu_ps(p, (__m512)v); }
INLINE void stream_u8(uint8_t *p, fv v) { put16_u8(p, v, 16); }
INLINE void stream_u16(uint16_t *p, fv v) { put16_u16(p, v, 16); }
INLINE void stream_f32(float *p, fv v) { _mm512_stream_ps(p, (__m512)v); }
INLINE void put_some8_f32(float *p, f8 v, int n) { _mm256_mask_storeu_ps(p, first(n), (__m256)v); }
#endif

#ifdef __AVX2__
typedef uint16_t hv __attribute__((vector_size(2 * WIDE)));

/* A word of two numbers for each pixel: WIDE of the first, of the second; and the first n of WIDE
 * results. */
typedef uint16_t two_u8;
typedef uint32_t two_u16;
typedef uint64_t two_f32;
INLINE void deinterleave_u8(const two_u8 *p, fv v[2])
{
    hv words;
    memcpy(&words, p, sizeof words);
    const uv whole = __builtin_convertvector(words, uv);
    v[0] = __builtin_convertvector((iv)(whole & 255), fv);
    v[1] = __builtin_convertvector((iv)(whole >> 8), fv);
}
INLINE void deinterleave_u16(const two_u16 *p, fv v[2])
{
    const uv words = load_uv(p);
    v[0] = __builtin_convertvector((iv)(words & 65535), fv);
    v[1] = __builtin_convertvector((iv)(words >> 16), fv);
}
INLINE void deinterleave_f32(const two_f32 *p, fv v[2])
{
    uv half[2];
    load_deinterleaved(p, half);
    v[0] = (fv)half[0], v[1] = (fv)half[1];
}
#ifdef __AVX512F__
#define PUT_SOME(NAME, T)                                                                        \
    INLINE void put_some_##NAME(T *p, fv v, int n)                                               \
    {                                                                                            \
        if (n >= 16)                                                                             \
            put_whole_##NAME(p, v);                                                              \
        else                                                                                     \
            put16_##NAME(p, v, n);                                                               \
    }
#else
#define PUT_SOME(NAME, T)                                                                        \
    INLINE void put_some_##NAME(T *p, fv v, int n)                                               \
    {                                                                                            \
        T some[8];                                                                               \
        put8_##NAME(n < 8 ? some : p, v);                                                        \
        if (n < 8)                                                                               \
            memcpy(p, some, n * sizeof(T));                                                      \
    }
#endif
PUT_SOME(u8, uint8_t)
PUT_SOME(u16, uint16_t)
PUT_SOME(f32, float)
#endif

#endif
