/* Vectors of four and eight numbers, and their conversion from and to the element types. */
#ifndef MULTIAUG_VECTORS_H
#define MULTIAUG_VECTORS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#elif defined __SSE__
#include <xmmintrin.h>
#else
#include <fenv.h>
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define INLINE static inline __attribute__((always_inline))

typedef float f4 __attribute__((vector_size(16)));
typedef float f8 __attribute__((vector_size(32)));

INLINE float min(float a, float b) { return a < b ? a : b; }
INLINE float max(float a, float b) { return a > b ? a : b; }

INLINE f8 wide_f32(const float *p) { f8 v; memcpy(&v, p, sizeof v); return v; }
INLINE f4 half_f32(const float *p) { f4 v; memcpy(&v, p, sizeof v); return v; }
INLINE void put8_f32(float *p, f8 v) { memcpy(p, &v, sizeof v); }
INLINE void put4_f32(float *p, f4 v) { memcpy(p, &v, sizeof v); }
INLINE float one_f32(float v) { return v; }

/* ---- element types --------------------------------------------------------------------- */

/* Half up for what is not negative: the largest float below a half does not round the sum up. */
#define BELOW_HALF 0x1.fffffep-2f

#ifdef __AVX2__
INLINE f8 wide_u8(const uint8_t *p)
{
    return (f8)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
INLINE f4 half_u8(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return (f4)_mm_cvtepi32_ps(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(v)));
}
INLINE f8 wide_u16(const uint16_t *p)
{
    return (f8)_mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)));
}
INLINE f4 half_u16(const uint16_t *p)
{
    return (f4)_mm_cvtepi32_ps(_mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
INLINE __m128i words_of(f8 v)
{
    const __m256i whole = _mm256_cvttps_epi32((__m256)(v + BELOW_HALF));
    return _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
}
INLINE __m128i words_of_four(f4 v)
{
    const __m128i whole = _mm_cvttps_epi32((__m128)(v + BELOW_HALF));
    return _mm_packus_epi32(whole, whole);
}
INLINE void put8_u16(uint16_t *p, f8 v) { _mm_storeu_si128((__m128i *)p, words_of(v)); }
INLINE void put4_u16(uint16_t *p, f4 v) { _mm_storel_epi64((__m128i *)p, words_of_four(v)); }
INLINE void put8_u8(uint8_t *p, f8 v)
{
    const __m128i words = words_of(v);
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(words, words));
}
INLINE void put4_u8(uint8_t *p, f4 v)
{
    const __m128i words = words_of_four(v);
    const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    memcpy(p, &bytes, sizeof bytes);
}
#else
#define WHOLE_TYPE(T, NAME)                                                                      \
    INLINE f8 wide_##NAME(const T *p)                                                            \
    {                                                                                            \
        return (f8){p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]};                             \
    }                                                                                            \
    INLINE f4 half_##NAME(const T *p) { return (f4){p[0], p[1], p[2], p[3]}; }                   \
    INLINE void put8_##NAME(T *p, f8 v)                                                          \
    {                                                                                            \
        for (int k = 0; k < 8; k++)                                                              \
            p[k] = (T)(v[k] + BELOW_HALF);                                                       \
    }                                                                                            \
    INLINE void put4_##NAME(T *p, f4 v)                                                          \
    {                                                                                            \
        for (int k = 0; k < 4; k++)                                                              \
            p[k] = (T)(v[k] + BELOW_HALF);                                                       \
    }
WHOLE_TYPE(uint8_t, u8)
WHOLE_TYPE(uint16_t, u16)
#endif

INLINE uint8_t one_u8(float v) { return (uint8_t)(int32_t)(v + BELOW_HALF); }
INLINE uint16_t one_u16(float v) { return (uint16_t)(int32_t)(v + BELOW_HALF); }

#endif
