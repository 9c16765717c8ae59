/* What `_compiled.py` hands to the compiled sampler; the same structures stand there. */
#ifndef MULTIAUG_WARP_H
#define MULTIAUG_WARP_H

#include <stdint.h>

enum { CONSTANT, EDGE, REFLECT, MIRROR, WRAP, CONSTANT_HARD, WRAP_CLASSIC };
enum { NEAREST, LINEAR, AWARE };
enum { U8, U16, F32, OTHER };

/* The channels of an AWARE lane, and eight pixels of a checked picture, at most. */
enum { MOST_AWARE = 8, MOST_PERIOD = 2048 };

/* Of a byte; and the channels that may have a table of their own each. */
enum { LEVELS = 256, MOST_TABLES = 16 };

/* Neighbouring channels that are read by one rule. Pointers are to the first record. */
typedef struct {
    const char *in;  /* first channel of the first pixel */
    char *out;
    const char *fill; /* one pixel beyond a constant border, in the dtype */
    const int64_t *rows; /* (N,) which record of `in` is read for each; null: the same one */
    const float *rays;   /* (N, 3, 3) intrinsics: positions are blended on their rays; or null */
    const float *matrix; /* (N, 3, 3) that multiplies what was read; or null */
    int64_t in_bytes, out_bytes; /* from record to record */
    int32_t method, type, border;
    int32_t size;     /* bytes of a number */
    int32_t channels; /* of the lane */
    int32_t stride;   /* numbers from pixel to pixel */
    int32_t joint;    /* channels are invalid together */
    int32_t numbered; /* `invalid` is a number that marks pixels without data */
    float invalid;    /* what stands where nothing is known */
} Lane;

/* Lanes of the same two sizes, which share positions. */
typedef struct {
    const Lane *lanes;
    const float *maps;        /* (N, 3, 3) backward, between centred pixels */
    const int32_t *displaced; /* (N,) records that are read by `field`; null: none */
    const float *field;       /* (N, 2, plane) positions in pixels, row by row */
    int64_t plane;
    int32_t n_lanes, affine;
    int32_t h_in, w_in, h_out, w_out;
    float scale_x, scale_y; /* pixels of the source per reference pixel */
} Group;

/* A float32 picture whose numbers are to be looked at. */
typedef struct {
    const char *in;
    const int64_t *rows; /* as in Lane */
    const int32_t *nan_is_fine; /* (period,) */
    int64_t in_bytes, length;   /* from record to record; numbers of a record */
    int32_t period;             /* numbers of eight pixels */
} Check;

typedef struct {
    const Group *groups;
    const Check *checks;
    int64_t *next;       /* the next item of work, shared between threads */
    int32_t *suspicious; /* set where a check fails */
    int64_t n_records;
    int32_t n_groups, n_checks;
    int32_t blocks; /* of rows, in which a record is shared between threads */
} Batch;

/* Pictures of bytes that get new values, by a table per record and channel, and by noise. */
typedef struct {
    const uint8_t *in;
    char *out;             /* bytes, in place if that is wanted, or float32 */
    const float *tables;   /* (N, period, LEVELS) */
    const uint32_t *words; /* (N, 2), of which the noise is made */
    const float *noise;    /* (N, 3) standard deviation, 0 for none, and the range to clip to */
    int32_t *counts;       /* (N, channels, LEVELS), how often each level is there; added to */
    int64_t n_records, values; /* numbers of a record */
    int32_t channels, period;  /* tables of a record: one, or one per channel */
    int32_t type;              /* of `out` */
} Recolouring;

#endif
