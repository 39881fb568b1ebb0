// Plain C++: any processor.
#include "rate_sweeps.h"

namespace snncc::learn {
namespace {

struct Plain {
    static uint32_t above(const float* v, float bound) {
        uint32_t found = 0;
        for (int l = 0; l < WIDTH; ++l) found |= static_cast<uint32_t>(v[l] > bound) << l;
        return found;
    }
    static uint32_t above(const float* v, const float* bounds) {
        uint32_t found = 0;
        for (int l = 0; l < WIDTH; ++l) found |= static_cast<uint32_t>(v[l] > bounds[l]) << l;
        return found;
    }
    static uint32_t within(const float* v, float centre, float reach) {
        uint32_t found = 0;
        for (int l = 0; l < WIDTH; ++l) found |= static_cast<uint32_t>(__builtin_fabsf(v[l] - centre) < reach) << l;
        return found;
    }
    static uint32_t within(const float* v, const float* centres, const float* reaches) {
        uint32_t found = 0;
        for (int l = 0; l < WIDTH; ++l)
            found |= static_cast<uint32_t>(__builtin_fabsf(v[l] - centres[l]) < reaches[l]) << l;
        return found;
    }
};

}  // namespace

const Kernels BASELINE = {forward<Plain>, read, backward, drive, forward_rate<Plain>, backward_rate, drive_back, add_row, adam};

}  // namespace snncc::learn
