/* The formulation for the instruction set of this machine. */
#include "warp.h"

/* Changes whenever a structure of warp.h does. */
int multiaug_abi(void) { return 3; }

void multiaug_warp_base(const Batch *);
#ifdef WITH_AVX2
void multiaug_warp_avx2(const Batch *);
#endif

void multiaug_warp(const Batch *batch)
{
#ifdef WITH_AVX2
    if (__builtin_cpu_supports("avx2")) {
        multiaug_warp_avx2(batch);
        return;
    }
#endif
    multiaug_warp_base(batch);
}
