/* What `_compiled.py` hands to the compiled sampler; the same structures stand there. */
#ifndef MULTIAUG_WARP_H
#define MULTIAUG_WARP_H

#include <stdint.h>

enum { CONSTANT, EDGE, REFLECT, MIRROR, WRAP, CONSTANT_HARD, WRAP_CLASSIC };
enum { NEAREST, LINEAR, NAN_AWARE, GENERAL };
enum { U8, U16, F32, BOOL, I16, I32, F16, BF16 };

/* The channels of an NAN_AWARE lane, and eight pixels of a checked picture, at most. */
enum { MAX_NAN_AWARE = 8, MAX_PERIOD = 2048 };

/* Of a displacement along a row. */
enum { MAX_KNOTS = 64 };

/* Of a byte. */
enum { LEVELS = 256 };

/* What the words of a Rules mean; `_rules.py` has the same lists. */
enum { BY_NEAREST, BY_LINEAR, BY_CUBIC, BY_MAJORITY, BY_AREA, BY_SPLINE };
enum { ENCODE_NOTHING, ENCODE_RECIPROCAL, ENCODE_RAY, ENCODE_WORLD_RAY, ENCODE_ANGLE };
enum { DECODE_NOTHING, DECODE_UNIT, DECODE_RECIPROCAL, DECODE_RAY, DECODE_WORLD_RAY, DECODE_ANGLE };
enum {
    MOVE_NOTHING, MOVE_MATRIX, MOVE_UNIT_MATRIX, MOVE_DEPTH, MOVE_FLOW, MOVE_FLOW_ENDS, MOVE_ANGLE,
    MOVE_AREA, MOVE_MIRROR_PAIRS
};
enum { MARK_NOTHING, MARK_NAN, MARK_NUMBER };

/* What a GENERAL band is told of one record. Matrices are row by row. */
typedef struct {
    float k[9];               /* intrinsics, centred, per reference pixel */
    float pose[9], origin[3]; /* world to camera: pose p + origin */
    float back[9];            /* the inverse of pose */
    float matrix[9];          /* what values are moved by; of flow the forward map */
    float mirrored;           /* left has become right */
} RecordNumbers;

/* How a GENERAL band is read, and what its values mean: see `multiaug/sampling/_rules.py`. */
typedef struct {
    const RecordNumbers *numbers; /* (N,); or null */
    const int32_t *pairs;         /* (n_pairs, 2) labels of left and right parts */
    const char *nothing;          /* one pixel where nothing is known, in the dtype */
    int32_t interpolation, encode, decode, move;
    int32_t invalid;   /* MARK_* */
    int32_t filled;    /* beyond a constant border lies the fill; otherwise nothing */
    int32_t never_unknown;
    int32_t jump;      /* what max_jump measures: 0 values, 1 the reciprocal of the first */
    int32_t n_pairs;
    int32_t beside;    /* the integer that replaces a value which fell on the invalid number */
    float max_jump;    /* infinity: no limit */
    float turns;       /* radians that are blended for one unit of an angle */
    float radians;     /* radians for one unit of an angle */
    float period;      /* of an angle, in its unit */
    double number;     /* the invalid number */
} Rules;

/* Neighbouring channels that are read by one rule. Pointers are to the first record. */
typedef struct {
    const char *in;  /* first channel of the first pixel */
    char *out;
    const char *fill; /* one pixel beyond a constant border, in the dtype */
    const int64_t *rows; /* (N,) which record of `in` is read for each; null: the same one */
    const float *rays;   /* (N, 3, 3) intrinsics: positions are blended on their rays; or null */
    const float *matrix; /* (N, 3, 3) that multiplies what was read; or null */
    const Rules *rules;  /* of a GENERAL band */
    const float *coefficients; /* null; where a source has become a spline, its own, see spline.h */
    int64_t in_bytes, out_bytes; /* from record to record */
    int32_t method, type, border;
    int32_t size;     /* bytes of a number */
    int32_t channels; /* of the lane */
    int32_t stride;   /* numbers from pixel to pixel */
    int32_t joint;    /* channels are invalid together */
    int32_t numbered; /* `invalid` is a number that marks pixels without data */
    int32_t reread; /* what is written will be read once more */
    int32_t lowpass; /* low-passed where the group says by how much */
    float invalid;    /* what stands where nothing is known */
    float reach_x, reach_y; /* of means over areas: half of the longest step, in pixels */
} ChannelBand;

/* An entry of which is said where it shows something; its bands follow one another in their group. */
typedef struct {
    char *out; /* (N, h_out, w_out), 1 or 0 */
    int32_t first, n_bands;
} Validity;

/* Knots of 0 around the control values of a Segment. */
enum { KNOTS_AROUND = 4 };

/* A step of a map from source to result, between centred reference pixels: a matrix, or a displacement by
 * a cubic B-spline. For flow, whose vectors end anywhere. */
