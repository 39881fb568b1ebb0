// AVX2: two registers for a vector.
#include <immintrin.h>

#include "rate_sweeps.h"

namespace snncc::learn {
namespace {

struct Avx2 {
    static uint32_t above(const float* v, float bound) {
        const __m256 same = _mm256_set1_ps(bound);
        return join(above(v, same), above(v + 8, same));
    }
    static uint32_t above(const float* v, const float* bounds) {
        return join(above(v, _mm256_load_ps(bounds)), above(v + 8, _mm256_load_ps(bounds + 8)));
    }
    static uint32_t within(const float* v, float centre, float reach) {
        const __m256 middle = _mm256_set1_ps(centre), least = _mm256_set1_ps(reach);
        return join(close(v, middle, least), close(v + 8, middle, least));
    }
    static uint32_t within(const float* v, const float* centres, const float* reaches) {
        return join(close(v, _mm256_load_ps(centres), _mm256_load_ps(reaches)),
                    close(v + 8, _mm256_load_ps(centres + 8), _mm256_load_ps(reaches + 8)));
    }

  private:
    static uint32_t join(__m256 low, __m256 high) {
        return static_cast<uint32_t>(_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8);
    }
    static __m256 above(const float* v, __m256 bounds) {
        return _mm256_cmp_ps(_mm256_load_ps(v), bounds, _CMP_GT_OQ);
    }
    static __m256 close(const float* v, __m256 centres, __m256 reaches) {
        const __m256 away = _mm256_sub_ps(_mm256_load_ps(v), centres);
        return _mm256_cmp_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), away), reaches, _CMP_LT_OQ);
    }
};

}  // namespace

const Kernels AVX2 = {forward<Avx2>, read, backward, drive, forward_rate<Avx2>, backward_rate, drive_back, add_row, adam};

}  // namespace snncc::learn
