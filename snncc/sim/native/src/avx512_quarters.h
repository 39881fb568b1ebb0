// AVX-512 with VNNI: kernels whose channels are in quarters.
#pragma once

#include <immintrin.h>

#include "avx512_common.h"

namespace snncc {
namespace {

// Channels in quarters: lane L of vector q holds channels 16 L + 4 q .., as unpacking leaves them, and packing the
// levels of all four puts them in order. Of 32 or 16 channels two or four positions are side by side.

inline __m512i in_quarters(const Fire& f, int m, int q) { return _mm512_load_si512(f.offset[m] + f.quarters + q * LANES); }

// Codes of potentials in quarters, of position m and those beside it.
template <int BESIDE>
inline void fire_quarters(const __m512i (&v)[4], const Fire& f, int m) {
    __m512i levels[4];
    for (int q = 0; q < 4; ++q) levels[q] = level(v[q], f.stairs.inverse + f.quarters, f.stairs.half + f.quarters, q);
    const __m512i joined =
        _mm512_packus_epi16(_mm512_packs_epi32(levels[0], levels[1]), _mm512_packs_epi32(levels[2], levels[3]));
    const __m512i codes = _mm512_min_epu8(joined, _mm512_set1_epi8(static_cast<char>(f.stairs.span)));
    uint8_t* const* to = f.codes + m;
    if (BESIDE == 1) {
        _mm512_mask_storeu_epi8(to[0], bytes(f.channels), codes);
    } else if (to[BESIDE - 1] - to[0] == (BESIDE - 1) * BLOCK / BESIDE) {
        _mm512_storeu_si512(to[0], codes);
    } else {
        alignas(64) uint8_t apart[BLOCK];
        _mm512_store_si512(apart, codes);
        for (int i = 0; i < BESIDE; ++i) __builtin_memcpy(to[i], apart + i * BLOCK / BESIDE, BLOCK / BESIDE);
    }
}

// Four rows of 64 channels as four vectors in quarters, the rows side by side in each channel's lane.
inline void interleave(const uint8_t* row, const int32_t* taps, __m512i (&out)[4]) {
    __m512i x[4];
    for (int tap = 0; tap < 4; ++tap) x[tap] = _mm512_loadu_si512(row + taps[tap]);
    const __m512i low01 = _mm512_unpacklo_epi8(x[0], x[1]), high01 = _mm512_unpackhi_epi8(x[0], x[1]);
    const __m512i low23 = _mm512_unpacklo_epi8(x[2], x[3]), high23 = _mm512_unpackhi_epi8(x[2], x[3]);
    out[0] = _mm512_unpacklo_epi16(low01, low23);
    out[1] = _mm512_unpackhi_epi16(low01, low23);
    out[2] = _mm512_unpacklo_epi16(high01, high23);
    out[3] = _mm512_unpackhi_epi16(high01, high23);
}

// Four positions of a row, three taps wide, as VECTORS vectors that begin STRIDE columns apart: every column is
// interleaved once for all that read it.
template <int VECTORS, int STRIDE>
inline void slide(const Depthwise& p, int m) {
    constexpr int BESIDE = 4 / VECTORS;
    __m512i sums[VECTORS][4];
#pragma GCC unroll 4
    for (int o = 0; o < VECTORS; ++o)
        for (int q = 0; q < 4; ++q) sums[o][q] = in_quarters(*p.fire, m + o * BESIDE, q);
#pragma GCC unroll 9
    for (int column = 0; column < (VECTORS - 1) * STRIDE + 3; ++column) {
        __m512i x[4];
        interleave(p.rows[m] + column * p.column, p.taps, x);
#pragma GCC unroll 4
        for (int o = 0; o < VECTORS; ++o) {
            const int tap = column - o * STRIDE;
            if (tap < 0 || tap > 2) continue;
            for (int q = 0; q < 4; ++q)
                sums[o][q] = _mm512_dpbusd_epi32(sums[o][q], x[q], _mm512_load_si512(p.weights + (4 * tap + q) * 64));
        }
    }
#pragma GCC unroll 4
    for (int o = 0; o < VECTORS; ++o) fire_quarters<BESIDE>(sums[o], *p.fire, m + o * BESIDE);
}

// Whether `slide` can: neurons that fire at once, on rows of four positions.
inline bool slides(const Depthwise& p) {
    return p.column && p.step && p.fire && !p.onto && p.multiplier == 1 && (p.step == p.column || p.step == 2 * p.column);
}

void slide_along(const Depthwise& p, int count) {
    const bool dense = p.step == p.column && p.step == p.fire->channels && p.fire->uniform;
    for (int m = 0; m < count; m += 4)
        if (dense && p.step == 16)
            slide<1, 4>(p, m);
        else if (dense && p.step == 32)
            slide<2, 2>(p, m);
        else if (p.step == p.column)
            slide<4, 1>(p, m);
        else
            slide<4, 2>(p, m);
}

// 16 channels of 4 QUADS positions from rows whose pixels are 16 bytes: one load has four positions' codes.
template <int QUADS>
inline void quads(const Product& p, int first) {
    __m512i sums[QUADS][4];
    const uint8_t* rows[QUADS];
#pragma GCC unroll 6
    for (int m = 0; m < QUADS; ++m) {
        rows[m] = p.rows[first + 4 * m];
        for (int q = 0; q < 4; ++q) sums[m][q] = in_quarters(*p.fire, first, q);
    }
    const int8_t* w = p.weights;
    for (const int32_t *offset = p.offsets, *end = offset + p.groups; offset < end; offset += 4)
#pragma GCC unroll 4
        for (int g = 0; g < 4; ++g, w += 64) {
            __m512i weights[4];
            for (int q = 0; q < 4; ++q)
                weights[q] = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(w + 16 * q)));
#pragma GCC unroll 6
            for (int m = 0; m < QUADS; ++m) {
                const __m512i four_pixels = _mm512_loadu_si512(rows[m] + *offset);
                const __m512i x = _mm512_shuffle_epi32(four_pixels, static_cast<_MM_PERM_ENUM>(0x55 * g));
                for (int q = 0; q < 4; ++q) sums[m][q] = _mm512_dpbusd_epi32(sums[m][q], x, weights[q]);
            }
        }
    const __m128i first_four = _mm_setr_epi32(~0xFF, ~0xFF | 1, ~0xFF | 2, ~0xFF | 3);  // one byte, three zeros
#pragma GCC unroll 6
    for (int m = 0; m < QUADS; ++m) {
        for (int q = 0; q < 4 && p.skip; ++q) {
            const __m512i own = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(p.skip->weights + 4 * q)));
            const __m512i codes = _mm512_loadu_si512(p.skip->rows[first + 4 * m]);
            const __m512i places = _mm512_add_epi32(_mm512_broadcast_i32x4(first_four), _mm512_set1_epi32(4 * q));
            sums[m][q] = _mm512_add_epi32(sums[m][q], _mm512_mullo_epi32(_mm512_shuffle_epi8(codes, places), own));
        }
        fire_quarters<4>(sums[m], *p.fire, first + 4 * m);
    }
}

// Whether `quads` can.
inline bool has_quads(const Product& p) {
    return p.step == 16 && p.sixteens && p.fire && p.fire->uniform && p.fire->channels == 16 && !p.onto &&
           p.multiplier == 1 && (!p.skip || p.skip->step == 16);
}

void in_quads(const Product& p, int count) {
    int first = 0;
    for (; first + 24 <= count; first += 24) quads<6>(p, first);
    for (; first + 8 <= count; first += 8) quads<2>(p, first);
    if (first < count) quads<1>(p, first);
}

}  // namespace
}  // namespace snncc
