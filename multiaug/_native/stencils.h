/* Operations that look at neighbours: means of them, unsharp masks, low resolution, medians.
 *
 * They need all of an image at once. It is held in float32, as the steps so far have it, and what
 * follows begins with that. Beyond the frame values are mirrored, without the pixel at the edge. What
 * is not valid has no weight; the caller puts it back. The meaning is that of
 * `transforms/_stencil_operations.py` and `_resample_operations.py`. */
#ifndef MULTIAUG_STENCILS_H
#define MULTIAUG_STENCILS_H

#include "bells.h"

/* Hold the values as the steps so far have them. Where asked, tell which are valid, 1 or 0, and make
 * all others 0. Not 0 where memory is missing. */
static int hold(Chain *c, float **there)
{
    _Alignas(64) float v[PIECE], given[PIECE];
    const int piece = per_piece(c), marked = c->r->marks != MARK_NOTHING;
    float *held = c->held ? c->held : malloc((size_t)(c->values + SLACK) * sizeof *held);
    *there = marked ? floats(c->values) : 0;
    if (!held || (marked && !*there)) {
        if (held != c->held)
            free(held);
        return 1;
    }
    for (int64_t first = 0; first < c->values; first += piece) {
        const int n = c->values - first < piece ? (int)(c->values - first) : piece;
        if (c->planar) {
            begin_planes(c, first, n / COLOURS, v);
            run_planes(c, first, n / COLOURS, v);
            values_from_planes(v, n / COLOURS, held + first);
            continue;
        }
        begin(c, first, n, v, given);
        run(c, first, n, v, given);
        for (int i = 0; marked && i < n; i++) {
            const int valid = is_valid(c->r, given[i]);
            (*there)[first + i] = (float)valid;
            v[i] = valid ? v[i] : 0;
        }
        memcpy(held + first, v, (size_t)n * sizeof *v);
    }
    memset(held + c->values, 0, SLACK * sizeof *held);
    c->held = held, c->table = 0, c->n = 0;
    return 0;
}

/* Hold the values before they are measured, where the steps so far cost more than memory: otherwise
 * they would be run once more behind the statistics. Not 0 where memory is missing. */
static int hold_if_costly(Chain *c)
{
    float *there = 0;
    int costly = 0, failed = 0;
    for (int k = 0; k < c->n; k++)
        costly |= c->steps[k].kind == OP_HUE_SATURATION_VALUE || c->steps[k].kind == OP_POWER_LAW_BY_CHANNEL;
    if (costly)
        failed = hold(c, &there);
    free(there);
    return failed;
}

/* ---- means of neighbours ---------------------------------------------------------------- */

/* An image with such margins on all sides; null where memory is missing. */
static float *with_margins(const float *in, int64_t height, int64_t width, int channels, int reach)
{
    const int64_t n = width * channels, margin = (int64_t)reach * channels, whole = n + 2 * margin;
    float *wide = floats(whole * (height + 2 * reach));
    for (int64_t y = -reach; wide && y < height + reach; y++) {
        float *row = wide + (y + reach) * whole;
        memcpy(row + margin, in + mirror(y, height) * n, (size_t)n * sizeof *row);
        mirror_row(row, width, channels, reach);
    }
    return wide;
}

static int mean_of_places(const float *in, int64_t height, int64_t width, int channels, const Weights *w,
                          float *out)
{
    const int64_t n = width * channels, whole = n + 2 * (int64_t)w->reach * channels;
    float *wide = with_margins(in, height, width, channels, w->reach);
    if (!wide)
        return 1;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < n; x += WIDE) {
            const float *from = wide + y * whole + x;
            fv sum = {0};
            for (int k = 0; k < w->taps; k++)
                sum += load_fv(from + w->place[2 * k] * whole + (int64_t)w->place[2 * k + 1] * channels) *
                       w->weights[k];
            store_fv(out + y * n + x, sum);
        }
    free(wide);
    return 0;
}

static int mean_of_neighbours(const float *in, int64_t height, int64_t width, int channels,
                              const Weights *w, float *out)
{
    return w->place ? mean_of_places(in, height, width, channels, w, out)
                    : mean_along_both(in, height, width, channels, w, out);
}

