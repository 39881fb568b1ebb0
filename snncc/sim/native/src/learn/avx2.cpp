// AVX2: two registers for a vector.
#include <immintrin.h>

#include "sweeps.h"

namespace snncc::learn {
namespace {

struct Avx2 {
    static uint32_t above(const float* v, float bound) {
        const __m256 least = _mm256_set1_ps(bound);
        return join(_mm256_cmp_ps(_mm256_load_ps(v), least, _CMP_GT_OQ),
                    _mm256_cmp_ps(_mm256_load_ps(v + 8), least, _CMP_GT_OQ));
    }
    static uint32_t within(const float* v, float centre, float reach) {
        return join(close(v, centre, reach), close(v + 8, centre, reach));
    }

  private:
    static uint32_t join(__m256 low, __m256 high) {
        return static_cast<uint32_t>(_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8);
    }
    static __m256 close(const float* v, float centre, float reach) {
        const __m256 away = _mm256_sub_ps(_mm256_load_ps(v), _mm256_set1_ps(centre));
        return _mm256_cmp_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), away), _mm256_set1_ps(reach), _CMP_LT_OQ);
    }
};

}  // namespace

const Kernels AVX2 = {forward<Avx2>, read, backward, add_row, adam};

}  // namespace snncc::learn
