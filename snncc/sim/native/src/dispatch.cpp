// Which kernels this processor runs.
#include <cstring>

#include "kernels.h"

namespace snncc {
namespace {

#if defined(SNNCC_X86)
bool has_avx2() { return __builtin_cpu_supports("avx2"); }

bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq") &&
           __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("avx512vbmi2");
}
#endif

}  // namespace

const Kernels* find_kernels(const char* name) {
    const bool any = name[0] == '\0';
#if defined(SNNCC_X86)
    if ((any || !std::strcmp(name, "avx512")) && has_avx512()) return &AVX512;
    if ((any || !std::strcmp(name, "avx2")) && has_avx2()) return &AVX2;
#endif
    return any || !std::strcmp(name, "baseline") ? &BASELINE : nullptr;
}

}  // namespace snncc