typedef struct {
    const float *matrix;  /* (N, 3, 3) forward; or null */
    const float *control; /* (N, knots_y, knots_x, 2), with KNOTS_AROUND on every side */
    const float *frame;   /* (N, 4) of what the knots span, half of its sides and knots per pixel, x first */
    int32_t knots_x, knots_y;
    int32_t added; /* the displacement is added to a position; otherwise it is what leads back to it */
} Segment;

/* Lanes of the same two sizes, which share positions. */
typedef struct {
    const ChannelBand *bands;
    const Validity *validities;
    const Segment *segments;  /* in the order in which they act; none where `matrix` says it all */
    const float *maps;        /* (N, 3, 3) backward, between centred pixels */
    const int32_t *displaced; /* (N,) records that are not read by their matrix alone; null: none */
    const float *field;       /* (N, planes, plane) positions in pixels of those, row by row; or null */
    const float *control;     /* (N, 2, knots_y, knots_x) of what is added before the matrix */
    const float *along_x;     /* (knots_x, w_out) weights of the knots; they are 0 far away */
    const float *along_y;     /* (h_out, knots_y) */
    const float *slope_x;     /* (knots_x, w_out) their derivatives; null where nobody asks for them */
    const float *slope_y;     /* (h_out, knots_y) */
    int64_t plane;
    int32_t planes; /* 2; or 6, with the Jacobian of the backward map between pixels, row by row */
    int32_t knots_x, knots_y;
    int32_t n_bands, n_validities, n_segments, affine;
    int32_t resized; /* what lies in the picture's area is not blended with a border's fill */
    int32_t h_in, w_in, h_out, w_out;
    float scale_x, scale_y; /* pixels of the source per reference pixel */
    float out_scale_x, out_scale_y; /* pixels of the result per reference pixel */
    int32_t radius;     /* taps that a low-pass has on each side, at most */
    const float *sigma; /* (N, 2) deviations of the low-pass along x and y; or null */
} Group;

/* A float32 picture whose numbers are to be looked at. */
typedef struct {
    const char *in;
    const int64_t *rows; /* as in Lane */
    const int32_t *nan_is_fine; /* (period,) */
    int64_t in_bytes, length;   /* from record to record; numbers of a record */
    int32_t period;             /* numbers of eight pixels */
} Check;

/* What a step does to values: the rows of transforms/_operations.py that run here, each with the
 * elements that a record hands over for it, once and per channel, its pairs of words, the tiles that it
 * needs room for, and whether channels must be told apart for it though they share all elements. Python
 * asks for opcodes and lengths by name, so that nothing is numbered twice. */
#define OPERATIONS(X)                                                                            \
    X(SCALE_SHIFT, scale_shift, 3, 0, 0, 0, 0)                                                   \
    X(SCALE_SHIFT_BY_CHANNEL, scale_shift_by_channel, 0, 3, 0, 1, 1)                             \
    X(SCALE_ABOUT_MEAN, scale_about_mean, 1, 0, 0, 0, 0)                                         \
    X(SCALE_ABOUT_MEANS, scale_about_means, 2, 1, 0, 2, 1)                                       \
    X(SCALE_ABOUT_GREY_MEAN, scale_about_grey_mean, 1, 2, 0, 1, 1)                               \
    X(POWER_LAW, power_law, 3, 0, 0, 0, 0)                                                       \
    X(POWER_LAW_BY_CHANNEL, power_law_by_channel, 5, 1, 0, 2, 1)                                 \
    X(CLIP, clip, 2, 0, 0, 0, 0)                                                                 \
    X(NOISE, noise, 1, 0, 1, 0, 0)                                                               \
    X(BLEND_WITH_GREY, blend_with_grey, 0, 2, 0, 0, 1)                                           \
    X(HUE_SATURATION_VALUE, hue_saturation_value, 11, 0, 0, 0, 1)                                \
    X(QUANTIZE, quantize, 2, 0, 0, 0, 0)                                                         \
    X(SOLARIZE, solarize, 2, 0, 0, 0, 0)                                                         \
    X(CURVE, curve, 3 + LEVELS, 0, 0, 0, 0)                                                      \
    X(NORMALIZE_RECORD, normalize_record, 8, 0, 0, 1, 1)                                         \
    X(EQUALIZE, equalize, 2, 0, 0, 0, 1)                                                         \
    X(BIAS_FIELD, bias_field, 10, 0, 0, 0, 1)                                                    \
    X(LOCAL, local, 3, 10, 0, 0, 1)                                                              \
    X(CLAHE, clahe, 5, 0, 0, 0, 1)                                                               \
    X(PHOTON_NOISE, photon_noise, 2, 0, 1, 0, 0)                                                 \
    X(SPECKLE, speckle, 1, 0, 1, 0, 0)                                                           \
    X(IMPULSES, impulses, 5, 0, 1, 0, 1)                                                         \
    X(MAGNITUDE_NOISE, magnitude_noise, 2, 0, 2, 0, 0)                                           \
    X(GAUSSIAN_MEAN, gaussian_mean, 1, 1, 0, 0, 1)                                               \
    X(UNSHARP_MASK, unsharp_mask, 0, 2, 0, 0, 1)                                                 \
    X(SEGMENT_MEAN, segment_mean, 4, 0, 0, 0, 1)                                                 \
    X(LOWER_RESOLUTION, lower_resolution, 0, 1, 0, 0, 1)                                         \
    X(MEDIAN, median, 1, 0, 0, 0, 1)                                                             \
    X(AWAY_FROM_SMOOTH, away_from_smooth, 1, 0, 0, 0, 1)

