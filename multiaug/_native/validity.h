/* Where an entry shows something, in all of its channels: see `validity` in _kernels.py.
 *
 * Of channels that are blended, at least half of the linear weight is inside of the picture and on pixels
 * with data; of those that are copied, the pixel that is. No border adds anything. */
#ifndef MULTIAUG_VALIDITY_H
#define MULTIAUG_VALIDITY_H

#include "general.h"

/* Pixels of a band are copied. */
INLINE int is_picked(const ChannelBand *l)
{
    return l->method == NEAREST ||
           (l->method == GENERAL &&
            (l->rules->interpolation == BY_NEAREST || l->rules->interpolation == BY_MAJORITY));
}

/* Some pixels of a band may have no data, or none that can be blended. */
INLINE int is_judged(const ChannelBand *l)
{
    return l->method == NAN_AWARE ||
           (l->method == GENERAL && (l->rules->invalid != MARK_NOTHING || l->rules->encode));
}

/* A band of a record, as the steps of general.h have it; `soft` becomes the rules of one that has none. */
static Work work_on(const Group *g, const ChannelBand *l, int64_t record, const Chunk *c, Span span,
                    Rules *soft)
{
    Work w = {.g = g, .l = l, .rules = l->rules, .c = c, .span = span, .record = record,
              .in = l->in + row_of(l->rows, record) * l->in_bytes};
    const float *k = 0;
    if (l->method != GENERAL) {
        *soft = (Rules){.encode = l->rays ? ENCODE_RAY : ENCODE_NOTHING, .number = l->invalid,
                        .invalid = l->method == NAN_AWARE ? (l->numbered ? MARK_NUMBER : MARK_NAN)
                                                          : MARK_NOTHING};
        w.rules = soft;
        k = l->rays ? l->rays + 9 * record : 0;
    } else if (l->rules->numbers) {
        w.own = l->rules->numbers + record;
        k = w.own->k;
    }
    if (k && k[0] != 0)
        w.rays = rays_of(g, k);
    return w;
}

/* Takes off what has no data: of n pixels at these places, none of them below 0. */
static void judge_places(Work *w, const int32_t *at, uint8_t *shown)
{
    Plane value[MAX_NAN_AWARE] ALIGNED, column ALIGNED, row ALIGNED;
    const int all = w->l->channels, n = w->span.n;
    for (int i = 0; w->rules->encode && i < n; i++) {
        column[i] = (float)(at[i] % w->g->w_in);
        row[i] = (float)(at[i] / w->g->w_in);
    }
    for (w->skipped = 0; w->skipped < all; w->skipped += w->channels) {
        w->channels = all - w->skipped < MAX_NAN_AWARE ? all - w->skipped : MAX_NAN_AWARE;
        gather_planes(w, at, value);
        judge_tap(w, value);
        if (w->rules->encode)
            encode_tap(w, column, row, value);
        for (int k = 0; k < w->channels; k++)
            for (int i = 0; i < n; i++)
                shown[i] &= value[k][i] == value[k][i];
    }
}

/* Which pixels of the source have data that can be blended, for every validity of a group: (n, h, w). Of
 * those whose bands all have, it is not looked at. */
static const uint8_t *known_of(const Group *g, int64_t record, Scratch *s)
{
    const int64_t pixels = (int64_t)g->h_in * g->w_in;
    int needed = 0;
    for (int k = 0; k < g->n_bands; k++)
        needed |= is_judged(g->bands + k) && !is_picked(g->bands + k);
    if (!g->n_validities || !needed)
        return 0;
    Holding *holding = s->holding + SHOWN;
    if (holding->of == g && holding->record == record)
        return (const uint8_t *)s->memory[SHOWN];
    uint8_t *known = room(s, SHOWN, g->n_validities * pixels);
    if (!known)
        return 0;
    memset(known, 1, g->n_validities * pixels);
    for (int k = 0; k < g->n_validities; k++) {
        const Validity *v = g->validities + k;
        for (const ChannelBand *l = g->bands + v->first; l < g->bands + v->first + v->n_bands; l++) {
            if (is_picked(l) || !is_judged(l))
                continue;
            Rules soft;
            Work w = work_on(g, l, record, 0, (Span){0}, &soft);
            for (int64_t from = 0; from < pixels; from += CHUNK) {
                int32_t at[ROOM] ALIGNED;
                w.span.n = pixels - from < CHUNK ? (int)(pixels - from) : CHUNK;
                for (int i = 0; i < w.span.n; i++)
                    at[i] = (int32_t)(from + i);
                judge_places(&w, at, known + k * pixels + from);
            }
        }
    }
    *holding = (Holding){g, record};
    return known;
}

