// AVX-512 with VPOPCNTDQ and BITALG: one-bit weights on levels 0 and 1, both as bits.
#pragma once

#include <immintrin.h>

#include <utility>

#include "avx512_common.h"

namespace snncc {
namespace {

#define SNNCC_INLINE __attribute__((always_inline))

// f(0), f(1), .. with constants: what is indexed by them stays in registers.
template <class F, int... I>
SNNCC_INLINE inline void for_each(std::integer_sequence<int, I...>, F f) {
    (f(std::integral_constant<int, I>{}), ...);
}

template <int COUNT, class F>
SNNCC_INLINE inline void times(F f) {
    for_each(std::make_integer_sequence<int, COUNT>{}, f);
}

inline __m512i sixteen_inputs(const uint8_t* x) {
    int16_t value;
    __builtin_memcpy(&value, x, 2);
    return _mm512_set1_epi16(value);
}

// How many inputs differ from the weights, for M positions and N x 32 channels.
template <int M, int N>
SNNCC_INLINE inline void differing(const Bits& p, int first, __m512i (&counts)[M * N]) {
    const uint8_t* rows[M];
    times<M>([&](auto m) SNNCC_INLINE { rows[m] = p.rows[first + m]; });
    times<M * N>([&](auto i) SNNCC_INLINE { counts[i] = _mm512_setzero_si512(); });
    const uint16_t* w = p.weights;
    for (const int32_t *offset = p.offsets, *end = offset + p.groups; offset < end; ++offset, w += N * 32) {
        const ptrdiff_t at = *offset;
        __m512i weights[N];
        times<N>([&](auto n) SNNCC_INLINE { weights[n] = _mm512_load_si512(w + n * 32); });
        times<M>([&](auto m) SNNCC_INLINE {
            const __m512i x = sixteen_inputs(rows[m] + at);
            times<N>([&](auto n) SNNCC_INLINE {
                __m512i& count = counts[m * N + n];
                count = _mm512_add_epi16(count, _mm512_popcnt_epi16(_mm512_xor_si512(x, weights[n])));
                asm volatile("" : "+v"(count));  // in this order 24 counts fit the registers
            });
        });
    }
}

// The most inputs that may differ where a sum reaches `need`: sums are `positive` less those.
inline __m512i most_differing(const Bits& p, const uint32_t* need, int n) {
    __m256i halves[2];
    for (int half = 0; half < 2; ++half) {
        const int c = 32 * n + LANES * half;
        const __m512i most = _mm512_sub_epi32(_mm512_load_si512(p.positive + c), _mm512_load_si512(need + c));
        halves[half] = _mm512_cvtsepi32_epi16(most);
    }
    return _mm512_inserti64x4(_mm512_castsi256_si512(halves[0]), halves[1], 1);
}

inline void write_bits(uint8_t* to, uint64_t fired, int channels) {
    if (channels > 48) return void(__builtin_memcpy(to, &fired, 8));
    const __mmask16 inside = static_cast<__mmask16>((1u << 2 * ((channels + 15) / 16)) - 1);
    _mm_mask_storeu_epi8(to, inside, _mm_cvtsi64_si128(static_cast<long long>(fired)));
}

template <int N>
struct Limits {
    const uint32_t* need = nullptr;
    __m512i of[N];
};

template <int M, int N>
void bits_tile(const Bits& p, int first, Limits<N>& limits) {
    __m512i counts[M * N];
    differing<M, N>(p, first, counts);
    if (!p.fire) {
        times<M * N>([&](auto i) SNNCC_INLINE {
            uint32_t* sums = p.sums + (first + i / N) * BLOCK + i % N * 32;
            const uint32_t* positive = p.positive + i % N * 32;
            const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(counts[i]));
            const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(counts[i], 1));
            _mm512_store_si512(sums, _mm512_sub_epi32(_mm512_load_si512(positive), low));
            _mm512_store_si512(sums + LANES, _mm512_sub_epi32(_mm512_load_si512(positive + LANES), high));
        });
        return;
    }
    const uint64_t inside = bytes(p.fire->channels);
    times<M>([&](auto m) SNNCC_INLINE {
        const uint32_t* need = p.fire->offset[first + m];
        if (need != limits.need) {
            limits.need = need;
            times<N>([&](auto n) SNNCC_INLINE { limits.of[n] = most_differing(p, need, n); });
        }
        uint64_t fired = 0;
        times<N>([&](auto n) SNNCC_INLINE {
            fired |= uint64_t{_mm512_cmple_epi16_mask(counts[m * N + n], limits.of[n])} << 32 * n;
        });
        write_bits(p.fire->codes[first + m], fired & inside, p.fire->channels);
    });
}

template <int N>
void bits_of(const Bits& p, int count) {
    Limits<N> limits;
    int first = 0;
    for (; count - first > 4; first += 12) bits_tile<12, N>(p, first, limits);
    for (; count - first > 1; first += 4) bits_tile<4, N>(p, first, limits);
    if (first < count) bits_tile<1, N>(p, first, limits);
}

void bits(const Bits& p, int count) {
    p.vectors > 2 ? bits_of<2>(p, count) : bits_of<1>(p, count);
}

// Pixels of whole groups of 16 lie next to each other, as codes and as bits.
inline void join_pixels(int64_t& channels, int64_t& pixels) {
    if (channels % 16) return;
    channels *= pixels;
    pixels = 1;
}

void pack_bits(const uint8_t* codes, int64_t channels, int64_t pixels, uint8_t* packed) {
    join_pixels(channels, pixels);
    for (; pixels; --pixels, codes += channels)
        for (int64_t c = 0; c < channels; c += 64) {
            const int left = static_cast<int>(channels - c < 64 ? channels - c : 64);
            const __m512i x = _mm512_maskz_loadu_epi8(bytes(left), codes + c);
            write_bits(packed, _mm512_test_epi8_mask(x, x), left);
            packed += 2 * ((left + 15) / 16);
        }
}

void unpack_bits(const uint8_t* packed, int64_t channels, int64_t pixels, uint8_t* codes) {
    join_pixels(channels, pixels);
    for (; pixels; --pixels, codes += channels)
        for (int64_t c = 0; c < channels; c += 64) {
            const int left = static_cast<int>(channels - c < 64 ? channels - c : 64);
            uint64_t fired = 0;
            __builtin_memcpy(&fired, packed, static_cast<size_t>(2 * ((left + 15) / 16)));
            _mm512_mask_storeu_epi8(codes + c, bytes(left), _mm512_maskz_set1_epi8(fired, 1));
            packed += 2 * ((left + 15) / 16);
        }
}

uint64_t bit_peak(int64_t rounds) {
    __m512i counts[24], x = _mm512_setzero_si512(), w = _mm512_set1_epi16(1);
    times<24>([&](auto n) SNNCC_INLINE { counts[n] = _mm512_setzero_si512(); });
    for (int64_t i = 0; i < rounds; ++i)
        times<24>([&](auto n) SNNCC_INLINE {
            asm volatile("" : "+v"(x));  // another one every time, for all the compiler knows
            counts[n] = _mm512_add_epi16(counts[n], _mm512_popcnt_epi16(_mm512_xor_si512(x, w)));
            asm volatile("" : "+v"(counts[n]));
        });
    times<24>([&](auto n) SNNCC_INLINE { asm volatile("" : : "v"(counts[n])); });
    return static_cast<uint64_t>(rounds) * 24 * 512;
}

}  // namespace
}  // namespace snncc
