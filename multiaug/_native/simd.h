/* The widest vectors of an instruction set, and what may be asked of their numbers one by one.
 *
 * With AVX-512 they hold sixteen numbers, and an answer is a bit per number; otherwise eight or four,
 * and an answer is a number with all bits set, or none. Code written with them is the same at every
 * level, and so are its results: no operation here mixes the numbers of a vector. */
#ifndef MULTIAUG_SIMD_H
#define MULTIAUG_SIMD_H

#include "vectors.h"

#ifdef __AVX512F__
enum { WIDE = 16 };
typedef float fv __attribute__((vector_size(64)));
typedef int32_t iv __attribute__((vector_size(64)));
typedef uint32_t uv __attribute__((vector_size(64)));
typedef uint16_t mask;
#else
#ifdef __AVX2__
enum { WIDE = 8 };
#else
/* Of longer ones than a machine has, compilers make single numbers where they are compared. */
enum { WIDE = 4 };
#endif
typedef float fv __attribute__((vector_size(4 * WIDE)));
typedef int32_t iv __attribute__((vector_size(4 * WIDE)));
typedef uint32_t uv __attribute__((vector_size(4 * WIDE)));
typedef iv mask;
#endif

/* Vectors of an array that begins where a line of the cache does lie in one line each. */
#define ALIGNED __attribute__((aligned(64)))

INLINE fv load_fv(const float *p) { fv v; memcpy(&v, p, sizeof v); return v; }
INLINE iv load_iv(const int32_t *p) { iv v; memcpy(&v, p, sizeof v); return v; }
INLINE uv load_uv(const uint32_t *p) { uv v; memcpy(&v, p, sizeof v); return v; }
INLINE void store_fv(float *p, fv v) { memcpy(p, &v, sizeof v); }
INLINE void store_iv(int32_t *p, iv v) { memcpy(p, &v, sizeof v); }

/* The same number everywhere; with + a negative zero would lose its sign. */
INLINE fv splat(float x) { return x - (fv){0}; }

INLINE fv absolute(fv v) { return (fv)((iv)v & 0x7fffffff); }

/* 0, 1, 2 and so on. */
INLINE iv steps(void)
{
    iv v;
    for (int k = 0; k < WIDE; k++)
        v[k] = k;
    return v;
}