/* Takes off the pixels that copy nothing. */
static void judge_picked(const Group *g, const ChannelBand *l, int64_t record, Chunk *c, Span span,
                         uint8_t *shown)
{
    int32_t at[ROOM] ALIGNED;
    uint8_t there[ROOM];
    ChannelBand inside = *l;
    Rules soft;
    const int majority = l->method == GENERAL && l->rules->interpolation == BY_MAJORITY;
    if (!majority)
        inside.border = CONSTANT;
    Work w = work_on(g, &inside, record, c, span, &soft);
    w.channels = 1;
    fold_chunk(g, inside.border, c);
    if (majority)
        pick_majority(&w, at);
    else
        pick_pixels(&w, at);
    for (int i = 0; i < span.n; i++) {
        shown[i] &= at[i] >= 0;
        at[i] = at[i] < 0 ? 0 : at[i];
        there[i] = 1;
    }
    if (w.rules->invalid == MARK_NOTHING)
        return;
    judge_places(&w, at, there);
    for (int i = 0; i < span.n; i++)
        shown[i] &= there[i];
}

/* Takes off the pixels of which less than half of the weight is inside and known. */
static void judge_blended(const Group *g, Chunk *c, const uint8_t *known, uint8_t *shown)
{
    fold_chunk(g, CONSTANT, c);
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++) {
        if (r->place <= EXACT && !known)
            continue;
        if (r->place == BEYOND)
            memset(shown + r->from, 0, r->to - r->from);
        for (int i = r->from; i < r->to && r->place != BEYOND; i++) {
            const Taps *t = c->taps + i;
            const int near = r->place <= EXACT;
            const float fx = near ? c->fx[i] : t->fx, fy = near ? c->fy[i] : t->fy;
            float total = 0;
            for (int k = 0; k < 4; k++) {
                const int right = k & 1, lower = k >> 1;
                if (!near && (t->out_x[right] | t->out_y[lower]))
                    continue;
                const int64_t index = near ? c->index[i] + right + (int64_t)lower * g->w_in
                                           : (int64_t)t->row[lower] * g->w_in + t->column[right];
                const float weight = (lower ? fy : 1 - fy) * (right ? fx : 1 - fx);
                total += known && !known[index] ? 0 : weight;
            }
            shown[i] &= total >= HALF;
        }
    }
}

/* Of a chunk, where an entry shows something. */
static void put_validity(const Group *g, const Validity *v, int64_t record, Chunk *c, Span span,
                         const uint8_t *known)
{
    uint8_t shown[ROOM];
    int blended = 0, judged = 0, halves = 0, classic = 0;
    memset(shown, 1, sizeof shown);
    for (const ChannelBand *l = g->bands + v->first; l < g->bands + v->first + v->n_bands; l++) {
        classic |= l->border == CONSTANT_HARD || l->border == WRAP_CLASSIC;
        if (is_picked(l)) {
            judge_picked(g, l, record, c, span, shown);
            halves |= l->method == GENERAL && l->rules->interpolation == BY_MAJORITY;
        } else {
            blended = 1, judged |= is_judged(l);
        }
    }
    if (halves)
        judge_blended(g, c, 0, shown);
    if (blended)
        judge_blended(g, c, judged ? known : 0, shown);
    /* Classic pictures end at the centres of their outer pixels. */
    const float reach = g->resized ? 0.5f : 0;
    for (int i = 0; classic && i < span.n; i++)
        shown[i] &= c->x[i] >= -reach && c->x[i] <= g->w_in - 1 + reach && c->y[i] >= -reach &&
                    c->y[i] <= g->h_in - 1 + reach;
    memcpy(v->out + (record * g->h_out + span.row) * (int64_t)g->w_out + span.first, shown, span.n);
}

#endif
