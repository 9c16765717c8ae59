/* The formulation for the instruction set of this machine. */
#include "warp.h"

/* Changes whenever a structure of warp.h does. */
int multiaug_abi(void) { return 9; }

/* The best instruction set that may be used: tests hold all of them to one another. */
static int allowed = 2;

void multiaug_allow(int level) { allowed = level; }

int multiaug_level(void)
{
    int found = 0;
#ifdef WITH_AVX2
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        found = 1;
#endif
#ifdef WITH_AVX512
    if (found && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        found = 2;
#endif
    return found < allowed ? found : allowed;
}

#ifdef WITH_AVX2
#define TRY_AVX2(name, task)                                                                     \
    if (multiaug_level() == 1) {                                                                 \
        multiaug_##name##_avx2(task);                                                            \
        return;                                                                                  \
    }
#else
#define TRY_AVX2(name, task)
#endif
#ifdef WITH_AVX512
#define TRY_AVX512(name, task)                                                                   \
    if (multiaug_level() == 2) {                                                                 \
        multiaug_##name##_avx512(task);                                                          \
        return;                                                                                  \
    }
#else
#define TRY_AVX512(name, task)
#endif

#define FORMULATIONS(name, T)                                                                    \
    void multiaug_##name##_base(const T *);                                                      \
    void multiaug_##name##_avx2(const T *);                                                      \
    void multiaug_##name##_avx512(const T *);                                                    \
    void multiaug_##name(const T *task)                                                          \
    {                                                                                            \
        TRY_AVX512(name, task)                                                                   \
        TRY_AVX2(name, task)                                                                     \
        multiaug_##name##_base(task);                                                            \
    }

FORMULATIONS(warp, Batch)
FORMULATIONS(recolour, Recolouring)
