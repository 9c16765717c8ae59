/* The widest vectors of the instruction set, and functions of one number, the same bits on all. */
#ifndef MULTIAUG_WIDE_H
#define MULTIAUG_WIDE_H

#include "vectors.h"

/* Steps over so many numbers at a time lie in the first-level cache. */
enum { PIECE = 1024 };

#ifdef __AVX512F__
enum { WIDE = 16 };
typedef float fw __attribute__((vector_size(64)));
typedef int32_t iw __attribute__((vector_size(64)));
typedef uint32_t nw __attribute__((vector_size(64)));
typedef __mmask16 mw;
INLINE mw below(fw a, fw b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ); }
INLINE mw alike(fw a, fw b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ); }
INLINE mw neither(mw m) { return (mw)~m; }
INLINE fw pick(mw m, fw a, fw b) { return (fw)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a); }
INLINE int every(mw m) { return m == 0xffff; }
INLINE nw counters(void) { return (nw){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; }
INLINE fw fused(fw a, fw b, fw c)
{
    return (fw)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
INLINE fw root(fw v) { return (fw)_mm512_sqrt_ps((__m512)v); }
INLINE fw lesser(fw a, fw b) { return (fw)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE fw greater(fw a, fw b) { return (fw)_mm512_max_ps((__m512)a, (__m512)b); }
#else
enum { WIDE = 8 };
typedef f8 fw;
typedef i8 iw;
typedef uint32_t nw __attribute__((vector_size(32)));
typedef i8 mw;
INLINE mw below(fw a, fw b) { return a < b; }
INLINE mw alike(fw a, fw b) { return a == b; }
INLINE mw neither(mw m) { return ~m; }
INLINE fw pick(mw m, fw a, fw b) { return where8(m, a, b); }
INLINE int every(mw m) { return all8(m); }
INLINE nw counters(void) { return (nw){0, 1, 2, 3, 4, 5, 6, 7}; }
/* a * b + c, rounded once: on every machine the same bits. */
INLINE fw fused(fw a, fw b, fw c)
{
#ifdef __FMA__
    return (fw)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    for (int k = 0; k < 8; k++)
        a[k] = fmaf(a[k], b[k], c[k]);
    return a;
#endif
}
/* Of NaN and a number, the second. */
INLINE fw lesser(fw a, fw b) { return where8(a < b, a, b); }
INLINE fw greater(fw a, fw b) { return where8(a > b, a, b); }
INLINE fw root(fw v)
{
#ifdef __AVX2__
    return (fw)_mm256_sqrt_ps((__m256)v);
#else
    for (int k = 0; k < 8; k++)
        v[k] = sqrtf(v[k]);
    return v;
#endif
}
#endif

INLINE fw all_of(float v) { return (fw){0} + v; }
INLINE fw get(const float *p) { fw v; memcpy(&v, p, sizeof v); return v; }
INLINE void put(float *p, fw v) { memcpy(p, &v, sizeof v); }
INLINE fw magnitude(fw v) { return (fw)((iw)v & 0x7fffffff); }

/* ---- logarithm and power --------------------------------------------------------------- */

/* The polynomial of nine coefficients, highest power first: even and odd powers side by side, as
 * each step waits for the one before. */
INLINE fw series_of_nine(const float *c, fw x)
{
    const fw square = x * x;
    fw even = fused(all_of(c[0]), square, all_of(c[2]));
    fw odd = fused(all_of(c[1]), square, all_of(c[3]));
    even = fused(even, square, all_of(c[4]));
    odd = fused(odd, square, all_of(c[5]));
    even = fused(even, square, all_of(c[6]));
    odd = fused(odd, square, all_of(c[7]));
    even = fused(even, square, all_of(c[8]));
    return fused(odd, x, even);
}

INLINE fw series_of_six(const float *c, fw x)
{
    const fw square = x * x;
    fw even = fused(all_of(c[1]), square, all_of(c[3]));
    fw odd = fused(all_of(c[0]), square, all_of(c[2]));
    even = fused(even, square, all_of(c[5]));
    odd = fused(odd, square, all_of(c[4]));
    return fused(odd, x, even);
}

/* Natural logarithm of normal numbers, to one unit in the last place.
 * S. L. Moshier, Cephes Mathematical Library, logf. */
INLINE fw logarithm(fw x)
{
    static const float series[] = {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f,
                                   -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                                   2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f};
    /* x = 2^e (1 + m) with 1 + m within a factor sqrt(2) of 1: the bits of sqrt(1/2) are taken off,
     * so that the exponent counts from there. */
    const iw bits = (iw)x - 0x3f3504f3;
    const fw e = __builtin_convertvector(bits >> 23, fw);
    const fw m = (fw)((bits & 0x007fffff) + 0x3f3504f3) - 1;
    const fw square = m * m;
    fw sum = fused(e, all_of(-2.12194440e-4f), series_of_nine(series, m) * m * square);
    sum = fused(square, all_of(-0.5f), sum);
    return fused(e, all_of(0.693359375f), m + sum);
}

/* e^x, to two units in the last place, of x held within the powers that float32 has.
 * S. L. Moshier, Cephes Mathematical Library, expf. */
INLINE fw exponential(fw x)
{
    static const float series[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                   4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
    x = lesser(greater(x, all_of(-87.3f)), all_of(88.3f));
    /* Added to 1.5 * 2^23, a number is rounded to a whole one, which stands in the last bits. */
    const fw shifted = fused(x, all_of(1.44269504089f), all_of(12582912.0f));
    const fw whole = shifted - 12582912.0f;
    fw rest = fused(whole, all_of(-0.693359375f), x);
    rest = fused(whole, all_of(2.12194440e-4f), rest);
    const fw sum = fused(series_of_six(series, rest), rest * rest, rest) + 1;
    /* Times 2^whole: added to the exponent. */
    return (fw)((iw)sum + ((iw)shifted << 23));
}

/* |u|^exponent with the sign of u, of n numbers; in steps over all of them, as `normals`. */
INLINE void signed_powers(float exponent, int n, float *u)
{
    float w[PIECE];
    for (int i = 0; i < n; i += WIDE)
        put(w + i, logarithm(magnitude(get(u + i))));
    for (int i = 0; i < n; i += WIDE) {
        const fw v = get(u + i), size = magnitude(v);
        const fw powered = exponential(get(w + i) * exponent);
        const fw found = (fw)((iw)powered | ((iw)v & (int32_t)0x80000000));
        /* 0 stays, and so do infinity and NaN. */
        const mw usual = below(size, all_of(INFINITY)) & below(all_of(0x1p-126f), size);
        put(u + i, found);
        if (__builtin_expect(!every(usual), 0))
            put(u + i, pick(usual, found, pick(below(size, all_of(1)), (fw){0}, v)));
    }
}

/* ---- noise ----------------------------------------------------------------------------- */

INLINE nw mix(nw word)
{
    word = (word ^ (word >> 16)) * 0x7FEB352Du;
    word = (word ^ (word >> 15)) * 0x846CA68Bu;
    return word ^ (word >> 16);
}

/* Adds N(0, 1), times a scale, to n numbers; see `transforms/_random.normal`. In steps over all of
 * them: each is a chain of operations that wait for one another, and several must be under way. */
INLINE void add_normals(uint32_t first, const uint32_t *words, float scale, int n, float *out)
{
    static const float middle[] = {2.81022636e-08f, 3.43273939e-07f, -3.5233877e-06f,
                                   -4.39150654e-06f, 0.00021858087f, -0.00125372503f,
                                   -0.00417768164f, 0.246640727f, 1.50140941f};
    static const float tails[] = {-0.000200214257f, 0.000100950558f, 0.00134934322f,
                                  -0.00367342844f, 0.00573950773f, -0.0076224613f,
                                  0.00943887047f, 1.00167406f, 2.83297682f};
    float x[PIECE], w[PIECE];
    for (int i = 0; i < n; i += WIDE) {
        const nw count = first + (uint32_t)i + counters();
        const nw word = mix(mix(count * 0x9E3779B9u + words[0]) ^ words[1]);
        const fw steps = __builtin_convertvector((iw)(word >> 8), fw);
        put(x + i, (steps + 0.5f) * 0x1p-23f - 1);
    }
    for (int i = 0; i < n; i += WIDE) {
        const fw v = get(x + i);
        put(w + i, -logarithm((1 - v) * (1 + v)));
    }
    for (int i = 0; i < n; i += WIDE) {
        const fw v = get(w + i);
        const mw near = below(v, all_of(5));
        fw sum = series_of_nine(middle, v - 2.5f);
        if (__builtin_expect(!every(near), 0))
            sum = pick(near, sum, series_of_nine(tails, root(v) - 3));
        put(out + i, get(out + i) + 1.41421356237f * (sum * get(x + i)) * scale);
    }
}

#endif