/* The same, of those that are valid alone: `there` is 1 or 0, or null, where all are. */
static int weighted_mean(const float *in, const float *there, int64_t height, int64_t width, int channels,
                         const Weights *w, float *out)
{
    const int64_t n = height * width * channels;
    if (mean_of_neighbours(in, height, width, channels, w, out))
        return 1;
    if (!there)
        return 0;
    float *share = floats(n);
    if (!share || mean_of_neighbours(there, height, width, channels, w, share)) {
        free(share);
        return 1;
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = there[i] != 0 ? out[i] / share[i] : 0;
    free(share);
    return 0;
}

/* One channel of an image, to neighbours or from them. */
static void pick(const float *image, int64_t pixels, int channels, int k, float *plane)
{
    for (int64_t i = 0; i < pixels; i++)
        plane[i] = image[i * channels + k];
}

/* Whether one bell is for all channels, and all values are there. */
static int goes_by_rows(const Chain *c, const float *sigmas)
{
    int alike = sigmas[0] > 0;
    for (int k = 1; k < c->channels; k++)
        alike &= sigmas[k] == sigmas[0];
    return alike && c->r->marks == MARK_NOTHING;
}

/* Towards that bell, or away from it: row by row, and the results are held. */
static int bell_by_rows(Chain *c, float sigma, const float *amounts, float kernel)
{
    float weights[MOST_REACH + 1];
    const Weights w = {.reach = bell_of(sigma, kernel, weights), .weights = weights};
    Chain behind = *c;
    behind.held = c->held ? c->held : malloc((size_t)(c->values + SLACK) * sizeof *behind.held);
    if (!behind.held)
        return 1;
    const int failed = mean_by_rows(c, &behind, &w, amounts, 0);
    memset(behind.held + c->values, 0, SLACK * sizeof *behind.held);
    c->held = behind.held, c->table = 0, c->n = 0;
    return failed;
}

/* Towards bells with a deviation for every channel, of which 0 or less leaves it as it is; by how much
 * is in `amounts`, or all of the way. */
static int to_bells(Chain *c, const float *sigmas, const float *amounts, float kernel)
{
    const int channels = c->channels;
    if (goes_by_rows(c, sigmas))
        return bell_by_rows(c, sigmas[0], amounts, kernel);
    const int64_t width = c->r->width, height = c->r->pixels / width, pixels = c->r->pixels;
    float weights[MOST_REACH + 1], *there, *out = floats(c->values), *planes = 0;
    int alike = 1, failed = hold(c, &there) || !out;
    for (int k = 1; k < channels; k++)
        alike &= sigmas[k] == sigmas[0];
    if (!failed && !alike)
        failed = !(planes = floats(3 * (pixels + SLACK)));
    float *in = planes, *valid = planes ? planes + pixels + SLACK : 0, *mean = planes ? valid + pixels + SLACK : 0;
    if (!failed && alike && sigmas[0] > 0) {
        const Weights w = {.reach = bell_of(sigmas[0], kernel, weights), .weights = weights};
        failed = weighted_mean(c->held, there, height, width, channels, &w, out);
    } else if (!failed && alike) {
        memcpy(out, c->held, (size_t)c->values * sizeof *out);
    }
    for (int k = 0; k < channels && !failed && !alike; k++) {
        const Weights w = {.reach = bell_of(sigmas[k], kernel, weights), .weights = weights};
        pick(c->held, pixels, channels, k, in);
        if (there)
            pick(there, pixels, channels, k, valid);
        if (sigmas[k] > 0)
            failed = weighted_mean(in, there ? valid : 0, height, width, 1, &w, mean);
        const float *found = sigmas[k] > 0 ? mean : in;
        for (int64_t i = 0; i < pixels; i++)
            out[i * channels + k] = found[i];
    }
    for (int64_t i = 0; amounts && !failed && i < c->values; i += channels)
        for (int k = 0; k < channels; k++) {
            const float v = c->held[i + k];
            out[i + k] = amounts[k] == 0 ? v : v + amounts[k] * (v - out[i + k]);
        }
    free(planes), free(there);
    if (failed) {
        free(out);
        return 1;
    }
    free(c->held);
    c->held = out;
    return 0;
}

/* Elements: how many samples, the length of the segment, cosine and sine of its direction. */
static int to_segment_mean(Chain *c, const float *own)
{
    const int samples = own[0] > 1 ? own[0] < MOST_REACH ? (int)own[0] : MOST_REACH : 1;
    const float most = MOST_REACH / 2, longest = own[1] > 0 ? own[1] < most ? own[1] : most : 0;
    const float cosine = own[2] >= -1 && own[2] <= 1 ? own[2] : 1;
    const float sine = own[3] >= -1 && own[3] <= 1 ? own[3] : 0;
    const float x = longest * cosine, y = -longest * sine;
    const int reach = (int)ceilf(longest / 2) + 1, side = 2 * reach + 1;
    float *there, *out = floats(c->values), *dense = floats((int64_t)side * side);
    int32_t *place = malloc((size_t)samples * 4 * 2 * sizeof *place);
    float *weights = malloc((size_t)samples * 4 * sizeof *weights);
    int failed = hold(c, &there) || !out || !dense || !place || !weights, taps = 0;
    for (int k = 0; k < samples && !failed; k++) {
        const float share = ((float)k + 0.5f) / (float)samples - 0.5f;
        const float left = floorf(share * x), above = floorf(share * y);
        const float right = share * x - left, below = share * y - above;
        for (int i = 0; i < 4; i++) {
            const int row = (int)above + (i >> 1) + reach, column = (int)left + (i & 1) + reach;
            dense[row * side + column] += ((i & 1) ? right : 1 - right) * ((i >> 1) ? below : 1 - below) / (float)samples;
        }
    }
    for (int i = 0; !failed && i < side * side; i++)
        if (dense[i] != 0) {
            place[2 * taps] = i / side, place[2 * taps + 1] = i % side;
            weights[taps++] = dense[i];
        }
    const Weights w = {reach, weights, place, taps};
    const int64_t width = c->r->width, height = c->r->pixels / width;
    failed = failed || weighted_mean(c->held, there, height, width, c->channels, &w, out);
    free(dense), free(place), free(weights), free(there);
    if (failed) {
        free(out);
        return 1;
    }
    free(c->held);
    c->held = out;
    return 0;
}

/* Away from means of 3 x 3 pixels of which the middle one counts five times, or towards them; pixels
 * at the border of the image stay. The element is by how much. */
static int away_from_smooth(Chain *c, float amount)
{
    static const int32_t place[18] = {0, 0, 0, 1, 0, 2, 1, 0, 1, 1, 1, 2, 2, 0, 2, 1, 2, 2};
    const int64_t width = c->r->width, height = c->r->pixels / width, n = width * c->channels;
    float weights[9], *there, *out = floats(c->values);
    for (int k = 0; k < 9; k++)
        weights[k] = (k == 4 ? 5.f : 1.f) / 13;
    const Weights w = {.reach = 1, .weights = weights, .place = place, .taps = 9};
    const int failed = hold(c, &there) || !out ||
                       weighted_mean(c->held, there, height, width, c->channels, &w, out);
    for (int64_t y = 1; y < height - 1 && !failed; y++)
        for (int64_t i = y * n + c->channels; i < (y + 1) * n - c->channels; i++)
            c->held[i] += amount * (c->held[i] - out[i]);
    free(there), free(out);
    return failed;
}

/* ---- low resolution --------------------------------------------------------------------- */

/* Which rows, or columns, stand on both sides of each, and the share of the second. */
typedef struct {
    int32_t first, second;
    float share;
} Between;

static void places_of_fewer(float scale, int64_t size, Between *found)
{
    const float n = (float)size, asked = floorf(scale * n + 0.5f);
    const float left = asked > 1 ? asked < n ? asked : n : 1;
    for (int64_t i = 0; i < size; i++) {
        float place = ((float)i + 0.5f) * left / n - 0.5f;
        place = place > 0 ? place < left - 1 ? place : left - 1 : 0;
        const float first = floorf(place), second = first + 1 < left ? first + 1 : first;
        const float read = floorf((first + 0.5f) * n / left), next = floorf((second + 0.5f) * n / left);
        found[i] = (Between){read < n ? (int32_t)read : (int32_t)size - 1,
                             next < n ? (int32_t)next : (int32_t)size - 1, place - first};
    }
}

INLINE float between_four(const float *above, const float *below, int64_t left, int64_t right, float down,
                          float along)
{
    const float from = (1 - down) * above[left] + down * below[left];
    const float to = (1 - down) * above[right] + down * below[right];
    return (1 - along) * from + along * to;
}

/* The element of a channel is the share of rows, and of columns, that is left of it. */
static int to_lower_resolution(Chain *c, const float *scales)
{
    const int channels = c->channels;
    const int64_t width = c->r->width, height = c->r->pixels / width, n = width * channels;
    float *there, *out = floats(c->values);
    Between *rows = malloc((size_t)(height + width) * sizeof *rows), *columns = rows ? rows + height : 0;
    const int failed = hold(c, &there) || !out || !rows;
    for (int k = 0; k < channels && !failed; k++) {
        places_of_fewer(scales[k], height, rows);
        places_of_fewer(scales[k], width, columns);
        for (int64_t y = 0; y < height; y++) {
            const int64_t first = rows[y].first * n + k, second = rows[y].second * n + k;
            const float *same = c->held + y * n + k;
            float *to = out + y * n + k;
            for (int64_t x = 0; x < width; x++) {
                const int64_t left = columns[x].first * channels, right = columns[x].second * channels;
                float v = between_four(c->held + first, c->held + second, left, right, rows[y].share,
                                       columns[x].share);
                if (there) {
                    const float share = between_four(there + first, there + second, left, right,
                                                     rows[y].share, columns[x].share);
                    v = share > 0 ? v / share : same[x * channels];
                }
                to[x * channels] = scales[k] == 1 ? same[x * channels] : v;
            }
        }
    }
    free(there), free(rows);
    if (failed) {
        free(out);
        return 1;
    }
    free(c->held);
    c->held = out;
    return 0;
}

/* ---- medians ---------------------------------------------------------------------------- */

INLINE void in_order(fv *a, fv *b)
{
    const fv low = vmin(*a, *b);
    *b = vmax(*a, *b);
    *a = low;
}

/* Of an odd number of neighbours. Of more than half of them neither the least nor the greatest can be
 * it: both are dropped, and one of the others comes in. */
INLINE fv middle_of(const float *first, const int64_t *apart, const int count)
{
    fv some[MOST_MEDIAN * MOST_MEDIAN / 2 + 2];
    int n = count / 2 + 2;
    for (int k = 0; k < n; k++)
        some[k] = load_fv(first + apart[k]);
    for (int next = n; next <= count; next++, n--) {
        for (int k = 0; k < n / 2; k++)
            in_order(some + k, some + n - 1 - k);
        for (int k = 1; k <= (n - 1) / 2; k++) {
            in_order(some, some + k);
            in_order(some + n - 1 - k, some + n - 1);
        }
        some[0] = next < count ? load_fv(first + apart[next]) : some[1];
    }
    return some[0];
}

/* The median of those that are valid, of two in the middle their mean. */
static float middle_of_valid(const float *first, const float *there, const int64_t *apart, int count)
{
    float some[MOST_MEDIAN * MOST_MEDIAN];
    int n = 0;
    for (int k = 0; k < count; k++) {
        if (there[apart[k]] == 0)
            continue;
        const float v = first[apart[k]];
        int at = n++;
        for (; at > 0 && some[at - 1] > v; at--)
            some[at] = some[at - 1];
        some[at] = v;
    }
    return n ? (some[(n - 1) / 2] + some[n / 2]) / 2 : 0;
}

/* The median of a square about every pixel. The element is its side. */
static int to_medians(Chain *c, float asked)
{
    const int side = asked < 4 ? 3 : asked < 6 ? 5 : MOST_MEDIAN, reach = side / 2, count = side * side;
    const int channels = c->channels;
    const int64_t width = c->r->width, height = c->r->pixels / width, n = width * channels;
    const int64_t whole = n + 2 * (int64_t)reach * channels;
    int64_t apart[MOST_MEDIAN * MOST_MEDIAN];
    float *there;
    if (hold(c, &there)) {
        free(there);
        return 1;
    }
    float *wide = with_margins(c->held, height, width, channels, reach);
    float *valid = there ? with_margins(there, height, width, channels, reach) : 0;
    const int failed = !wide || (there && !valid);
    for (int k = 0; k < count; k++)
        apart[k] = k / side * whole + (int64_t)(k % side) * channels;
    for (int64_t y = 0; y < height && !failed; y++) {
        const float *from = wide + y * whole;
        float *out = c->held + y * n;
        for (int64_t x = 0; there && x < n; x++)
            if (there[y * n + x] != 0)
                out[x] = middle_of_valid(from + x, valid + y * whole + x, apart, count);
        for (int64_t x = 0; !there && x < n; x += WIDE)
            store_fv(out + x, side == 3   ? middle_of(from + x, apart, 9)
                              : side == 5 ? middle_of(from + x, apart, 25)
                                          : middle_of(from + x, apart, 49));
    }
    free(wide), free(valid), free(there);
    return failed;
}

#endif
