// AVX-512 with VNNI, VPOPCNTDQ, BITALG and VBMI2.
#include <immintrin.h>

#include "avx512_bits.h"
#include "avx512_product.h"
#include "avx512_quarters.h"
#include "avx512_stream.h"

namespace snncc {
namespace {

void product(const Product& p, int vectors, int count) {
    if (has_quads(p)) return in_quads(p, count);
    switch (vectors) {
        case 1: return tiles<12, 1>(p, count);
        case 2: return tiles<12, 2>(p, count);
        case 3: return tiles<8, 3>(p, count);
        default: return tiles<6, 4>(p, count);
    }
}

// Four vectors of sums of position m: stored, or fired.
inline void finish_row(uint32_t* sums, __m512i (&found)[4], bool onto, const Fire* fire, int m) {
    for (int n = 0; n < 4; ++n) {
        found[n] = _mm512_add_epi32(found[n], start(sums, onto, fire, nullptr, m, n));
        if (fire)
            found[n] = level(found[n], fire->stairs, n);
        else
            _mm512_store_si512(sums + m * BLOCK + n * LANES, found[n]);
    }
    if (!fire) return;
    const __m512i span = _mm512_set1_epi8(static_cast<char>(fire->stairs.span));
    _mm512_mask_storeu_epi8(fire->codes[m], bytes(fire->channels), as_bytes(found[0], found[1], found[2], found[3], span));
}

void depthwise(const Depthwise& p, int count) {
    if (slides(p)) return slide_along(p, count);
    for (int m = 0; m < count; ++m) {
        __m512i sums[4];
        for (auto& sum : sums) sum = _mm512_setzero_si512();
        const int8_t* w = p.weights;
        for (int g = 0; g < p.groups; ++g, w += 4 * BLOCK) {
            __m512i x[4];
            interleave(p.rows[m], p.taps + 4 * g, x);
            for (int q = 0; q < 4; ++q) sums[q] = _mm512_dpbusd_epi32(sums[q], x[q], _mm512_load_si512(w + 64 * q));
        }
        // In channel order: a transposition of 4 x 4 lanes.
        const __m512i a = _mm512_shuffle_i32x4(sums[0], sums[1], 0x44), b = _mm512_shuffle_i32x4(sums[2], sums[3], 0x44);
        const __m512i c = _mm512_shuffle_i32x4(sums[0], sums[1], 0xEE), d = _mm512_shuffle_i32x4(sums[2], sums[3], 0xEE);
        __m512i found[4] = {_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xDD),
                            _mm512_shuffle_i32x4(c, d, 0x88), _mm512_shuffle_i32x4(c, d, 0xDD)};
        const __m512i by = _mm512_set1_epi32(static_cast<int32_t>(p.multiplier));
        for (auto& one : found) one = _mm512_mullo_epi32(one, by);
        finish_row(p.sums, found, p.onto, p.fire, m);
    }
}

inline __m512i quotient(__m512i v, const Stairs& s, int c) {
    __m256i parts[2];
    for (int i = 0; i < 2; ++i) {
        const __m256i own = i ? _mm512_extracti64x4_epi64(v, 1) : _mm512_castsi512_si256(v);
        const __m512d product = _mm512_mul_pd(_mm512_cvtepi32_pd(own), _mm512_load_pd(s.wide_inverse + c + 8 * i));
        parts[i] = _mm512_cvttpd_epi32(_mm512_add_pd(product, _mm512_load_pd(s.wide_half + c + 8 * i)));
    }
    return _mm512_inserti64x4(_mm512_castsi256_si512(parts[0]), parts[1], 1);
}

void stairs_in_double(const uint32_t* sums, const uint32_t* offset, const Fire& f, uint8_t* codes) {
    const Stairs& s = f.stairs;
    for (int c = 0; c < f.channels; c += LANES) {
        __m512i v = _mm512_add_epi32(_mm512_load_si512(sums + c), _mm512_load_si512(offset + c));
        v = _mm512_min_epi32(_mm512_max_epi32(v, _mm512_setzero_si512()), _mm512_load_si512(s.top + c));
        write_codes(codes + c, channels_left(f.channels, c), quotient(v, s, c));
    }
}

void stairs(const uint32_t* sums, int count, const Fire& f) {
    for (int m = 0; m < count; ++m, sums += BLOCK) {
        if (!f.stairs.in_float) {
            stairs_in_double(sums, f.offset[m], f, f.codes[m]);
            continue;
        }
        __m512i found[4];
        for (int n = 0; n < 4; ++n)
            found[n] = n * LANES < f.channels ? _mm512_load_si512(sums + n * LANES) : _mm512_setzero_si512();
        finish_row(nullptr, found, false, &f, m);
    }
}

void scale_rows(const Scaling& s, int vectors, int count) {
    for (int m = 0; m < count; ++m)
        for (int c = 0; c < vectors * LANES; c += LANES) {
            const __m512i codes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(s.rows[m] + c)));
            __m512i sum = _mm512_mullo_epi32(codes, _mm512_load_si512(s.weights + c));
            uint32_t* out = s.sums + m * BLOCK + c;
            if (s.onto) sum = _mm512_add_epi32(sum, _mm512_load_si512(out));
            _mm512_store_si512(out, sum);
        }
}

