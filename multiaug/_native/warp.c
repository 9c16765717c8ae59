/* The compiled formulation of the sampler for CPUs.
 *
 * Reads the pictures where the caller has them and writes results in their place: no padded
 * copy, no packed words. Positions, folding and blending follow `_plan.coordinates`, `_locate` and
 * `_blend`, in float32; tests/sampling/test_formulations.py holds them together.
 *
 * Compiled once per instruction set (LEVEL), see `dispatch.c`, without fused multiplications: the same
 * bits on every machine. XLA fuses where it likes, so those of JAX differ in the last place. A record is
 * independent of all others, and a row of all other rows: results do not depend on threads or on
 * batch sizes.
 */
#include "blend.h"
#include "nearest.h"
#include "nearest_apart.h"
#include "linear_apart.h"
#include "general.h"
#include "prepared.h"
#include "validity.h"

/* A band of a record that is not sampled pixel by pixel from its source, along with the others. */
INLINE int is_read_apart(const Group *g, const ChannelBand *l, int64_t record)
{
    return needs_coefficients(l) || is_apart(g, l, record) || is_picked_apart(g, l, record) ||
           is_blended_apart(g, l, record);
}

static int any_general(const Group *g)
{
    int any = 0;
    for (int k = 0; k < g->n_bands; k++)
        any |= g->bands[k].method == GENERAL;
    return any;
}

/* Rows from .. to each show a row of the source, one after the other. */
static int all_straight(const Group *g, int64_t record, int from, int to)
{
    const float *m = g->maps + 9 * record;
    int64_t first, last;
    int step;
    return keeps_axes(g, record) && fabsf(m[4]) == 1 && straight(g, record, from, &first, &step) &&
           straight(g, record, to - 1, &last, &step) &&
           last - first == (int64_t)(m[4] * (float)(to - 1 - from)) * g->w_in;
}

static void copy_band_row(const ChannelBand *l, int64_t record, const char *in, int step, int n, char *out)
{
    if (l->method == NAN_AWARE)
        copy_known(l, record, (const float *)in, step, n, (float *)out);
    else if (l->method != GENERAL)
        copy_row(l, in, step, n, out);
}

static void copy_rows(const Group *g, int64_t record, int from, int to)
{
    int64_t source = 0;
    int step = 0;
    straight(g, record, from, &source, &step);
    for (int k = 0; k < g->n_bands; k++) {
        const ChannelBand *l = g->bands + k;
        if (is_read_apart(g, l, record))
            continue;
        const int64_t pixel = (int64_t)l->stride * l->size, row_in = g->w_in * pixel;
        const char *in = l->in + row_of(l->rows, record) * l->in_bytes + source * pixel;
        char *out = l->out + record * l->out_bytes + (int64_t)from * g->w_out * pixel;
        for (int row = from; row < to; row++, out += g->w_out * pixel) {
            copy_band_row(l, record, in, step, g->w_out, out);
            in += g->maps[9 * record + 4] > 0 ? row_in : -row_in;
        }
    }
}

static void group_rows(const Group *g, int64_t record, int from, int to, Scratch *s, Prepared *kept)
{
    Chunk c;
    int left = 0;
    for (int k = 0; k < g->n_bands; k++) {
        const ChannelBand *l = g->bands + k;
        if (needs_coefficients(l))
            spline_rows(g, l, record, from, to, s, kept);
        else if (is_separable(g, l, record))
            separable_rows(g, l, record, from, to, s);
        else if (is_picked_apart(g, l, record))
            nearest_rows_apart(g, l, record, from, to, s);
        else if (is_blended_apart(g, l, record))
            linear_rows_apart(g, l, record, from, to, s);
        else if (is_low_passed(g, l, record))
            prepared_rows(g, l, record, from, to, s, kept);
        else
            left++;
    }
    const uint8_t *known = left || g->n_validities ? known_of(g, record, s) : 0;
    if (s->failed || (!left && !g->n_validities))
        return;
    if (!g->n_validities && all_straight(g, record, from, to)) {
        copy_rows(g, record, from, to);
        from = any_general(g) ? from : to;
    }
    for (int row = from, rows = 1; row < to; row += rows) {
        int64_t source = 0;
        int step = 0;
        const int copied = straight(g, record, row, &source, &step);
        for (int k = 0; copied && k < g->n_bands; k++) {
            const ChannelBand *l = g->bands + k;
            if (is_read_apart(g, l, record))
                continue;
            const int64_t pixel = (int64_t)l->stride * l->size;
            const char *in = l->in + row_of(l->rows, record) * l->in_bytes + source * pixel;
            char *out = l->out + record * l->out_bytes + (int64_t)row * g->w_out * pixel;
            copy_band_row(l, record, in, step, g->w_out, out);
        }
        /* Several short rows at a time: in the result they follow one another. */
        rows = copied || 2 * g->w_out > CHUNK ? 1 : CHUNK / g->w_out;
        rows = rows < to - row ? rows : to - row;
        const int by_pixel = !copied || any_general(g) || g->n_validities;
        for (int first = 0; by_pixel && first < g->w_out; first += CHUNK) {
            const int width = g->w_out - first < CHUNK ? g->w_out - first : CHUNK;
            const int n = rows * width;
            for (int k = 0; k < rows; k++) {
                if (first == 0)
                    knots_of_row(g, record, row + k, &c);
                positions(g, record, row + k, first, width, k * width, &c);
            }
            const int even = rows == 1 && g->affine && !is_displaced(g, record);
            if (!even || !locate_row(g, g->maps + 9 * record, n, &c))
                locate(g, n, &c);
            const int64_t distance =
                rows > 1 ? 0 : distance_below(g, record, row, first, n, &c);
            for (int k = 0; k < g->n_bands; k++) {
                const ChannelBand *l = g->bands + k;
                if (is_read_apart(g, l, record) || (copied && l->method != GENERAL))
                    continue;
                const char *in = l->in + row_of(l->rows, record) * l->in_bytes;
                const int64_t pixel = (int64_t)l->stride * l->size;
                char *out =
                    l->out + record * l->out_bytes + ((int64_t)row * g->w_out + first) * pixel;
                /* Short rows are in the cache. */
                if (rows == 1 && !l->coefficients && (k == 0 || !is_beside(l, l - 1))) {
                    if (row % rows_of_fetch(l) == 0)
                        fetch(l, in, distance, n, &c);
                    if (row + 1 < to)
                        fetch_result(l, out + g->w_out * pixel, n);
                }
                if (l->method == GENERAL && rows == 1) {
                    general_row(g, l, record, in, &c, (Span){row, first, width, n}, out);
                    continue;
                }
                const int by_chunks = is_blended_by_chunks(g, l);
                if (!by_chunks && !(l->method == NEAREST && is_plain_rim(g, l)))
                    fold_chunk(g, l->border, &c);
                if (l->method == GENERAL)
                    general(g, l, record, in, &c, (Span){row, first, width, n}, out);
                else if (l->method == NEAREST)
                    nearest(g, l, in, &c, n, out);
                else if (l->method == NAN_AWARE)
                    aware(g, l, record, (const float *)in, &c, n, (float *)out);
                else if (by_chunks)
                    blend_chunk(g, l, in, &c, n, out);
                else if (l->type == U8)
                    linear_u8(g, l, in, &c, out);
                else if (l->type == U16)
                    linear_u16(g, l, in, &c, out);
                else {
                    linear_f32(g, l, in, &c, out);
                    if (__builtin_expect(has_overflown(), 0))
                        mend_f32(g, l, in, &c, (float *)out);
                }
            }
            for (int k = 0; k < g->n_validities; k++)
                put_validity(g, g->validities + k, record, &c, (Span){row, first, width, n},
                             known ? known + k * (int64_t)g->h_in * g->w_in : 0);
        }
    }
}

