/* Sine, cosine and the angle of a vector, the same bits on all machines.
 *
 * S. L. Moshier, Cephes Mathematical Library: sinf, cosf, atanf. */
#ifndef MULTIAUG_ANGLES_H
#define MULTIAUG_ANGLES_H

#include "functions.h"

/* Of angles up to some thousands, to two units in the last place. */
INLINE void sine_and_cosine(fv x, fv *sine, fv *cosine)
{
    /* Quarter turns, the nearest: rounded by being added to 1.5 * 2^23. */
    const fv shifted = x * 0.636619772367581f + 12582912.0f, turns = shifted - 12582912.0f;
    const iv quadrant = (iv)shifted;
    /* pi / 2 in three parts, of which the first two have few digits: products are exact. */
    fv r = x - turns * 1.5703125f;
    r = r - turns * 4.837512969970703125e-4f;
    r = r - turns * 7.54978995489188216e-8f;
    const fv z = r * r;
    const fv s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
    const fv c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z -
                 0.5f * z + 1;
    const mask swapped = equal(__builtin_convertvector(quadrant & 1, fv), splat(1));
    const fv a = choose(swapped, c, s), b = choose(swapped, s, c);
    *sine = (fv)((iv)a ^ ((quadrant & 2) << 30));
    *cosine = (fv)((iv)b ^ (((quadrant + 1) & 2) << 30));
}

/* The angle of (x, y) in radians, in (-pi, pi]; 0 of the origin. */
INLINE fv angle_of(fv y, fv x)
{
    const fv ax = absolute(x), ay = absolute(y), most = vmax(ax, ay), least = vmin(ax, ay);
    const fv nothing = {0};
    const mask nowhere = equal(most, nothing);
    fv t = least / choose(nowhere, splat(1), most);
    /* Beyond tan(pi / 8) the angle is counted from pi / 4. */
    const mask far = less(splat(0.414213562373095f), t);
    t = choose(far, (t - 1) / (t + 1), t);
    const fv z = t * t;
    fv angle = (((8.05374449538e-2f * z - 1.38776856032e-1f) * z + 1.99777106478e-1f) * z -
                3.33329491539e-1f) * z * t + t;
    angle = angle + choose(far, splat(0.785398163397448f), nothing);
    angle = choose(less(ax, ay), 1.57079632679489662f - angle, angle);
    angle = choose(less(x, nothing), 3.14159265358979324f - angle, angle);
    angle = (fv)((iv)angle | ((iv)y & (int32_t)0x80000000));
    angle = choose(nowhere, nothing, angle);
    return choose(ordered(x, y), angle, x + y);
}

#endif