void table(const uint32_t* sums, int count, const Table& t, uint8_t* codes) {
    const __m512 most = _mm512_set1_ps(static_cast<float>(t.span));
    for (int c = 0; c < count; c += LANES) {
        const __m512i u = _mm512_add_epi32(_mm512_load_si512(sums + c), _mm512_load_si512(t.offset + c));
        const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(u), _mm512_load_ps(t.slope + c));
        const __m512 guess = _mm512_add_ps(product, _mm512_load_ps(t.start + c));
        const __m512 inside = _mm512_min_ps(_mm512_max_ps(guess, _mm512_setzero_ps()), most);
        __m512i level = _mm512_cvttps_epi32(inside);
        const __m512i place = _mm512_add_epi32(_mm512_load_si512(t.rows + c), level);
        const __m512i at = _mm512_i32gather_epi32(place, t.entries, 4);
        const __m512i after = _mm512_i32gather_epi32(place, t.entries + 1, 4);
        const __m512i one = _mm512_set1_epi32(1);
        const __mmask16 up = _mm512_cmpge_epi32_mask(u, after), down = _mm512_cmplt_epi32_mask(u, at);
        level = _mm512_mask_add_epi32(level, up, level, one);
        level = _mm512_mask_sub_epi32(level, down, level, one);
        write_codes(codes + c, channels_left(count, c), level);
    }
}

struct Widen {
    static void add(Ints& sums, const uint8_t* codes) {
        const __m512i own = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
        sums = reinterpret_cast<Ints>(_mm512_add_epi32(reinterpret_cast<__m512i>(sums), own));
    }
    static void add(Shorts& sums, const int8_t* weights) {
        const __m512i own = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights)));
        sums = reinterpret_cast<Shorts>(_mm512_add_epi16(reinterpret_cast<__m512i>(sums), own));
    }
};

alignas(32) constexpr uint8_t PLACES[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                            16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

int32_t list_spikes(const uint8_t* codes, int pixels, int channels, uint16_t* ids, int32_t* starts, int32_t known) {
    const __m512i low = _mm512_cvtepu8_epi16(_mm256_load_si256(reinterpret_cast<const __m256i*>(PLACES)));
    for (int x = 0; x < pixels; ++x, codes += channels) {
        starts[x] = known;
        for (int c = 0; c < channels; c += 64) {
            const __m512i own = _mm512_loadu_si512(codes + c);
            const uint64_t mask = _mm512_test_epi8_mask(own, own) & bytes(channels - c);
            const __m512i first = _mm512_add_epi16(low, _mm512_set1_epi16(static_cast<int16_t>(x * channels + c)));
            _mm512_storeu_si512(ids + known, _mm512_maskz_compress_epi16(static_cast<__mmask32>(mask), first));
            known += __builtin_popcount(static_cast<uint32_t>(mask));
            const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(32));
            _mm512_storeu_si512(ids + known, _mm512_maskz_compress_epi16(static_cast<__mmask32>(mask >> 32), second));
            known += __builtin_popcount(static_cast<uint32_t>(mask >> 32));
        }
    }
    starts[pixels] = known;
    return known;
}

void greatest_of(const Pooling& p) {
    for (int c = 0; c < p.channels; c += 64) {
        const __mmask64 inside = bytes(p.channels - c);
        for (int m = 0; m < p.positions; ++m) {
            const uint8_t* codes = p.codes + m * p.step + c;
            __m512i most = _mm512_maskz_loadu_epi8(inside, codes + p.members[0]);
            for (int i = 1; i < p.member_count; ++i)
                most = _mm512_max_epu8(most, _mm512_maskz_loadu_epi8(inside, codes + p.members[i]));
            _mm512_mask_storeu_epi8(p.best + m * p.best_step + c, inside, most);
        }
    }
}

uint64_t peak(int64_t rounds) {
    __m512i sums[24] = {}, x = _mm512_set1_epi8(1), w = _mm512_set1_epi8(1);
#pragma GCC unroll 24
    for (int n = 0; n < 24; ++n) asm volatile("" : "+v"(sums[n]));  // sums of their own, for all the compiler knows
    for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
        for (int n = 0; n < 24; ++n) sums[n] = _mm512_dpbusd_epi32(sums[n], x, w);
        asm volatile("" : "+v"(x), "+v"(w));  // the loop's products are not one and the same
    }
#pragma GCC unroll 24
    for (int n = 0; n < 24; ++n) asm volatile("" : : "v"(sums[n]));
    return static_cast<uint64_t>(rounds) * 24 * 64;
}

uint64_t count(const uint8_t* codes, const Chosen* chosen, int64_t chosen_count, uint8_t zero, int mode) {
    const __m512i middle = _mm512_set1_epi8(static_cast<char>(zero));
    __m512i total = _mm512_setzero_si512();
    uint64_t fired = 0;
    for (int64_t i = 0; i < chosen_count; ++i) {
        const __m512i x = _mm512_mask_loadu_epi8(middle, chosen[i].mask, codes + chosen[i].offset);
        if (mode == NONZERO) {
            fired += static_cast<uint64_t>(__builtin_popcountll(_mm512_cmpneq_epu8_mask(x, middle)));
            continue;
        }
        __m512i value = _mm512_or_si512(_mm512_subs_epu8(x, middle), _mm512_subs_epu8(middle, x));
        if (mode == ONES) value = _mm512_popcnt_epi8(value);
        total = _mm512_add_epi64(total, _mm512_sad_epu8(value, _mm512_setzero_si512()));
    }
    return mode == NONZERO ? fired : static_cast<uint64_t>(_mm512_reduce_add_epi64(total));
}

}  // namespace

const Kernels AVX512 = {
    "avx512", true, product, depthwise, bits, pack_bits, unpack_bits, stairs, table, scale_rows, add_up,
    greatest_of, interleave_plain, pool_steps<Widen>, add_steps<Widen>, list_spikes,
    gather<2, Widen>, 2, rate, leaky, stbif, stbif_table_plain, peak, bit_peak, count,
};

}  // namespace snncc
