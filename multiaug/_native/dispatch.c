/* The formulation for the instruction set of this machine. */
#include "chunks.h"
#include "moments.h"
#include "warp.h"

#include <string.h>

#ifdef WITH_AVX2
#include <cpuid.h>
#endif
#ifdef __SSE__
#include <xmmintrin.h>
#endif

/* Changes whenever a structure does that Python declares, or a function. */
int multiaug_abi(void) { return 19; }

/* Bytes of a structure of warp.h, moments.h or chunks.h that Python declares once more; -1 for no
 * such name. */
int64_t multiaug_sizeof(const char *name)
{
#define SIZE(T)                                                                                  \
    if (!strcmp(name, #T))                                                                       \
        return (int64_t)sizeof(T);
    SIZE(ChannelBand)
    SIZE(Rules)
    SIZE(RecordNumbers)
    SIZE(Validity)
    SIZE(Segment)
    SIZE(Group)
    SIZE(Check)
    SIZE(PointwiseProgram)
    SIZE(Batch)
    SIZE(Blend)
    SIZE(Fill)
    SIZE(Noise)
    SIZE(Means)
    SIZE(Columns)
    SIZE(Chunks)
#undef SIZE
    return -1;
}

/* The number of an operation on values; -1 where none of them has the name. */
int multiaug_opcode(const char *name)
{
    for (int k = 0; k < N_OPERATIONS; k++)
        if (!strcmp(name, operations[k].name))
            return k;
    return -1;
}

/* How many elements a record hands over for an operation on so many channels. */
int64_t multiaug_elements(int opcode, int channels)
{
    return operations[opcode].once + (int64_t)operations[opcode].per_channel * channels;
}

/* The most steps and channels that are taken; one after the other. */
int multiaug_most(int which)
{
    const int most[] = {MAX_STEPS, MAX_CHANNELS};
    return most[which];
}

/* The best instruction set that may be used: tests hold all of them to one another. */
static int allowed = 2;

void multiaug_allow(int level) { allowed = level; }

/* What the processor has and the system saves, by the processor's manual. Compilers have a word for
 * it, but not all of them the function behind it. */
static int find_level(void)
{
#ifdef WITH_AVX2
    unsigned a, b, c, d, saved, unused;
    enum { FMA = 1 << 12, OSXSAVE = 1 << 27, AVX = 1 << 28 };        /* leaf 1, ecx */
    enum { AVX2 = 1 << 5, F = 1 << 16, DQ = 1 << 17, BW = 1 << 30 }; /* leaf 7, ebx */
    const unsigned VL = 1u << 31;
    if (!__get_cpuid(1, &a, &b, &c, &d) || ~c & (FMA | OSXSAVE | AVX))
        return 0;
    __asm__("xgetbv" : "=a"(saved), "=d"(unused) : "c"(0));
    if (~saved & 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & AVX2))
        return 0;
#ifdef WITH_AVX512
    if (!(~saved & 0xe6) && !(~b & (F | DQ | BW | VL)))
        return 2;
#endif
    return 1;
#else
    return 0;
#endif
}

/* Whether tables of bytes can be looked up sixty-four at a time, where the level is the highest one. */
int multiaug_permutes_bytes(void)
{
#ifdef WITH_AVX512
    static int found = -1;
    unsigned a, b, c, d;
    enum { VBMI = 1 << 1 }; /* leaf 7, ecx */
    if (found < 0)
        found = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & VBMI);
    return found;
#else
    return 0;
#endif
}

int multiaug_level(void)
{
    static int found = -1;
    if (found < 0)
        found = find_level();
    return found < allowed ? found : allowed;
}

/* XLA has its threads take subnormal numbers for zeros, and a thread that is made in one of them does
 * so, too. Here they count, because small float16 are made of them, and because a result must not
 * depend on the thread that finds it. What was switched off, to be switched on again: */
static unsigned long keep_subnormals(void)
{
#if defined(__SSE__)
    enum { ZERO_RESULTS = 0x8000, ZERO_OPERANDS = 0x0040 };
    const unsigned mode = _mm_getcsr(), zeros = mode & (ZERO_RESULTS | ZERO_OPERANDS);
    if (zeros)
        _mm_setcsr(mode & ~zeros);
    return zeros;
#elif defined(__aarch64__)
    const unsigned long FLUSH = 1ul << 24 | 1ul << 19;
    unsigned long mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    if (mode & FLUSH)
        __asm__ volatile("msr fpcr, %0" : : "r"(mode & ~FLUSH));
    return mode & FLUSH;
#else
    return 0;
#endif
}

static void as_before(unsigned long zeros)
{
    if (!zeros)
        return;
#if defined(__SSE__)
    _mm_setcsr(_mm_getcsr() | (unsigned)zeros);
#elif defined(__aarch64__)
    unsigned long mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | zeros));
#endif
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
    static void best_##name(const T *task)                                                       \
    {                                                                                            \
        TRY_AVX512(name, task)                                                                   \
        TRY_AVX2(name, task)                                                                     \
        multiaug_##name##_base(task);                                                            \
    }                                                                                            \
    void multiaug_##name(const T *task)                                                          \
    {                                                                                            \
        const unsigned long zeros = keep_subnormals();                                           \
        best_##name(task);                                                                       \
        as_before(zeros);                                                                        \
    }

FORMULATIONS(warp, Batch)
FORMULATIONS(pointwise, PointwiseProgram)
FORMULATIONS(blend, Blend)
FORMULATIONS(fill, Fill)
FORMULATIONS(noise, Noise)
FORMULATIONS(means, Means)
FORMULATIONS(moments, Columns)
