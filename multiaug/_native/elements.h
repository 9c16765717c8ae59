/* Elements of every type, one at a time: as float32, as integers, and back.
 *
 * `type` is a constant where these are called in a loop, so that no switch is left in it. */
#ifndef MULTIAUG_ELEMENTS_H
#define MULTIAUG_ELEMENTS_H

#include "nan_aware.h"

INLINE int is_float_type(int type) { return type == F32 || type == F16 || type == BF16; }

INLINE int32_t top_of(int type)
{
    return type == BOOL ? 1 : type == U8 ? 255 : type == I16 ? 32767 : type == U16 ? 65535 : INT32_MAX;
}

INLINE float float_of_bits(uint32_t bits) { float v; memcpy(&v, &bits, sizeof v); return v; }
INLINE uint32_t bits_of_float(float v) { uint32_t bits; memcpy(&bits, &v, sizeof bits); return bits; }

/* IEEE 754 binary16. */
static float float_of_half(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7fff;
    if (rest >= 0x7c00)
        return float_of_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
    /* Scaled by a power of two, subnormal numbers become normal ones by themselves. */
    return float_of_bits(sign | bits_of_float(float_of_bits(rest << 13) * 0x1p112f));
}

/* To the nearest, ties to even. */
static uint16_t half_of_float(float v)
{
    const uint32_t bits = bits_of_float(v), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (size >= 0x477ff000)
        return (uint16_t)(sign | 0x7c00);
    if (size < 0x38800000) {
        /* Below the normal numbers: added to 0.5, a multiple of 2^-24 stands in the last bits. */
        const uint32_t sum = bits_of_float(float_of_bits(size) + 0.5f);
        return (uint16_t)(sign | (sum - 0x3f000000));
    }
    const uint32_t odd = size >> 13 & 1;
    return (uint16_t)(sign | (size - 0x38000000 + 0xfff + odd) >> 13);
}

static uint16_t bfloat_of_float(float v)
{
    const uint32_t bits = bits_of_float(v);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

INLINE uint16_t word_at(const char *p, int k) { uint16_t v; memcpy(&v, p + 2 * k, 2); return v; }
INLINE int32_t long_at(const char *p, int k) { int32_t v; memcpy(&v, p + 4 * k, 4); return v; }

/* Element k as float32. */
INLINE float element(const char *p, int type, int k)
{
    switch (type) {
    case U8: return (float)((const uint8_t *)p)[k];
    case BOOL: return (float)(((const uint8_t *)p)[k] != 0);
    case U16: return (float)word_at(p, k);
    case I16: return (float)(int16_t)word_at(p, k);
    case I32: return (float)long_at(p, k);
    case F16: return float_of_half(word_at(p, k));
    case BF16: return float_of_bits((uint32_t)word_at(p, k) << 16);
    default: return float_of_bits((uint32_t)long_at(p, k));
    }
}

/* Element k of an integer type. */
INLINE int32_t whole_element(const char *p, int type, int k)
{
    switch (type) {
    case U8: return ((const uint8_t *)p)[k];
    case BOOL: return ((const uint8_t *)p)[k] != 0;
    case U16: return word_at(p, k);
    case I16: return (int16_t)word_at(p, k);
    default: return long_at(p, k);
    }
}

INLINE void put_whole(char *p, int type, int32_t v)
{
    const uint8_t byte = (uint8_t)v;
    const uint16_t word = (uint16_t)v;
    if (type == U8 || type == BOOL)
        memcpy(p, &byte, 1);
    else if (type == I16 || type == U16)
        memcpy(p, &word, 2);
    else
        memcpy(p, &v, 4);
}

/* Integers are rounded half up and clipped to their range, as `_dtype.cast` does. */
INLINE void put_element(char *p, int type, int k, float v)
{
    if (type == F32) {
        memcpy(p + 4 * k, &v, 4);
    } else if (type == F16 || type == BF16) {
        const uint16_t word = type == F16 ? half_of_float(v) : bfloat_of_float(v);
        memcpy(p + 2 * k, &word, 2);
    } else if (type == BOOL) {
        put_whole(p + k, type, v >= 0.5f);
    } else {
        const float whole = floorf(v), rounded = whole + (v - whole >= 0.5f ? 1.0f : 0.0f);
        /* The largest float below 2^31 is the last one that an int32 holds. */
        const float top = type == I32 ? 0x1.fffffep30f : (float)top_of(type);
        const float bottom = type == I32 ? -0x1p31f : type == I16 ? -32768.0f : 0.0f;
        const float held = rounded < bottom ? bottom : rounded > top ? top : rounded;
        put_whole(p + k * (type == U8 ? 1 : type == I32 ? 4 : 2), type, held == held ? (int32_t)held : 0);
    }
}

#endif
