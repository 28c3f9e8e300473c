/*
 * May FAISS be called on this processor? Asked before anything of FAISS is, which is compiled for
 * x86-64-v3. Built with RSI_FAISS_BASELINE when FAISS was compiled for the baseline processor. No
 * state, no locks.
 */
#include "vectors/vectors.h"

#include <stddef.h>

#if defined(__x86_64__) && !defined(RSI_FAISS_BASELINE)
#include <cpuid.h>
#endif

#if defined(__x86_64__) && !defined(RSI_FAISS_BASELINE)
/* x86-64-v3, as the psABI defines it; the operating system's part is in the compiler's check. */
static bool processor_is_v3(void)
{
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2"))
        return false;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_MOVBE) == 0 || (c & bit_F16C) == 0)
        return false;
    return __get_cpuid(0x80000001u, &a, &b, &c, &d) && (c & bit_LZCNT) != 0;
}
#else
static bool processor_is_v3(void)
{
    return true;
}
#endif

bool rsi_faiss_available(const char **reason)
{
    bool available = processor_is_v3();
    if (reason != NULL)
        *reason = available ? NULL : "this processor is below x86-64-v3, which FAISS was built for";
    return available;
}
