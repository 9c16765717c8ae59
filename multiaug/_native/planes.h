/* Colours by planes: a piece of three channels as three rows of numbers, so that a vector holds one
 * channel of many pixels; from pixels and back; and what mixes channels, on such rows. */
#ifndef MULTIAUG_PLANES_H
#define MULTIAUG_PLANES_H

#include "functions.h"

/* Pixels of a piece, whole vectors of them; plane k begins at k * PLANE. */
enum { COLOURS = 3, PLANE = PIECE / COLOURS / 16 * 16 };

/* What values are held within behind a step; infinities where they are not. */
typedef struct {
    float low, high;
} Limit;

/* NaN stays. */
INLINE fv within(Limit l, fv v) { return vmin(splat(l.high), vmax(splat(l.low), v)); }

#define NO_LIMIT ((Limit){-INFINITY, INFINITY})

/* ---- from pixels to planes and back ------------------------------------------------------ */

#ifdef __AVX2__
/* Number i of channel k stands in place 3 i + k of three vectors, which is place (3 i + k) % WIDE of
 * one of them, another one for every i: so one vector is put together of three, and set in order. */
#ifdef __AVX512F__
#define ORDER(k) ((3 * steps() + (k)) & 15)
INLINE fv permuted(fv v, iv order) { return (fv)_mm512_permutexvar_ps((__m512i)order, (__m512)v); }
#else
#define ORDER(k) ((3 * steps() + (k)) & 7)
INLINE fv permuted(fv v, iv order) { return (fv)_mm256_permutevar8x32_ps((__m256)v, (__m256i)order); }
#endif

/* Where vector j of three has channel k. */
#ifdef __AVX512F__
#define HAS(j, k) ((mask)(0x9249249249249249ull >> (16 * (j) + 3 - (k)) % 3))
#else
INLINE mask has(int j, int k)
{
    mask m;
    for (int i = 0; i < WIDE; i++)
        m[i] = (WIDE * j + i) % 3 == k ? -1 : 0;
    return m;
}
#define HAS(j, k) has(j, k)
#endif

INLINE void to_planes(const float *in, float *planes)
{
    const fv a = load_fv(in), b = load_fv(in + WIDE), c = load_fv(in + 2 * WIDE);
    for (int k = 0; k < 3; k++) {
        const fv all = choose(HAS(0, k), a, choose(HAS(1, k), b, c));
        store_fv(planes + k * PLANE, permuted(all, ORDER(k)));
    }
}

INLINE void from_planes(const float *planes, float *out)
{
    /* A third of 1, as 3 * 11 = 1 (mod 16), and 3 * 3 = 1 (mod 8). */
    const int third = WIDE == 16 ? 11 : 3;
    fv spread[3];
    for (int k = 0; k < 3; k++)
        spread[k] = permuted(load_fv(planes + k * PLANE), (third * (steps() + (WIDE - k))) & (WIDE - 1));
    for (int j = 0; j < 3; j++)
        store_fv(out + j * WIDE, choose(HAS(j, 0), spread[0], choose(HAS(j, 1), spread[1], spread[2])));
}

/* Bytes of WIDE pixels. */
INLINE void bytes_to_planes(const uint8_t *in, float *planes)
{
    const char N = -1;
#ifdef __AVX512F__
    /* Twelve bytes, which are four pixels, to each quarter. */
    const __m512i spread = _mm512_setr_epi32(0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0);
    const __m512i v = _mm512_permutexvar_epi32(spread, _mm512_maskz_loadu_epi32(0xfff, in));
    for (int k = 0; k < 3; k++) {
        const __m128i pick = _mm_setr_epi8(k, N, N, N, k + 3, N, N, N, k + 6, N, N, N, k + 9, N, N, N);
        const __m512i whole = _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(pick));
        _mm512_storeu_ps(planes + k * PLANE, _mm512_cvtepi32_ps(whole));
    }
