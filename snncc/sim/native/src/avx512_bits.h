// AVX-512 with VPOPCNTDQ: one-bit weights on levels 0 and 1.
#pragma once

#include <immintrin.h>

#include "avx512_product.h"

namespace snncc {
namespace {

constexpr int BITS_TILE = 3;

void bits_tile(const Bits& p, int first) {
    const uint64_t* const* rows = p.rows + first;
    __m512i sums[BITS_TILE][8];
    uint32_t sent[BITS_TILE] = {};
    for (auto& row : sums)
        for (auto& sum : row) sum = _mm512_setzero_si512();
    const uint64_t* w = p.weights;
    for (int s = 0; s < p.segment_count; ++s)
        for (int g = 0; g < p.segments[s].groups; ++g, w += BLOCK)
            for (int m = 0; m < BITS_TILE; ++m) {
                const uint64_t word = rows[m][p.segments[s].offset + g];
                sent[m] += static_cast<uint32_t>(__builtin_popcountll(word));
                const __m512i x = _mm512_set1_epi64(static_cast<long long>(word));
                for (int n = 0; n < 8; ++n) {
                    const __m512i both = _mm512_and_si512(x, _mm512_load_si512(w + 8 * n));
                    sums[m][n] = _mm512_add_epi64(sums[m][n], _mm512_popcnt_epi64(both));
                }
            }
    // Counts are below 2^32: their low halves, two vectors to one.
    const __m512i low = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    __m512i found[BITS_TILE][4];
    for (int m = 0; m < BITS_TILE; ++m)
        for (int n = 0; n < 4; ++n) {
            const __m512i positive = _mm512_permutex2var_epi32(sums[m][2 * n], low, sums[m][2 * n + 1]);
            const __m512i base = start(nullptr, false, p.fire, nullptr, first + m, n);
            const __m512i all = _mm512_sub_epi32(base, _mm512_set1_epi32(static_cast<int32_t>(sent[m])));
            found[m][n] = _mm512_add_epi32(_mm512_add_epi32(positive, positive), all);
        }
    if (p.fire) return fire_tile<BITS_TILE, 4>(found, *p.fire, first);
    for (int m = 0; m < BITS_TILE; ++m)
        for (int n = 0; n < 4; ++n) _mm512_store_si512(p.sums + (first + m) * BLOCK + n * LANES, found[m][n]);
}

void bits(const Bits& p, int count) {
    for (int first = 0; first < count; first += BITS_TILE) bits_tile(p, first);
}

}  // namespace
}  // namespace snncc
