/* Functions of one number, the same bits on all machines, and steps over many. */
#ifndef MULTIAUG_FUNCTIONS_H
#define MULTIAUG_FUNCTIONS_H

#include "simd.h"

/* Steps over so many numbers at a time lie in the first-level cache. */
enum { PIECE = 1024 };

/* a * b + c, rounded once. */
INLINE fv fmadd(fv a, fv b, fv c)
{
#ifdef __AVX512F__
    return (fv)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined __FMA__
    return (fv)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    for (int k = 0; k < WIDE; k++)
        a[k] = fmaf(a[k], b[k], c[k]);
    return a;
#endif
}

INLINE fv root(fv v)
{
#ifdef __AVX512F__
    return (fv)_mm512_sqrt_ps((__m512)v);
#elif defined __AVX2__
    return (fv)_mm256_sqrt_ps((__m256)v);
#else
    for (int k = 0; k < WIDE; k++)
        v[k] = sqrtf(v[k]);
    return v;
#endif
}

/* ---- logarithm and power --------------------------------------------------------------- */

/* The polynomial of nine coefficients, highest power first: even and odd powers side by side, as
 * each step waits for the one before. */
INLINE fv series_of_nine(const float *c, fv x)
{
    const fv square = x * x;
    fv even = fmadd(splat(c[0]), square, splat(c[2]));
    fv odd = fmadd(splat(c[1]), square, splat(c[3]));
    even = fmadd(even, square, splat(c[4]));
    odd = fmadd(odd, square, splat(c[5]));
    even = fmadd(even, square, splat(c[6]));
    odd = fmadd(odd, square, splat(c[7]));
    even = fmadd(even, square, splat(c[8]));
    return fmadd(odd, x, even);
}

INLINE fv series_of_six(const float *c, fv x)
{
    const fv square = x * x;
    fv even = fmadd(splat(c[1]), square, splat(c[3]));
    fv odd = fmadd(splat(c[0]), square, splat(c[2]));
    even = fmadd(even, square, splat(c[5]));
    odd = fmadd(odd, square, splat(c[4]));
    return fmadd(odd, x, even);
}

/* Natural logarithm of normal numbers, to one unit in the last place.
 * S. L. Moshier, Cephes Mathematical Library, logf. */
INLINE fv logarithm(fv x)
{
    static const float series[] = {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f,
                                   -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                                   2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f};
    /* x = 2^e (1 + m) with 1 + m within a factor sqrt(2) of 1: the bits of sqrt(1/2) are taken off,
     * so that the exponent counts from there. */
    const iv bits = (iv)x - 0x3f3504f3;
    const fv e = __builtin_convertvector(bits >> 23, fv);
    const fv m = (fv)((bits & 0x007fffff) + 0x3f3504f3) - 1;
    const fv square = m * m;
    fv sum = fmadd(e, splat(-2.12194440e-4f), series_of_nine(series, m) * m * square);
    sum = fmadd(square, splat(-0.5f), sum);
    return fmadd(e, splat(0.693359375f), m + sum);
}

/* e^x, to two units in the last place, of x held within the powers that float32 has.
 * S. L. Moshier, Cephes Mathematical Library, expf. */
INLINE fv exponential(fv x)
{
    static const float series[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                   4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
    x = vmin(vmax(x, splat(-87.3f)), splat(88.3f));
    /* Added to 1.5 * 2^23, a number is rounded to a whole one, which stands in the last bits. */
    const fv shifted = fmadd(x, splat(1.44269504089f), splat(12582912.0f));
    const fv whole = shifted - 12582912.0f;
    fv rest = fmadd(whole, splat(-0.693359375f), x);
    rest = fmadd(whole, splat(2.12194440e-4f), rest);
    const fv sum = fmadd(series_of_six(series, rest), rest * rest, rest) + 1;
    /* Times 2^whole: added to the exponent. */
    return (fv)((iv)sum + ((iv)shifted << 23));
}

/* |u|^exponent with the sign of u, of n numbers; in steps over all of them, as `normals`. */
INLINE void signed_powers(float exponent, int n, float *u)
{
    float w[PIECE];
    for (int i = 0; i < n; i += WIDE)
        store_fv(w + i, logarithm(absolute(load_fv(u + i))));
    for (int i = 0; i < n; i += WIDE) {
        const fv v = load_fv(u + i), size = absolute(v);
        const fv powered = exponential(load_fv(w + i) * exponent);
        const fv found = (fv)((iv)powered | ((iv)v & (int32_t)0x80000000));
        /* 0 stays, and so do infinity and NaN. */
        const mask usual = less(size, splat(INFINITY)) & less(splat(0x1p-126f), size);
        store_fv(u + i, found);
        if (__builtin_expect(!all_set(usual), 0))
            store_fv(u + i, choose(usual, found, choose(less(size, splat(1)), (fv){0}, v)));
    }
}

/* The same with an exponent for each of them. */
INLINE void signed_powers_each(const float *exponents, int n, float *u)
{
    for (int i = 0; i < n; i += WIDE) {
        const fv v = load_fv(u + i), size = absolute(v);
        const fv powered = exponential(logarithm(size) * load_fv(exponents + i));
        const fv found = (fv)((iv)powered | ((iv)v & (int32_t)0x80000000));
        const mask usual = less(size, splat(INFINITY)) & less(splat(0x1p-126f), size);
        store_fv(u + i, choose(usual, found, choose(less(size, splat(1)), (fv){0}, v)));
    }
}

/* ---- noise ----------------------------------------------------------------------------- */

INLINE uv mix(uv word)
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
        const uv count = first + (uint32_t)i + (uv)steps();
        const uv word = mix(mix(count * 0x9E3779B9u + words[0]) ^ words[1]);
        const fv drawn = __builtin_convertvector((iv)(word >> 8), fv);
        /* The middle of the last step would be rounded up to 1, the pole of what follows. */
        store_fv(x + i, vmin((drawn + 0.5f) * 0x1p-23f - 1, splat(1 - 0x1p-24f)));
    }
    for (int i = 0; i < n; i += WIDE) {
        const fv v = load_fv(x + i);
        store_fv(w + i, -logarithm((1 - v) * (1 + v)));
    }
    for (int i = 0; i < n; i += WIDE) {
        const fv v = load_fv(w + i);
        const mask near = less(v, splat(5));
        fv sum = series_of_nine(middle, v - 2.5f);
        if (__builtin_expect(!all_set(near), 0))
            sum = choose(near, sum, series_of_nine(tails, root(v) - 3));
        store_fv(out + i, load_fv(out + i) + 1.41421356237f * (sum * load_fv(x + i)) * scale);
    }
}

#endif
