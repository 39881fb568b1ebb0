// AVX-512 with VNNI: what several kernels need.
#pragma once

#include <immintrin.h>

#include "kernels_common.h"

namespace snncc {
namespace {

inline __m512i four(const uint8_t* x) {
    int32_t value;
    __builtin_memcpy(&value, x, 4);
    return _mm512_set1_epi32(value);
}

inline __mmask64 bytes(int count) { return count >= 64 ? ~0ull : (1ull << count) - 1; }

// Four vectors of levels as bytes, side by side; cut off at 0 and `span`.
inline __m512i as_bytes(__m512i a, __m512i b, __m512i c, __m512i d, __m512i span) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i joined = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    return _mm512_min_epu8(_mm512_permutexvar_epi32(order, joined), span);
}

inline __m512i level(__m512i v, const float* inverse, const float* half, int n) {
    const __m512 by = _mm512_load_ps(inverse + n * LANES), begin = _mm512_load_ps(half + n * LANES);
    return _mm512_cvttps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(v), by, begin));
}

inline __m512i level(__m512i v, const Stairs& s, int n) { return level(v, s.inverse, s.half, n); }

inline __mmask16 channels_left(int count, int first) {
    return count - first >= LANES ? static_cast<__mmask16>(0xFFFF) : static_cast<__mmask16>((1u << (count - first)) - 1);
}

inline void write_codes(uint8_t* codes, __mmask16 inside, __m512i levels) {
    _mm512_mask_cvtepi32_storeu_epi8(codes, inside, levels);
}

// What the products of position m are added to.
inline __m512i start(const uint32_t* sums, bool onto, const Fire* fire, const Scaling* skip, int m, int n) {
    __m512i found = fire ? _mm512_load_si512(fire->offset[m] + n * LANES) : _mm512_setzero_si512();
    if (onto) found = _mm512_add_epi32(found, _mm512_load_si512(sums + m * BLOCK + n * LANES));
    if (!skip) return found;
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(skip->rows[m] + n * LANES));
    const __m512i weights = _mm512_load_si512(skip->weights + n * LANES);
    return _mm512_add_epi32(found, _mm512_mullo_epi32(_mm512_cvtepu8_epi32(codes), weights));
}

}  // namespace
}  // namespace snncc
