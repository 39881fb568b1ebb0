// AVX2: products of bytes in pairs (vpmaddubsw), which saturate where two of them do not fit an int16; levels
// are split there into seven bits and the eighth, whose pairs always fit.
#include <immintrin.h>

#include "kernels_common.h"

namespace snncc {
namespace {

constexpr int HALF = 8;  // output channels of a 256-bit vector of weights

template <bool PAIRS_FIT>
inline __m256i dot(__m256i sum, __m256i x, __m256i w) {
    const __m256i one = _mm256_set1_epi16(1);
    if (PAIRS_FIT) return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), one));
    const __m256i low = _mm256_and_si256(x, _mm256_set1_epi8(0x7F));
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 7), _mm256_set1_epi8(1));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(low, w), one));
    const __m256i eighth = _mm256_maddubs_epi16(high, w);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(eighth, _mm256_set1_epi16(128)));
}

inline __m256i four(const uint8_t* x) {
    int32_t value;
    __builtin_memcpy(&value, x, 4);
    return _mm256_set1_epi32(value);
}

// M positions x N vectors of 8 channels; `width` channels stand together in the weights.
template <int M, int N, bool PAIRS_FIT>
void tile_of(const Product& p, int width, int from, int first) {
    const uint8_t* const* rows = p.rows + first;
    uint32_t* out = p.sums + first * BLOCK + from;
    __m256i sums[M][N];
    for (int m = 0; m < M; ++m)
        for (int n = 0; n < N; ++n)
            sums[m][n] = p.onto ? _mm256_loadu_si256(
                                      reinterpret_cast<const __m256i*>(out + m * BLOCK + n * HALF))
                                : _mm256_setzero_si256();
    const int8_t* w = p.weights + from * 4;
    for (int g = 0; g < p.groups; ++g, w += width * 4) {
        __m256i weights[N];
        for (int n = 0; n < N; ++n)
            weights[n] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + n * HALF * 4));
        for (int m = 0; m < M; ++m) {
            const __m256i x = four(rows[m] + p.offsets[g]);
            for (int n = 0; n < N; ++n) sums[m][n] = dot<PAIRS_FIT>(sums[m][n], x, weights[n]);
        }
    }
    for (int m = 0; m < M; ++m)
        for (int n = 0; n < N; ++n)
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + m * BLOCK + n * HALF), sums[m][n]);
}

template <bool PAIRS_FIT>
void product_by(const Product& p, int vectors, int count) {
    const int width = vectors * LANES;
    for (int first = 0; first < count; first += 4)
        for (int from = 0; from < width; from += 2 * HALF)
            if (count - first == 1)
                tile_of<1, 2, PAIRS_FIT>(p, width, from, first);
            else
                tile_of<4, 2, PAIRS_FIT>(p, width, from, first);
}

void product(const Product& p, int vectors, int count) {
    if (p.pairs_fit)
        product_by<true>(p, vectors, count);
    else
        product_by<false>(p, vectors, count);
    if (p.fire) stairs_plain(p.sums, count, *p.fire);
}

// 16 channels of four taps, as four quarters of four channels with their taps side by side.
inline void interleave(const uint8_t* row, const int32_t* taps, int lane, __m128i out[4]) {
    __m128i x[4];
    for (int tap = 0; tap < 4; ++tap)
        x[tap] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + taps[tap] + 16 * lane));
    const __m128i low01 = _mm_unpacklo_epi8(x[0], x[1]), high01 = _mm_unpackhi_epi8(x[0], x[1]);
    const __m128i low23 = _mm_unpacklo_epi8(x[2], x[3]), high23 = _mm_unpackhi_epi8(x[2], x[3]);
    out[0] = _mm_unpacklo_epi16(low01, low23);
    out[1] = _mm_unpackhi_epi16(low01, low23);
    out[2] = _mm_unpacklo_epi16(high01, high23);
    out[3] = _mm_unpackhi_epi16(high01, high23);
}

inline __m128i dot4(__m128i sum, __m128i x, __m128i w) {
    const __m256i product = _mm256_mullo_epi16(_mm256_cvtepu8_epi16(x), _mm256_cvtepi8_epi16(w));
    const __m256i pairs = _mm256_madd_epi16(product, _mm256_set1_epi16(1));
    const __m128i four = _mm_hadd_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    return _mm_add_epi32(sum, four);
}

void depthwise(const Depthwise& p, int count) {
    for (int m = 0; m < count; ++m)
        for (int lane = 0; lane < 4; ++lane) {
            __m128i sums[4];
            __m128i* out = reinterpret_cast<__m128i*>(p.sums + m * BLOCK + 16 * lane);
            for (int quarter = 0; quarter < 4; ++quarter)
                sums[quarter] = p.onto ? _mm_loadu_si128(out + quarter) : _mm_setzero_si128();
            for (int g = 0; g < p.groups; ++g) {
                __m128i x[4];
                interleave(p.rows[m], p.taps + 4 * g, lane, x);
                for (int quarter = 0; quarter < 4; ++quarter) {
                    const int8_t* w = p.weights + g * 4 * BLOCK + quarter * 64 + lane * 16;
                    const __m128i weights = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w));
                    sums[quarter] = dot4(sums[quarter], x[quarter], weights);
                }
            }
            for (int quarter = 0; quarter < 4; ++quarter) _mm_storeu_si128(out + quarter, sums[quarter]);
        }
    if (p.fire) stairs_plain(p.sums, count, *p.fire);
}

