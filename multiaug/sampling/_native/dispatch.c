/* The formulation for the instruction set of this machine. */
#include "warp.h"

/* Changes whenever a structure of warp.h does. */
int multiaug_abi(void) { return 5; }

#ifdef WITH_AVX2
#define FORMULATIONS(name, T)                                                                    \
    void multiaug_##name##_base(const T *);                                                      \
    void multiaug_##name##_avx2(const T *);                                                      \
    void multiaug_##name(const T *task)                                                          \
    {                                                                                            \
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                                                      \
            multiaug_##name##_avx2(task);                                                        \
        else                                                                                     \
            multiaug_##name##_base(task);                                                        \
    }
#else
#define FORMULATIONS(name, T)                                                                    \
    void multiaug_##name##_base(const T *);                                                      \
    void multiaug_##name(const T *task) { multiaug_##name##_base(task); }
#endif

FORMULATIONS(warp, Batch)
FORMULATIONS(count, Recolouring)
FORMULATIONS(recolour, Recolouring)
