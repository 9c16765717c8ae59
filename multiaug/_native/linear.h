/* Linear blending of one element type: included with T, its width conversions, and NAME(x). */

/* One pixel of C channels from four taps. Without masks, vectors overlap instead of leaving a rest. */
INLINE void NAME(pixel)(const T *a, const T *b, const T *c, const T *d, float fx, float fy, T *out,
                        int C, int by_lines)
{
#ifdef __AVX512F__
    /* Not of one number: some compilers write all four bytes of it where one is asked for. */
    for (int k = 0; k < C && C >= 4; k += 16) {
        const int n = C - k < 16 ? C - k : 16;
        if (n > 8) {
            const fv mixed = BLEND(NAME(some16)(a + k, n), NAME(some16)(b + k, n),
                                   NAME(some16)(c + k, n), NAME(some16)(d + k, n), fx, fy);
            if (by_lines)
                NAME(stream)(out + k, mixed);
            else
                NAME(put16)(out + k, mixed, n);
        } else {
            const f8 mixed = BLEND(NAME(some8)(a + k, n), NAME(some8)(b + k, n),
                                   NAME(some8)(c + k, n), NAME(some8)(d + k, n), fx, fy);
            NAME(put_some8)(out + k, mixed, n);
        }
    }
    if (C >= 4)
        return;
#endif
    (void)by_lines;
    if (C >= 8) {
        for (int k = 0;; k = k + 16 <= C ? k + 8 : C - 8) {
            NAME(put8)(out + k, BLEND(NAME(wide)(a + k), NAME(wide)(b + k), NAME(wide)(c + k),
                                      NAME(wide)(d + k), fx, fy));
            if (k + 8 == C)
                return;
        }
    }
    if (C >= 4) {
        for (int k = 0;; k = C - 4) {
            NAME(put4)(out + k, BLEND(NAME(half)(a + k), NAME(half)(b + k), NAME(half)(c + k),
                                      NAME(half)(d + k), fx, fy));
            if (k + 4 == C)
                return;
        }
    }
    for (int k = 0; k < C; k++)
        out[k] = NAME(one)(BLEND((float)a[k], (float)b[k], (float)c[k], (float)d[k], fx, fy));
}

#ifdef __AVX2__
/* One channel: neighbouring taps are one word. */
INLINE void NAME(single)(const T *in, int64_t W, const Chunk *c, int from, int to, T *out)
{
    NAME(two) upper[ROOM] ALIGNED, lower[ROOM] ALIGNED;
    const int n = to - from;
    for (int i = 0; i < n; i += 4)
        for (int q = i; q < i + 4; q++) {
            const T *p = in + c->index[from + q];
            memcpy(upper + q, p, sizeof *upper);
            memcpy(lower + q, p + W, sizeof *lower);
        }
    for (int i = 0; i < n; i += WIDE) {
        fv a[2], b[2];
        NAME(apart)(upper + i, a);
        NAME(apart)(lower + i, b);
        NAME(put_some)(out + from + i, BLEND(a[0], a[1], b[0], b[1], load_fv(c->fx + from + i),
                                             load_fv(c->fy + from + i)), n - i);
    }
}
#endif

/* Few channels: taps are laid out along the row first, then blended by vectors. */
INLINE void NAME(thin)(const T *in, int64_t W, const Chunk *c, int from, int to, T *out, int C,
                       int64_t S)
{
    T tap[4][2 * CHUNK], mixed[2 * CHUNK];
    float fx[2 * CHUNK], fy[2 * CHUNK];
    const int n = to - from;
    for (int i = 0; i < n; i++) {
        const T *p = in + c->index[from + i] * S;
        for (int k = 0; k < C; k++) {
            tap[0][i * C + k] = p[k];
            tap[1][i * C + k] = p[k + S];
            tap[2][i * C + k] = p[k + W];
            tap[3][i * C + k] = p[k + W + S];
            fx[i * C + k] = c->fx[from + i];
            fy[i * C + k] = c->fy[from + i];
        }
    }
    for (int i = 0; i < n * C; i += 8)
        NAME(put8)(mixed + i,
                   BLEND(NAME(wide)(tap[0] + i), NAME(wide)(tap[1] + i), NAME(wide)(tap[2] + i),
                         NAME(wide)(tap[3] + i), wide_f32(fx + i), wide_f32(fy + i)));
    if (S == C)
        memcpy(out + from * S, mixed, n * C * sizeof(T));
    else
        for (int i = 0; i < n; i++)
            for (int k = 0; k < C; k++)
                out[(from + i) * S + k] = mixed[i * C + k];
}