#else
    /* The second half begins four bytes before its pixels do, and ends where they do. */
    const __m128i first = _mm_loadu_si128((const __m128i *)in);
    const __m128i second = _mm_srli_si128(_mm_loadu_si128((const __m128i *)(in + 8)), 4);
    const __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
    for (int k = 0; k < 3; k++) {
        const __m128i pick = _mm_setr_epi8(k, N, N, N, k + 3, N, N, N, k + 6, N, N, N, k + 9, N, N, N);
        const __m256i whole = _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(pick));
        _mm256_storeu_ps(planes + k * PLANE, _mm256_cvtepi32_ps(whole));
    }
#endif
}

/* Of values from 0 to 255, rounded half up; of the first n pixels. */
INLINE void bytes_from_planes(const float *planes, uint8_t *out, int n)
{
    uv words = {0};
    for (int k = 0; k < 3; k++)
        words |= (uv)whole_of(load_fv(planes + k * PLANE) + BELOW_HALF) << 8 * k;
    put_rgb(out, words, n);
}
#else
INLINE void to_planes(const float *in, float *planes)
{
    for (int i = 0; i < WIDE; i++)
        for (int k = 0; k < 3; k++)
            planes[k * PLANE + i] = in[3 * i + k];
}

INLINE void from_planes(const float *planes, float *out)
{
    for (int i = 0; i < WIDE; i++)
        for (int k = 0; k < 3; k++)
            out[3 * i + k] = planes[k * PLANE + i];
}

INLINE void bytes_to_planes(const uint8_t *in, float *planes)
{
    for (int i = 0; i < WIDE; i++)
        for (int k = 0; k < 3; k++)
            planes[k * PLANE + i] = (float)in[3 * i + k];
}

INLINE void bytes_from_planes(const float *planes, uint8_t *out, int n)
{
    for (int i = 0; i < WIDE && i < n; i++)
        for (int k = 0; k < 3; k++)
            out[3 * i + k] = one_u8(planes[k * PLANE + i]);
}
#endif

/* Values of so many pixels, as planes; zeros behind them up to whole vectors. */
static void values_to_planes(const float *in, int pixels, float *planes)
{
    float last[3 * WIDE] = {0};
    int p = 0;
    for (; p + WIDE <= pixels; p += WIDE)
        to_planes(in + 3 * p, planes + p);
    for (; p < ((pixels + 15) & ~15); p += WIDE) {
        const int left = pixels > p ? pixels - p : 0;
        memset(last, 0, sizeof last);
        memcpy(last, in + 3 * p, (size_t)(3 * left) * sizeof *last);
        to_planes(last, planes + p);
    }
}

/* The same of bytes. */
static void pixels_to_planes(const uint8_t *in, int pixels, float *planes)
{
    uint8_t last[3 * WIDE];
    int p = 0;
    for (; p + WIDE <= pixels; p += WIDE)
        bytes_to_planes(in + 3 * p, planes + p);
    for (; p < ((pixels + 15) & ~15); p += WIDE) {
        const int left = pixels > p ? pixels - p : 0;
        memset(last, 0, sizeof last);
        memcpy(last, in + 3 * p, (size_t)(3 * left));
        bytes_to_planes(last, planes + p);
    }
}

static void values_from_planes(const float *planes, int pixels, float *out)
{
    float last[3 * WIDE];
    int p = 0;
    for (; p + WIDE <= pixels; p += WIDE)
        from_planes(planes + p, out + 3 * p);
    if (p < pixels) {
        from_planes(planes + p, last);
        memcpy(out + 3 * p, last, (size_t)(3 * (pixels - p)) * sizeof *last);
    }
}

/* Limited to what bytes hold. */
static void pixels_from_planes(float *planes, int pixels, uint8_t *out)
{
    for (int k = 0; k < COLOURS; k++)
        for (int p = k * PLANE; p < k * PLANE + pixels; p += WIDE) {
            const fv v = load_fv(planes + p), least = choose(less((fv){0}, v), v, (fv){0});
            store_fv(planes + p, vmin(least, splat(255)));
        }
    for (int p = 0; p < pixels; p += WIDE)
        bytes_from_planes(planes + p, out + 3 * p, pixels - p);
}

/* ---- colours ------------------------------------------------------------------------------ */

