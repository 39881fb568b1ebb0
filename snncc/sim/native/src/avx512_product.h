// AVX-512 with VNNI: products of levels and weights by vpdpbusd, four of bytes per lane.
#pragma once

#include <immintrin.h>

#include "avx512_common.h"

namespace snncc {
namespace {

// Codes of the potentials v of positions `first` on. Four vectors become bytes together: those of one position, or of
// several.
template <int M, int N>
inline void fire_tile(const __m512i (&v)[M][N], const Fire& f, int first) {
    const __m512i span = _mm512_set1_epi8(static_cast<char>(f.stairs.span));
    uint8_t* const* to = f.codes + first;
    constexpr int TOGETHER = N == 1 ? 4 : N == 2 ? 2 : 1;  // positions
#pragma GCC unroll 12
    for (int m = 0; m < M; m += TOGETHER) {
        __m512i levels[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            const int position = m + (N < 3 ? i / N : 0), n = N < 3 ? i % N : i;
            levels[i] = position < M && n < N ? level(v[position < M ? position : 0][n < N ? n : 0], f.stairs, n) : span;
        }
        const __m512i codes = as_bytes(levels[0], levels[1], levels[2], levels[3], span);
        if (N > 2) {
            _mm512_mask_storeu_epi8(to[m], bytes(f.channels), codes);
        } else if (N == 2) {
            const __mmask32 inside = static_cast<__mmask32>(bytes(f.channels));
            _mm256_mask_storeu_epi8(to[m], inside, _mm512_castsi512_si256(codes));
            if (m + 1 < M) _mm256_mask_storeu_epi8(to[m + 1], inside, _mm512_extracti64x4_epi64(codes, 1));
        } else {
            const __mmask16 inside = static_cast<__mmask16>(bytes(f.channels));
            _mm_mask_storeu_epi8(to[m], inside, _mm512_castsi512_si128(codes));
            if (m + 1 < M) _mm_mask_storeu_epi8(to[m + 1], inside, _mm512_extracti32x4_epi32(codes, 1));
            if (m + 2 < M) _mm_mask_storeu_epi8(to[m + 2], inside, _mm512_extracti32x4_epi32(codes, 2));
            if (m + 3 < M) _mm_mask_storeu_epi8(to[m + 3], inside, _mm512_extracti32x4_epi32(codes, 3));
        }
    }
}

// M x N accumulators stay in registers, 24 of the 32, until their neurons have fired. With STEPPED rows are reached from
// every fourth one.
template <int M, int N, bool STEPPED>
void tile_of(const Product& p, int first) {
    __m512i sums[M][N];
    constexpr int APART = STEPPED ? 4 : 1;
    const uint8_t* rows[M / APART];
    for (int m = 0; m < M; m += APART) rows[m / APART] = p.rows[first + m];
    const ptrdiff_t step = p.step;
    const bool at_once = p.multiplier == 1;
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n)
            sums[m][n] = at_once ? start(p.sums, p.onto, p.fire, p.skip, first + m, n) : _mm512_setzero_si512();
    const int8_t* w = p.weights;
    for (const int32_t *offset = p.offsets, *end = offset + p.groups; offset < end; ++offset, w += N * 64) {
        const ptrdiff_t i = *offset;
        __m512i weights[N];
        for (int n = 0; n < N; ++n) weights[n] = _mm512_load_si512(w + n * 64);
        for (int m = 0; m < M; ++m) {
            const __m512i x = four(rows[m / APART] + i + m % APART * step);
            for (int n = 0; n < N; ++n) sums[m][n] = _mm512_dpbusd_epi32(sums[m][n], x, weights[n]);
        }
    }
    if (!at_once) {
        const __m512i by = _mm512_set1_epi32(static_cast<int32_t>(p.multiplier));
#pragma GCC unroll 12
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
            for (int n = 0; n < N; ++n)
                sums[m][n] = _mm512_add_epi32(_mm512_mullo_epi32(sums[m][n], by), start(p.sums, p.onto, p.fire, p.skip, first + m, n));
    }
    if (p.fire) return fire_tile<M, N>(sums, *p.fire, first);
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) _mm512_store_si512(p.sums + (first + m) * BLOCK + n * LANES, sums[m][n]);
}

template <int M, int N>
void tiles(const Product& p, int count) {
    for (int first = 0; first < count; first += M)
        if (count - first == 1)
            tile_of<1, N, false>(p, first);
        else if (M == 6 && count - first <= 2)
            tile_of<2, N, false>(p, first);
        else if (p.step && M % 4 == 0)
            tile_of<M, N, M % 4 == 0>(p, first);
        else
            tile_of<M, N, false>(p, first);
}

}  // namespace
}  // namespace snncc