/* Pixels from .. to, all of them between four pixels of the picture. */
INLINE void NAME(between)(const T *in, int64_t W, const Chunk *c, int from, int to, T *out, int C,
                          int64_t S, int by_lines)
{
#ifdef __AVX2__
    if (C == 1 && S == 1) {
        NAME(single)(in, W, c, from, to, out);
        return;
    }
#endif
    if (C <= 2) {
        NAME(thin)(in, W, c, from, to, out, C, S);
        return;
    }
    int i = from;
#ifdef RGB
    if (C == 3 && (S == 3 || sizeof(T) == 4))
        i = NAME(rgb)(in, W, c, from, to, out, S);
#endif
    /* Three channels are read as four, of which the last is dropped. */
    for (; i < to && C == 3; i++) {
        const T *p = in + c->index[i] * S;
        T four[4];
        NAME(put4)(four, BLEND(NAME(half)(p), NAME(half)(p + S), NAME(half)(p + W),
                               NAME(half)(p + W + S), c->fx[i], c->fy[i]));
        memcpy(out + i * S, four, 3 * sizeof(T));
    }
    for (; i < to; i++) {
        const T *p = in + c->index[i] * S;
        NAME(pixel)(p, p + S, p + W, p + W + S, c->fx[i], c->fy[i], out + i * S, C,
                    by_lines);
    }
}

INLINE void NAME(row)(const Group *g, const Lane *l, const T *in, const Chunk *c, T *out, int C,
                      int64_t S)
{
    /* Pixels of whole lines, of pictures that no cache holds, are written past the caches: lines
     * need not be read first. */
    const int by_lines = !l->recoloured && sizeof(T) == sizeof(float) && S == C &&
                         sizeof(T) * C % LINE == 0 &&
                         (uintptr_t)out % LINE == 0 && l->out_bytes > CACHED;
    for (const Run *r = c->runs; r < c->runs + c->n_runs; r++) {
        if (r->place == BETWEEN) {
            NAME(between)(in, g->w_in * S, c, r->from, r->to, out, C, S, by_lines);
        } else if (r->place == EXACT) {
            for (int i = r->from; i < r->to; i++)
                memcpy(out + i * S, in + c->index[i] * S, C * sizeof(T));
        } else if (r->place == BEYOND && is_filled(l->border)) {
            for (int i = r->from; i < r->to; i++)
                memcpy(out + i * S, l->fill, C * sizeof(T));
        } else {
            for (int i = r->from; i < r->to; i++) {
                const Taps *t = c->taps + i;
                const T *p[4];
                for (int k = 0; k < 4; k++)
                    p[k] = (const T *)tap_of(g, l, (const char *)in, t, k, sizeof(T));
                if (t->fx == 0 && t->fy == 0)
                    memcpy(out + i * S, p[0], C * sizeof(T));
                else
                    NAME(pixel)(p[0], p[1], p[2], p[3], t->fx, t->fy, out + i * S, C,
                                by_lines);
            }
        }
    }
}

static void NAME(linear)(const Group *g, const Lane *l, const char *source, const Chunk *c,
                         char *result)
{
    const T *in = (const T *)source;
    T *out = (T *)result;
    const int64_t S = l->stride;
    switch (l->channels) {
    case 1:
        if (S == 1)
            NAME(row)(g, l, in, c, out, 1, 1);
        else
            NAME(row)(g, l, in, c, out, 1, S);
        break;
    case 2: NAME(row)(g, l, in, c, out, 2, S); break;
    case 3:
        if (S == 3)
            NAME(row)(g, l, in, c, out, 3, 3);
        else
            NAME(row)(g, l, in, c, out, 3, S);
        break;
    case 4: NAME(row)(g, l, in, c, out, 4, S); break;
    case 6: NAME(row)(g, l, in, c, out, 6, S); break;
    case 8: NAME(row)(g, l, in, c, out, 8, S); break;
    case 12: NAME(row)(g, l, in, c, out, 12, S); break;
    case 13: NAME(row)(g, l, in, c, out, 13, S); break;
    case 32: NAME(row)(g, l, in, c, out, 32, S); break;
    default: NAME(row)(g, l, in, c, out, l->channels, S);
    }
}

#undef T
#undef NAME
#undef RGB