/* Every number is finite, or NaN where NaN means no data. A number is bad by as much as its bits are
 * beyond those of infinity, up to a limit that may differ from channel to channel; limits are as long
 * as a period of eight pixels, twice, so that the loop over them is one of vectors. */
static int is_sound(const uint32_t *bits, int64_t n, const uint32_t *limits, int period)
{
    const uint32_t unsigned_bits = 0x7fffffff, infinity = 0x7f800000;
    mask bad = mask_of(0);
    int64_t i = 0;
    for (; i + period <= n; i += period)
        for (int k = 0; k < period; k += WIDE)
            bad |= at_most_uv((load_uv(bits + i + k) & unsigned_bits) - infinity, load_uv(limits + k));
    int any = bits_of(bad) != 0;
    for (int k = 0; i < n; i++, k++)
        any |= (bits[i] & unsigned_bits) - infinity <= limits[k];
    return !any;
}

int JOIN(multiaug_pointwise_one_, LEVEL)(const PointwiseProgram *r, int64_t record);

void JOIN(multiaug_warp_, LEVEL)(const Batch *b)
{
    Scratch scratch = {0};
    Prepared kept = {0};
    for (;;) {
        const int64_t item = __atomic_fetch_add(b->next, 1, __ATOMIC_RELAXED);
        if (item >= b->n_records * b->blocks)
            break;
        const int64_t record = item / b->blocks;
        const int block = (int)(item % b->blocks);
        for (int k = 0; k < b->n_checks; k++) {
            const Check *check = b->checks + k;
            uint32_t limits[2 * MAX_PERIOD];
            for (int i = 0; i < 2 * check->period; i++)
                limits[i] = check->nan_is_fine[i % check->period] ? 0 : 0x7fffff;
            const int64_t from = check->length * block / b->blocks / check->period * check->period;
            const int64_t to = block + 1 == b->blocks
                                   ? check->length
                                   : check->length * (block + 1) / b->blocks / check->period *
                                         check->period;
            const int64_t row = row_of(check->rows, record);
            const uint32_t *bits = (const uint32_t *)(check->in + row * check->in_bytes);
            if (!is_sound(bits + from, to - from, limits, 2 * check->period))
                __atomic_store_n(b->nonfinite, 1, __ATOMIC_RELAXED);
        }
        for (int k = 0; k < b->n_groups; k++) {
            const Group *g = b->groups + k;
            group_rows(g, record, (int)((int64_t)g->h_out * block / b->blocks),
                       (int)((int64_t)g->h_out * (block + 1) / b->blocks), &scratch, &kept);
        }
        /* Values may depend on all of a record: whoever samples the last of it goes on. */
        if (b->n_pointwise && __atomic_sub_fetch(b->left + record, 1, __ATOMIC_ACQ_REL) == 0)
            for (int k = 0; k < b->n_pointwise; k++)
                scratch.failed |= JOIN(multiaug_pointwise_one_, LEVEL)(b->pointwise + k, record);
    }
    if (scratch.failed)
        __atomic_store_n(b->no_memory, 1, __ATOMIC_RELAXED);
    release(&scratch);
#ifdef __AVX512F__
    /* What was written past the caches is there for all threads. */
    _mm_sfence();
#endif
}
