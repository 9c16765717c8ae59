/* The compiled formulation of the sampler for CPUs.
 *
 * Reads the pictures where the caller has them and writes results in their place: no padded
 * copy, no packed words. Positions, folding and blending follow `_plan.coordinates`, `_locate` and
 * `_blend`, in the same float32 arithmetic; tests/sampling/test_formulations.py holds them together.
 *
 * Compiled once per instruction set (LEVEL), see `dispatch.c`, without fused multiplications, as
 * XLA computes: linear blends have the bits of the reference, on every machine. A record is
 * independent of all others, and a row of all other rows: results do not depend on threads or on
 * batch sizes.
 */
#include "blend.h"
#include "copies.h"
#include "holes.h"

static void group_rows(const Group *g, int64_t record, int from, int to)
{
    Chunk c;
    for (int row = from; row < to; row++) {
        int64_t source = 0;
        int step = 0;
        const int copied = straight(g, record, row, &source, &step);
        int rest = 0;
        for (int k = 0; k < g->n_lanes; k++) {
            const Lane *l = g->lanes + k;
            if (!copied || l->method == AWARE) {
                rest = 1;
                continue;
            }
            const int64_t pixel = (int64_t)l->stride * l->size;
            copy_row(l, l->in + row_of(l->rows, record) * l->in_bytes + source * pixel, step, g->w_out,
                     l->out + record * l->out_bytes + (int64_t)row * g->w_out * pixel);
        }
        for (int first = 0; rest && first < g->w_out; first += CHUNK) {
            const int n = g->w_out - first < CHUNK ? g->w_out - first : CHUNK;
            positions(g, record, row, first, n, &c);
            locate(g, n, &c);
            const int64_t distance = distance_below(g, record, row, first, n, &c);
            for (int k = 0; k < g->n_lanes; k++) {
                const Lane *l = g->lanes + k;
                if (copied && l->method != AWARE)
                    continue;
                const char *in = l->in + row_of(l->rows, record) * l->in_bytes;
                fetch(l, in, distance, n, &c);
                fold_chunk(g, l->border, &c);
                char *out = l->out + record * l->out_bytes +
                            ((int64_t)row * g->w_out + first) * l->stride * l->size;
                if (l->method == NEAREST)
                    nearest(g, l, in, &c, n, out);
                else if (l->method == AWARE)
                    aware(g, l, record, (const float *)in, &c, n, (float *)out);
                else if (l->type == U8)
                    linear_u8(g, l, in, &c, out);
                else if (l->type == U16)
                    linear_u16(g, l, in, &c, out);
                else
                    linear_f32(g, l, in, &c, out);
            }
        }
    }
}

/* Every number is finite, or NaN where NaN means no data. `nan_is_fine` and `worst` are as long as
 * eight pixels, so that the loop over them is one of vectors. */
static int is_sound(const uint32_t *bits, int64_t n, const int32_t *nan_is_fine, int32_t *worst,
                    int period)
{
    const int32_t infinity = 0x7f800000;
    memset(worst, 0, period * sizeof(int32_t));
    int64_t i = 0;
    for (; i + period <= n; i += period)
        for (int k = 0; k < period; k++) {
            int32_t b = (int32_t)(bits[i + k] & 0x7fffffff);
            b = (b > infinity) & nan_is_fine[k] ? 0 : b;
            worst[k] = b > worst[k] ? b : worst[k];
        }
    for (int k = 0; i < n; i++, k++) {
        int32_t b = (int32_t)(bits[i] & 0x7fffffff);
        b = (b > infinity) & nan_is_fine[k] ? 0 : b;
        worst[k] = b > worst[k] ? b : worst[k];
    }
    int32_t most = 0;
    for (int k = 0; k < period; k++)
        most = worst[k] > most ? worst[k] : most;
    return most < infinity;
}

void JOIN(multiaug_warp_, LEVEL)(const Batch *b)
{
    for (;;) {
        const int64_t item = __atomic_fetch_add(b->next, 1, __ATOMIC_RELAXED);
        if (item >= b->n_records * b->blocks)
            return;
        const int64_t record = item / b->blocks;
        const int block = (int)(item % b->blocks);
        for (int k = 0; k < b->n_checks; k++) {
            const Check *check = b->checks + k;
            int32_t worst[MOST_PERIOD];
            const int64_t from = check->length * block / b->blocks / check->period * check->period;
            const int64_t to = block + 1 == b->blocks
                                   ? check->length
                                   : check->length * (block + 1) / b->blocks / check->period *
                                         check->period;
            const int64_t row = row_of(check->rows, record);
            const uint32_t *bits = (const uint32_t *)(check->in + row * check->in_bytes);
            if (!is_sound(bits + from, to - from, check->nan_is_fine, worst, check->period))
                __atomic_store_n(b->suspicious, 1, __ATOMIC_RELAXED);
        }
        for (int k = 0; k < b->n_groups; k++) {
            const Group *g = b->groups + k;
            group_rows(g, record, (int)((int64_t)g->h_out * block / b->blocks),
                       (int)((int64_t)g->h_out * (block + 1) / b->blocks));
        }
    }
}
