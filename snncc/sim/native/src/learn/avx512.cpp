// AVX-512: a register for a vector.
#include <immintrin.h>

#include "sweeps.h"

namespace snncc::learn {
namespace {

struct Avx512 {
    static uint32_t above(const float* v, float bound) {
        return _mm512_cmp_ps_mask(_mm512_load_ps(v), _mm512_set1_ps(bound), _CMP_GT_OQ);
    }
    static uint32_t within(const float* v, float centre, float reach) {
        const __m512 away = _mm512_abs_ps(_mm512_sub_ps(_mm512_load_ps(v), _mm512_set1_ps(centre)));
        return _mm512_cmp_ps_mask(away, _mm512_set1_ps(reach), _CMP_LT_OQ);
    }
};

}  // namespace

const Kernels AVX512 = {forward<Avx512>, read, backward, add_row, adam};

}  // namespace snncc::learn
