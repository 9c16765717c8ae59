/* New values for bytes: a table of the 256 levels, and normal noise on top of it.
 *
 * The tables come from JAX, where photometric transforms are written. The noise is that of
 * `transforms/_random.py`, counter by counter, in the same float32 arithmetic.
 */
#include "vectors.h"
#include "warp.h"

typedef uint32_t n8 __attribute__((vector_size(32)));

enum { PIECE = 384 }; /* numbers at a time: a multiple of 8 */

void JOIN(multiaug_count_, LEVEL)(const Recolouring *r)
{
    const int C = r->channels;
    for (int64_t record = 0; record < r->n_records; record++) {
        const uint8_t *in = r->in + record * r->values;
        int32_t *counts = r->counts + record * C * LEVELS;
        int64_t i = 0;
        /* Neighbours are alike: counted in one place, each would wait for the one before. */
        int32_t others[3][LEVELS] = {{0}};
        for (; C == 1 && i + 4 <= r->values; i += 4) {
            counts[in[i]]++;
            for (int k = 0; k < 3; k++)
                others[k][in[i + k + 1]]++;
        }
        for (; C == 3 && i + 3 <= r->values; i += 3) {
            counts[in[i]]++;
            counts[in[i + 1] + LEVELS]++;
            counts[in[i + 2] + 2 * LEVELS]++;
        }
        for (int c = 0; i < r->values; i++) {
            counts[in[i] + c * LEVELS]++;
            c = c + 1 == C ? 0 : c + 1;
        }
        for (int k = 0; C == 1 && k < 3; k++)
            for (int v = 0; v < LEVELS; v++)
                counts[v] += others[k][v];
    }
}

/* ---- noise ----------------------------------------------------------------------------- */

INLINE n8 mix(n8 word)
{
    word = (word ^ (word >> 16)) * 0x7FEB352Du;
    word = (word ^ (word >> 15)) * 0x846CA68Bu;
    return word ^ (word >> 16);
}

/* a * b + c, rounded once: on every machine the same bits. */
INLINE f8 fused(f8 a, f8 b, f8 c)
{
#ifdef __FMA__
    return (f8)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    for (int k = 0; k < 8; k++)
        a[k] = fmaf(a[k], b[k], c[k]);
    return a;
#endif
}

INLINE f8 all_f32(float v) { return (f8){v, v, v, v, v, v, v, v}; }

/* The polynomial of nine coefficients, highest power first. */
INLINE f8 series8(const float *coefficients, f8 x)
{
    f8 sum = all_f32(coefficients[0]);
    for (int k = 1; k < 9; k++)
        sum = fused(sum, x, all_f32(coefficients[k]));
    return sum;
}

/* Natural logarithm of normal numbers, to one unit in the last place.
 * S. L. Moshier, Cephes Mathematical Library, logf. */
INLINE f8 log8(f8 x)
{
    static const float series[] = {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f,
                                   -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                                   2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f};
    const i8 bits = (i8)x;
    const f8 half = (f8)((bits & 0x007fffff) | 0x3f000000); /* in [0.5, 1) */
    const i8 small = half < 0.707106781186547524f;
    const f8 e = __builtin_convertvector((bits >> 23) - 126 + small, f8);
    const f8 m = half - 1 + (f8)((i8)half & small);
    const f8 square = m * m;
    f8 sum = fused(e, all_f32(-2.12194440e-4f), series8(series, m) * m * square);
    sum = fused(square, all_f32(-0.5f), sum);
    return fused(e, all_f32(0.693359375f), m + sum);
}

INLINE f8 root8(f8 v)
{
#ifdef __AVX2__
    return (f8)_mm256_sqrt_ps((__m256)v);
#else
    for (int k = 0; k < 8; k++)
        v[k] = sqrtf(v[k]);
    return v;
#endif
}

/* N(0, 1) for PIECE counters; see `transforms/_random.normal`. In steps over all of them: each
 * step is a chain of operations that wait for one another, and several numbers must be under way. */