uint64_t peak(int64_t rounds) {
    __m256i sums[8] = {}, x = _mm256_set1_epi8(1), w = _mm256_set1_epi8(1);
#pragma GCC unroll 8
    for (int n = 0; n < 8; ++n) asm volatile("" : "+x"(sums[n]));  // sums of their own, for all the compiler knows
    for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 8
        for (int n = 0; n < 8; ++n) sums[n] = dot<true>(sums[n], x, w);
        asm volatile("" : "+x"(x), "+x"(w));  // the loop's products are not one and the same
    }
#pragma GCC unroll 8
    for (int n = 0; n < 8; ++n) asm volatile("" : : "x"(sums[n]));
    return static_cast<uint64_t>(rounds) * 8 * 32;
}

struct Widen {
    static void add(Ints& sums, const uint8_t* codes) {
        __m256i halves[2];
        __builtin_memcpy(halves, &sums, sizeof sums);
        for (int h = 0; h < 2; ++h) {
            const __m128i own = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + 8 * h));
            halves[h] = _mm256_add_epi32(halves[h], _mm256_cvtepu8_epi32(own));
        }
        __builtin_memcpy(&sums, halves, sizeof sums);
    }
    static void add(Shorts& sums, const int8_t* weights) {
        __m256i halves[2];
        __builtin_memcpy(halves, &sums, sizeof sums);
        for (int h = 0; h < 2; ++h) {
            const __m128i own = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + 16 * h));
            halves[h] = _mm256_add_epi16(halves[h], _mm256_cvtepi8_epi16(own));
        }
        __builtin_memcpy(&sums, halves, sizeof sums);
    }
};

int32_t list_spikes(const uint8_t* codes, int pixels, int channels, uint16_t* ids, int32_t* starts, int32_t known) {
    return list_row(codes, pixels, channels, ids, starts, known, [](const uint8_t* own) {
        uint64_t zeros = 0;
        for (int i = 0; i < 2; ++i) {
            const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(own + 32 * i));
            const __m256i none = _mm256_cmpeq_epi8(x, _mm256_setzero_si256());
            zeros |= static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(none))) << (32 * i);
        }
        return ~zeros;
    });
}

// 32 bits as bytes of all ones or none.
inline __m256i spread(uint32_t mask) {
    const __m256i own = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
    const __m256i all = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int32_t>(mask)), own);
    return _mm256_cmpeq_epi8(_mm256_and_si256(all, bit), bit);
}

uint64_t count(const uint8_t* codes, const Chosen* chosen, int64_t chosen_count, uint8_t zero, int mode) {
    const __m256i middle = _mm256_set1_epi8(static_cast<char>(zero));
    const __m256i nibble = _mm256_set1_epi8(0x0F), one = _mm256_set1_epi8(1);
    const __m256i bits = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                          0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    __m256i total = _mm256_setzero_si256();
    for (int64_t i = 0; i < 2 * chosen_count; ++i) {
        const uint8_t* from = codes + chosen[i / 2].offset + 32 * (i % 2);
        const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
        __m256i value = _mm256_or_si256(_mm256_subs_epu8(x, middle), _mm256_subs_epu8(middle, x));
        if (mode == NONZERO) {
            value = _mm256_min_epu8(value, one);
        } else if (mode == ONES) {
            const __m256i high = _mm256_and_si256(_mm256_srli_epi16(value, 4), nibble);
            value = _mm256_add_epi8(_mm256_shuffle_epi8(bits, _mm256_and_si256(value, nibble)),
                                    _mm256_shuffle_epi8(bits, high));
        }
        value = _mm256_and_si256(value, spread(static_cast<uint32_t>(chosen[i / 2].mask >> (32 * (i % 2)))));
        total = _mm256_add_epi64(total, _mm256_sad_epu8(value, _mm256_setzero_si256()));
    }
    alignas(32) uint64_t parts[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(parts), total);
    return parts[0] + parts[1] + parts[2] + parts[3];
}

}  // namespace

const Kernels AVX2 = {
    "avx2", false, product, depthwise, nullptr, nullptr, nullptr, stairs_plain, table_plain, scale, add_up, greatest,
    interleave_plain, pool_steps<Widen>, add_steps<Widen>, list_spikes, gather<1, Widen>, 1,
    rate_plain, leaky, stbif_plain, stbif_table_plain, peak, nullptr, count,
};

}  // namespace snncc