#define OPCODE(NAME, ...) OP_##NAME,
enum { OPERATIONS(OPCODE) N_OPERATIONS };
#undef OPCODE

typedef struct {
    const char *name;
    int once, per_channel, words, tiles, apart;
} Operation;

#define ROW(NAME, name, ...) {#name, __VA_ARGS__},
static const Operation operations[N_OPERATIONS] = {OPERATIONS(ROW)};
#undef ROW

/* Steps that are handed over, of which only those that are on need room. */
enum { MAX_STEPS = 1024, MAX_CHANNELS = 256 };

/* Neighbouring channels of a picture that get new values. */
typedef struct {
    const char *in; /* first of the channels in the first pixel */
    char *out;      /* the same place; or before it in memory where numbers get wider */
    const int32_t *kinds;  /* (n_steps,) */
    const float *numbers;  /* (N, length), of each step whether it is on, and its own */
    const uint32_t *words; /* (N, n_noises, 2), of which noise is made */
    int64_t in_bytes, out_bytes; /* from record to record */
    int64_t n_records, pixels, length;
    int32_t n_steps, n_noises;
    int32_t channels, stride; /* numbers to a pixel, and from pixel to pixel */
    int32_t width;            /* pixels of a row */
    int32_t in_type, out_type;
    int32_t marks; /* what says that there are no data: see MARK_* */
    float invalid, beside; /* the number that does; what stands for values that fall on it */
} PointwiseProgram;

typedef struct {
    const Group *groups;
    const Check *checks;
    const PointwiseProgram *pointwise;
    int32_t *left;       /* (N,) blocks of a record that are still to be sampled */
    int64_t *next;       /* the next item of work, shared between threads */
    int32_t *nonfinite; /* set where a check fails */
    int32_t *no_memory; /* set where memory was not to be had, and results are missing */
    int64_t n_records;
    int32_t n_groups, n_checks, n_pointwise;
    int32_t blocks; /* of rows, in which a record is shared between threads */
} Batch;

/* Records of a batch, blended with partners of the same batch. */
typedef struct {
    const char *in; /* (N, values) */
    char *out;      /* the same shape, other memory */
    const int32_t *partners; /* (N,) */
    const float *weights;    /* (N,) of the partner; 0 or less: the record is copied */
    int64_t begin, end;      /* records that are made */
    int64_t values;          /* of a record */
    int32_t type, marks;
    float mark, beside; /* what says that there are no data; what stands for values that fall on it */
} Blend;

/* Boxes of images whose pixels, or some neighbouring channels of them, become one value. */
typedef struct {
    char *out; /* first of the channels in the first pixel of the first record */
    const int32_t (*boxes)[5]; /* record, first row, row behind the last, the same of columns */
    const char *pixels;        /* what the channels become */
    int64_t n_boxes;
    int64_t record_bytes, row_bytes, pixel_bytes; /* from one to the next */
    int64_t group_bytes; /* of the channels */
    int64_t next_pixel;  /* from what those of a record become to the next; 0: all alike */
} Fill;

/* Boxes of images filled with random values: a function of a record's words and of where they stand
 * among the channels of a group, which has `group` of them to a pixel. */
typedef struct {
    char *out; /* first written channel in the first pixel of the first record */
    const int32_t (*boxes)[5]; /* as of Fill */
    const uint32_t *words;     /* (N, 2), which counters are mixed with */
    int64_t n_boxes, record_bytes, row_bytes, pixel_bytes;
    int32_t width;                 /* pixels of a row */
    int32_t group, first, channels; /* of a pixel: all; the first that is written; how many are */
    int32_t type, marks;
    float low, extent;  /* black, and from black to white */
    float mark, beside; /* as of Blend */
} Noise;

/* The means of the channels of an image, in the order of `program/_fills.py`: by halves. */
typedef struct {
    const char *in; /* first of the channels in the first pixel */
    float *means;   /* (channels,) */
    float *scratch; /* (pixels, channels) */
    int64_t pixels;
    int32_t channels, stride; /* elements to a pixel, and from pixel to pixel */
    int32_t type, marks;
    float mark;
} Means;

#endif