static void normals(uint32_t first, const uint32_t *words, float *out)
{
    static const float middle[] = {2.81022636e-08f, 3.43273939e-07f, -3.5233877e-06f,
                                   -4.39150654e-06f, 0.00021858087f, -0.00125372503f,
                                   -0.00417768164f, 0.246640727f, 1.50140941f};
    static const float tails[] = {-0.000200214257f, 0.000100950558f, 0.00134934322f,
                                  -0.00367342844f, 0.00573950773f, -0.0076224613f,
                                  0.00943887047f, 1.00167406f, 2.83297682f};
    float w[PIECE];
    for (int i = 0; i < PIECE; i += 8) {
        const n8 count = first + (uint32_t)i + (n8){0, 1, 2, 3, 4, 5, 6, 7};
        const n8 word = mix(mix(count * 0x9E3779B9u + words[0]) ^ words[1]);
        const f8 steps = __builtin_convertvector((i8)(word >> 8), f8);
        put8_f32(out + i, (steps + 0.5f) * 0x1p-23f - 1);
    }
    for (int i = 0; i < PIECE; i += 8) {
        const f8 x = wide_f32(out + i);
        put8_f32(w + i, -log8((1 - x) * (1 + x)));
    }
    for (int i = 0; i < PIECE; i += 8) {
        const f8 v = wide_f32(w + i);
        const i8 near = v < 5;
        f8 sum = series8(middle, v - 2.5f);
        if (!all8(near))
            sum = where8(near, sum, series8(tails, root8(v) - 3));
        put8_f32(out + i, 1.41421356237f * (sum * wide_f32(out + i)));
    }
}

/* ---- values ---------------------------------------------------------------------------- */

INLINE f8 clipped(f8 v, float lo, float hi)
{
    v = where8(v > lo, v, (f8){0} + lo);
    return where8(v < hi, v, (f8){0} + hi);
}

/* Values of C channels; `table` is of one, or of each. */
INLINE void look_up(const uint8_t *in, const float *table, int period, int *channel, int n,
                    float *out)
{
    int c = *channel;
    if (period == 1)
        for (int i = 0; i < n; i++)
            out[i] = table[in[i]];
    else
        for (int i = 0; i < n; i++) {
            out[i] = table[in[i] + c * LEVELS];
            c = c + 1 == period ? 0 : c + 1;
        }
    *channel = c;
}

static void with_noise(const Recolouring *r, const uint8_t *in, const float *table,
                       const uint32_t *words, const float *noise, char *out)
{
    float values[PIECE], normal[PIECE];
    uint8_t bytes[PIECE];
    int channel = 0;
    for (int64_t first = 0; first < r->values; first += PIECE) {
        const int n = r->values - first < PIECE ? (int)(r->values - first) : PIECE;
        look_up(in + first, table, r->period, &channel, n, values);
        normals((uint32_t)first, words, normal);
        for (int i = 0; i < n; i += 8) {
            f8 v = wide_f32(values + i) + wide_f32(normal + i) * noise[0];
            v = clipped(v, noise[1], noise[2]);
            if (r->type == U8)
                put8_u8(bytes + i, clipped(v, 0, 255));
            else
                put8_f32(values + i, v);
        }
        if (r->type == U8)
            memcpy(out + first, bytes, n);
        else
            memcpy(out + first * sizeof(float), values, n * sizeof(float));
    }
}

static void without_noise(const Recolouring *r, const uint8_t *in, const float *table, char *out)
{
    const int period = r->period;
    if (r->type != U8) {
        int channel = 0;
        for (int64_t first = 0; first < r->values; first += PIECE) {
            const int n = r->values - first < PIECE ? (int)(r->values - first) : PIECE;
            look_up(in + first, table, period, &channel, n, (float *)out + first);
        }
        return;
    }
    uint8_t bytes[MOST_TABLES * LEVELS], *to = (uint8_t *)out;
    for (int k = 0; k < period * LEVELS; k++)
        bytes[k] = one_u8(least(most(table[k], 0), 255));
    if (period == 1) {
        for (int64_t i = 0; i < r->values; i++)
            to[i] = bytes[in[i]];
        return;
    }
    for (int64_t i = 0; i < r->values; i += period)
        for (int c = 0; c < period; c++)
            to[i + c] = bytes[in[i + c] + c * LEVELS];
}

void JOIN(multiaug_recolour_, LEVEL)(const Recolouring *r)
{
    const int64_t bytes = r->values * (r->type == U8 ? 1 : sizeof(float));
    for (int64_t record = 0; record < r->n_records; record++) {
        const uint8_t *in = r->in + record * r->values;
        char *out = r->out + record * bytes;
        const float *table = r->tables + record * r->period * LEVELS;
        const float *noise = r->noise + 3 * record;
        if (noise[0] != 0)
            with_noise(r, in, table, r->words + 2 * record, noise, out);
        else
            without_noise(r, in, table, out);
    }
}