#ifdef __AVX512F__
#define COMPARED(a, b, how) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), how)
INLINE mask less(fv a, fv b) { return COMPARED(a, b, _CMP_LT_OQ); }
INLINE mask at_most(fv a, fv b) { return COMPARED(a, b, _CMP_LE_OQ); }
INLINE mask equal(fv a, fv b) { return COMPARED(a, b, _CMP_EQ_OQ); }
INLINE mask not_equal(fv a, fv b) { return COMPARED(a, b, _CMP_NEQ_UQ); }
INLINE mask ordered(fv a, fv b) { return COMPARED(a, b, _CMP_ORD_Q); }
INLINE mask less_iv(iv a, iv b) { return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b); }
INLINE mask at_most_uv(uv a, uv b) { return _mm512_cmple_epu32_mask((__m512i)a, (__m512i)b); }
INLINE fv choose(mask m, fv a, fv b)
{
    return (fv)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a);
}
INLINE iv choose_iv(mask m, iv a, iv b)
{
    return (iv)_mm512_mask_blend_epi32(m, (__m512i)b, (__m512i)a);
}
/* sum + v where it is asked for, the same sum elsewhere. */
INLINE fv add_where(mask m, fv sum, fv v)
{
    return (fv)_mm512_mask_add_ps((__m512)sum, m, (__m512)sum, (__m512)v);
}
INLINE uint32_t bits_of(mask m) { return m; }
INLINE mask mask_of(int yes) { return yes ? 0xffff : 0; }
INLINE fv floor_of(fv v)
{
    return (fv)_mm512_roundscale_ps((__m512)v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
/* a unless b is larger, smaller; b if a is not a number. */
INLINE fv vmax(fv a, fv b) { return (fv)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE fv vmin(fv a, fv b) { return (fv)_mm512_min_ps((__m512)a, (__m512)b); }
#else
INLINE mask less(fv a, fv b) { return a < b; }
INLINE mask at_most(fv a, fv b) { return a <= b; }
INLINE mask equal(fv a, fv b) { return a == b; }
INLINE mask not_equal(fv a, fv b) { return a != b; }
INLINE mask ordered(fv a, fv b) { return (a == a) & (b == b); }
INLINE mask less_iv(iv a, iv b) { return a < b; }
/* Of b below 2^31; by signed comparisons, which all machines have. */
INLINE mask at_most_uv(uv a, uv b) { return ((iv)a > -1) & ~((iv)a > (iv)b); }
#ifdef __AVX2__
INLINE fv choose(mask m, fv a, fv b)
{
    return (fv)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m);
}
INLINE iv choose_iv(mask m, iv a, iv b) { return (iv)choose(m, (fv)a, (fv)b); }
#else
INLINE iv choose_iv(mask m, iv a, iv b) { return (a & m) | (b & ~m); }
INLINE fv choose(mask m, fv a, fv b) { return (fv)choose_iv(m, (iv)a, (iv)b); }
#endif
INLINE fv add_where(mask m, fv sum, fv v) { return choose(m, sum + v, sum); }
INLINE uint32_t bits_of(mask m)
{
#ifdef __AVX2__
    return _mm256_movemask_ps((__m256)m);
#else
    uint32_t bits = 0;
    for (int k = 0; k < WIDE; k++)
        bits |= (m[k] & 1u) << k;
    return bits;
#endif
}
INLINE mask mask_of(int yes) { return (mask){0} - yes; }
INLINE fv floor_of(fv v)
{
#ifdef __AVX2__
    return (fv)_mm256_floor_ps((__m256)v);
#else
    for (int k = 0; k < WIDE; k++)
        v[k] = floorf(v[k]);
    return v;
#endif
}
/* As the instructions have it, which compilers do not find by themselves. */
#ifdef __AVX2__
INLINE fv vmax(fv a, fv b) { return (fv)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE fv vmin(fv a, fv b) { return (fv)_mm256_min_ps((__m256)a, (__m256)b); }
#elif defined __SSE__
INLINE fv vmax(fv a, fv b) { return (fv)_mm_max_ps((__m128)a, (__m128)b); }
INLINE fv vmin(fv a, fv b) { return (fv)_mm_min_ps((__m128)a, (__m128)b); }
#else
INLINE fv vmax(fv a, fv b) { return choose(a > b, a, b); }
INLINE fv vmin(fv a, fv b) { return choose(a < b, a, b); }
#endif
#endif

INLINE int all_set(mask m) { return bits_of(m) == (1u << WIDE) - 1; }

#ifdef __AVX2__
/* ---- what a vector consists of: quarters of a zmm or halves of a ymm register ---------------- */

/* Three of four numbers. A mask only where another pixel follows: compilers join it to taking a
 * quarter of a vector, in an instruction that asks for the fourth number's page all the same. */
INLINE void put3(float *p, __m128 v, int followed)
{
#ifdef __AVX512F__
    if (followed) {
        _mm_mask_storeu_ps(p, 7, v);
        return;
    }
#endif
    (void)followed;
    _mm_storel_pi((__m64 *)p, v);
    _mm_store_ss(p + 2, _mm_movehl_ps(v, v));
}

INLINE __m128 four_at(const float *p) { return _mm_loadu_ps(p); }
INLINE __m256 halves(const float *p, int64_t at, int64_t next)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(four_at(p + at)), four_at(p + next), 1);
}

#ifdef __AVX512F__
#define BY_QUARTERS(name, how)                                                                   \
    INLINE fv name(fv a, fv b) { return (fv)_mm512_##how##_ps((__m512)a, (__m512)b); }
#define BY_PAIRS(name, how)                                                                      \
    INLINE fv name(fv a, fv b) { return (fv)_mm512_##how##_pd((__m512d)a, (__m512d)b); }
/* By halves: two of three insertions are then of half the width. */
INLINE fv quarters(const float *p, const int64_t at[4])
{
    const __m512 lower = _mm512_castps256_ps512(halves(p, at[0], at[1]));
    return (fv)_mm512_insertf32x8(lower, halves(p, at[2], at[3]), 1);
}
/* Each of four numbers four times. */
INLINE fv spread(const float *p)
{
    const __m512i each = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    return (fv)_mm512_permutexvar_ps(each, _mm512_castps128_ps512(four_at(p)));
}
INLINE __m128 quarter(fv v, int k)
{
    const __m256 half = k & 2 ? _mm512_extractf32x8_ps((__m512)v, 1) : _mm512_castps512_ps256((__m512)v);
    return k & 1 ? _mm256_extractf128_ps(half, 1) : _mm256_castps256_ps128(half);
}
#else
#define BY_QUARTERS(name, how)                                                                   \
    INLINE fv name(fv a, fv b) { return (fv)_mm256_##how##_ps((__m256)a, (__m256)b); }
#define BY_PAIRS(name, how)                                                                      \
    INLINE fv name(fv a, fv b) { return (fv)_mm256_##how##_pd((__m256d)a, (__m256d)b); }
INLINE fv quarters(const float *p, const int64_t at[2])
{
    return (fv)halves(p, at[0], at[1]);
}
INLINE fv spread(const float *p)
{
    const __m256i each = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    return (fv)_mm256_permutevar8x32_ps(_mm256_castps128_ps256(four_at(p)), each);
}
INLINE __m128 quarter(fv v, int k)
{
    return k ? _mm256_extractf128_ps((__m256)v, 1) : _mm256_castps256_ps128((__m256)v);
}
#endif

BY_QUARTERS(low_of, unpacklo)
BY_QUARTERS(high_of, unpackhi)
BY_PAIRS(low_pairs, unpacklo)
BY_PAIRS(high_pairs, unpackhi)

/* ---- numbers of WIDE pixels ---------------------------------------------------------------- */

#define THREE_OF_FOUR _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1)

#ifdef __AVX512F__
/* The lower and the upper halves of long words. */
INLINE void load_deinterleaved(const uint64_t *p, uv half[2])
{
    const __m512i v = _mm512_loadu_si512(p), w = _mm512_loadu_si512(p + 8);
    const __m512i lower = (__m512i)(2 * steps());
    half[0] = (uv)_mm512_permutex2var_epi32(v, lower, w);
    half[1] = (uv)_mm512_permutex2var_epi32(v, (__m512i)((iv)lower + 1), w);
}
INLINE iv whole_of(fv v) { return (iv)_mm512_cvttps_epi32((__m512)v); }
/* The lower three bytes of each word, of the first n. */
INLINE void put_rgb(uint8_t *p, uv words, int n)
{
    const __m512i packed = _mm512_shuffle_epi8((__m512i)words, _mm512_broadcast_i32x4(THREE_OF_FOUR));
    const __m512i joined = _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0), packed);
    const int bytes = n < WIDE ? 3 * n : 3 * WIDE;
    _mm512_mask_storeu_epi8(p, (1ull << bytes) - 1, joined);
}
#else
INLINE void load_deinterleaved(const uint64_t *p, uv half[2])
{
    const __m256 v = _mm256_loadu_ps((const float *)p), w = _mm256_loadu_ps((const float *)(p + 4));
    half[0] = (uv)_mm256_permute4x64_epi64((__m256i)_mm256_shuffle_ps(v, w, 0x88), 0xd8);
    half[1] = (uv)_mm256_permute4x64_epi64((__m256i)_mm256_shuffle_ps(v, w, 0xdd), 0xd8);
}
INLINE iv whole_of(fv v) { return (iv)_mm256_cvttps_epi32((__m256)v); }
INLINE void put_rgb(uint8_t *p, uv words, int n)
{
    const __m256i packed =
        _mm256_shuffle_epi8((__m256i)words, _mm256_broadcastsi128_si256(THREE_OF_FOUR));
    uint8_t last[28], *at = n < WIDE + 2 ? last : p;
    /* Four bytes of the next two pixels are written again by the next turn. */
    _mm_storeu_si128((__m128i *)at, _mm256_castsi256_si128(packed));
    _mm_storeu_si128((__m128i *)(at + 12), _mm256_extracti128_si256(packed, 1));
    if (at == last)
        memcpy(p, last, 3 * (n < WIDE ? n : WIDE));
}
#endif

/* Byte k of eight. */
INLINE fv byte_of(const uv half[2], int k)
{
    const uv moved = half[k / 4] >> 8 * (k % 4);
    return __builtin_convertvector((iv)(k % 4 == 3 ? moved : moved & 255), fv);
}
#endif

#endif
