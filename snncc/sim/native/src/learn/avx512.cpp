// AVX-512: a register for a vector.
#include <immintrin.h>

#include "rate_sweeps.h"

namespace snncc::learn {
namespace {

struct Avx512 {
    static uint32_t above(const float* v, float bound) {
        return above(v, _mm512_set1_ps(bound));
    }
    static uint32_t above(const float* v, const float* bounds) { return above(v, _mm512_load_ps(bounds)); }
    static uint32_t within(const float* v, float centre, float reach) {
        return within(v, _mm512_set1_ps(centre), _mm512_set1_ps(reach));
    }
    static uint32_t within(const float* v, const float* centres, const float* reaches) {
        return within(v, _mm512_load_ps(centres), _mm512_load_ps(reaches));
    }

  private:
    static uint32_t above(const float* v, __m512 bounds) {
        return _mm512_cmp_ps_mask(_mm512_load_ps(v), bounds, _CMP_GT_OQ);
    }
    static uint32_t within(const float* v, __m512 centres, __m512 reaches) {
        return _mm512_cmp_ps_mask(_mm512_abs_ps(_mm512_sub_ps(_mm512_load_ps(v), centres)), reaches, _CMP_LT_OQ);
    }
};

}  // namespace

const Kernels AVX512 = {forward<Avx512>, read, backward, drive, forward_rate<Avx512>, backward_rate, drive_back, add_row, adam};

}  // namespace snncc::learn