/* As `blend_with_grey`, one after the other. */
static void blend_planes(const float *weights, const float *amounts, Limit limit, int pixels, float *v)
{
    const fv w[3] = {splat(weights[0]), splat(weights[1]), splat(weights[2])};
    const fv t[3] = {splat(amounts[0]), splat(amounts[1]), splat(amounts[2])};
    const fv rest[3] = {1 - t[0], 1 - t[1], 1 - t[2]};
    for (int p = 0; p < pixels; p += WIDE) {
        const fv x[3] = {load_fv(v + p), load_fv(v + PLANE + p), load_fv(v + 2 * PLANE + p)};
        const fv grey = w[0] * x[0] + w[1] * x[1] + w[2] * x[2];
        for (int k = 0; k < COLOURS; k++)
            store_fv(v + k * PLANE + p, within(limit, rest[k] * x[k] + t[k] * grey));
    }
}

/* The numbers of a change in the HSV cone, in the units of the values. */
typedef struct {
    float red, green, blue; /* hues of the primaries when they are turned, of 6 to the circle */
    float saturated, paler; /* factor and shift of the saturation */
    float brighter, lifted; /* factor and shift of the value */
    float low, top;         /* black, and the largest value above it */
    int turns;
} Cone;

INLINE float folded(float hue) { return hue - 6 * floorf(hue / 6); }

/* See `change_hsv` for the elements. */
static Cone cone_of(const float *e)
{
    const float turn = 6 * e[3], extent = e[9];
    return (Cone){folded(turn), folded(turn + 2), folded(turn + 4), e[4], e[5], e[6], e[7] * extent,
                  e[8], e[10] * extent, e[3] != 0};
}

/* By how much of the chroma a channel is below the brightest one, from 0 to 1. */
INLINE fv share(fv v) { return vmin(vmax(v, (fv){0}), splat(1)); }

/* Colours of pixels in three rows of numbers, in place: `change_hsv` says what is done. All is in the
 * units of the values, so nothing is divided by the extent; and what saturation would be divided by,
 * it is multiplied with again, unless the value has changed by more than a factor. */
INLINE void change_colours(const Cone *c, Limit limit, int pixels, float *red, float *green, float *blue)
{
    for (int p = 0; p < pixels; p += WIDE) {
        const fv r = load_fv(red + p), g = load_fv(green + p), b = load_fv(blue + p);
        const fv most = vmax(vmax(r, g), b), chroma = most - vmin(vmin(r, g), b), above = most - c->low;
        const mask coloured = less((fv){0}, chroma), bright = coloured & less((fv){0}, above);
        const fv wanted = above * c->brighter + c->lifted;
        const fv value = c->top < INFINITY ? vmin(vmax(wanted, (fv){0}), splat(c->top)) : wanted;
        const fv scaled = chroma * c->saturated + above * c->paler;
        const fv held = vmin(vmax(scaled, (fv){0}), vmax(chroma, above));
        /* Pixel by pixel: results do not depend on how many a vector has. */
        const mask as_wanted = c->lifted == 0 ? equal(wanted, value) : mask_of(0);
        fv left = held * c->brighter;
        if (!all_set(as_wanted))
            left = choose(as_wanted, left, held * (value / choose(bright, above, splat(1))));
        left = choose(bright, left, chroma);
        const fv highest = value + c->low, safe = choose(coloured, chroma, splat(1));
        if (!c->turns) {
            const fv factor = left / safe;
            store_fv(red + p, within(limit, highest - (most - r) * factor));
            store_fv(green + p, within(limit, highest - (most - g) * factor));
            store_fv(blue + p, within(limit, highest - (most - b) * factor));
            continue;
        }
        const mask is_red = equal(most, r), is_green = equal(most, g);
        const fv apart = choose(is_red, g - b, choose(is_green, b - r, r - g));
        const fv from = choose(is_red, splat(c->red), choose(is_green, splat(c->green), splat(c->blue)));
        fv hue = apart / safe + from;
        hue = add_where(at_most(splat(6), hue), hue, splat(-6));
        hue = add_where(less(hue, (fv){0}), hue, splat(6));
        store_fv(red + p, within(limit, highest - left * share(2 - absolute(hue - 3))));
        store_fv(green + p, within(limit, highest - left * share(absolute(hue - 2) - 1)));
        store_fv(blue + p, within(limit, highest - left * share(absolute(hue - 4) - 1)));
    }
}

#endif
