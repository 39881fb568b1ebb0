// AVX-512 with VNNI (vpdpbusd: four products of bytes per lane, added without saturation) and VPOPCNTDQ.
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

inline __m512i level(__m512i v, const Stairs& s, int n) {
    const __m512 inverse = _mm512_load_ps(s.inverse + n * LANES), half = _mm512_load_ps(s.half + n * LANES);
    return _mm512_cvttps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(v), inverse, half));
}

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

// What the products of position m are added to.
inline __m512i start(const uint32_t* sums, bool onto, const Fire* fire, int m, int n) {
    const __m512i found = fire ? _mm512_load_si512(fire->offset[m] + n * LANES) : _mm512_setzero_si512();
    return onto ? _mm512_add_epi32(found, _mm512_load_si512(sums + m * BLOCK + n * LANES)) : found;
}

// M x N accumulators stay in registers, 24 of the 32, until their neurons have fired. With STEPS rows are reached from
// every fourth one.
template <int M, int N, bool STEPS>
void tile_of(const Product& p, int first) {
    __m512i sums[M][N];
    constexpr int APART = STEPS ? 4 : 1;
    const uint8_t* rows[M / APART];
    for (int m = 0; m < M; m += APART) rows[m / APART] = p.rows[first + m];
    const ptrdiff_t step = p.step;
    const bool at_once = p.multiplier == 1;
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n)
            sums[m][n] = at_once ? start(p.sums, p.onto, p.fire, first + m, n) : _mm512_setzero_si512();
    const int8_t* w = p.weights;
    for (int s = 0; s < p.segment_count; ++s) {
        const ptrdiff_t offset = p.segments[s].offset;
        const ptrdiff_t end = offset + 4 * static_cast<ptrdiff_t>(p.segments[s].groups);
        for (ptrdiff_t i = offset; i < end; i += 4) {
            __m512i weights[N];
            for (int n = 0; n < N; ++n) weights[n] = _mm512_load_si512(w + n * 64);
            for (int m = 0; m < M; ++m) {
                const __m512i x = four(rows[m / APART] + i + m % APART * step);
                for (int n = 0; n < N; ++n) sums[m][n] = _mm512_dpbusd_epi32(sums[m][n], x, weights[n]);
            }
            w += N * 64;
        }
    }
    if (!at_once) {
        const __m512i by = _mm512_set1_epi32(static_cast<int32_t>(p.multiplier));
#pragma GCC unroll 12
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
            for (int n = 0; n < N; ++n)
                sums[m][n] = _mm512_add_epi32(_mm512_mullo_epi32(sums[m][n], by), start(p.sums, p.onto, p.fire, first + m, n));
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
        else if (p.step && M % 4 == 0)
            tile_of<M, N, M % 4 == 0>(p, first);
        else
            tile_of<M, N, false>(p, first);
}

void product(const Product& p, int vectors, int count) {
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
        found[n] = _mm512_add_epi32(found[n], start(sums, onto, fire, m, n));
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
    for (int m = 0; m < count; ++m) {
        __m512i sums[4];
        for (auto& sum : sums) sum = _mm512_setzero_si512();
        const int8_t* w = p.weights;
        for (int g = 0; g < p.groups; ++g, w += 4 * BLOCK) {
            __m512i x[4];
            for (int tap = 0; tap < 4; ++tap) x[tap] = _mm512_loadu_si512(p.rows[m] + p.taps[4 * g + tap]);
            const __m512i low01 = _mm512_unpacklo_epi8(x[0], x[1]), high01 = _mm512_unpackhi_epi8(x[0], x[1]);
            const __m512i low23 = _mm512_unpacklo_epi8(x[2], x[3]), high23 = _mm512_unpackhi_epi8(x[2], x[3]);
            sums[0] = _mm512_dpbusd_epi32(sums[0], _mm512_unpacklo_epi16(low01, low23), _mm512_load_si512(w));
            sums[1] = _mm512_dpbusd_epi32(sums[1], _mm512_unpackhi_epi16(low01, low23), _mm512_load_si512(w + 64));
            sums[2] = _mm512_dpbusd_epi32(sums[2], _mm512_unpacklo_epi16(high01, high23), _mm512_load_si512(w + 128));
            sums[3] = _mm512_dpbusd_epi32(sums[3], _mm512_unpackhi_epi16(high01, high23), _mm512_load_si512(w + 192));
        }
        // Lane L of vector q holds channels 16 L + 4 q ..: a transposition of 4 x 4 lanes.
        const __m512i a = _mm512_shuffle_i32x4(sums[0], sums[1], 0x44), b = _mm512_shuffle_i32x4(sums[2], sums[3], 0x44);
        const __m512i c = _mm512_shuffle_i32x4(sums[0], sums[1], 0xEE), d = _mm512_shuffle_i32x4(sums[2], sums[3], 0xEE);
        __m512i found[4] = {_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xDD),
                            _mm512_shuffle_i32x4(c, d, 0x88), _mm512_shuffle_i32x4(c, d, 0xDD)};
        const __m512i by = _mm512_set1_epi32(static_cast<int32_t>(p.multiplier));
        for (auto& one : found) one = _mm512_mullo_epi32(one, by);
        finish_row(p.sums, found, p.onto, p.fire, m);
    }
}

inline __mmask16 channels_left(int count, int first) {
    return count - first >= LANES ? static_cast<__mmask16>(0xFFFF) : static_cast<__mmask16>((1u << (count - first)) - 1);
}

inline void write_codes(uint8_t* codes, __mmask16 inside, __m512i levels) {
    _mm512_mask_cvtepi32_storeu_epi8(codes, inside, levels);
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

// What neurons that fired up or down do: codes, sums of spikes; true if any lane of a channel did.
inline bool send(uint8_t* codes, __mmask16 inside, __mmask16 up, __mmask16 down, int zero, int32_t* sent) {
    const __m512i one = _mm512_set1_epi32(1);
    __m512i spikes = _mm512_maskz_mov_epi32(up, one);
    spikes = _mm512_mask_sub_epi32(spikes, down, spikes, one);
    _mm512_store_si512(sent, _mm512_add_epi32(_mm512_load_si512(sent), spikes));
    write_codes(codes, inside, _mm512_add_epi32(spikes, _mm512_set1_epi32(zero)));
    return ((up | down) & inside) != 0;
}

inline __m512i arrived(const uint32_t* sums, const uint32_t* offset, const int32_t* v) {
    const __m512i drive = _mm512_add_epi32(_mm512_load_si512(sums), _mm512_load_si512(offset));
    return _mm512_add_epi32(_mm512_load_si512(v), drive);
}

uint32_t rate(const uint32_t* sums, int channels, int steps, const Rate& r, uint8_t* const* codes) {
    const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi32(1);
    uint32_t fired = 0;
    for (int c = 0; c < channels; c += LANES) {
        const __m512i theta = _mm512_load_si512(r.theta + c), offset = _mm512_load_si512(r.offset + c);
        const __mmask16 inside = channels_left(channels, c);
        __m512i v = _mm512_load_si512(r.v + c), sent = _mm512_load_si512(r.sent + c);
        for (int m = 0; m < steps; ++m) {
            v = _mm512_add_epi32(v, _mm512_add_epi32(_mm512_load_si512(sums + m * BLOCK + c), offset));
            const __mmask16 up = _mm512_cmpge_epi32_mask(v, theta);
            const __mmask16 down = r.zero ? _mm512_cmplt_epi32_mask(v, zero) : static_cast<__mmask16>(0);
            v = r.hard ? _mm512_mask_mov_epi32(v, up, zero) : _mm512_mask_sub_epi32(v, up, v, theta);
            v = _mm512_mask_add_epi32(v, down, v, theta);
            const __m512i spikes = _mm512_mask_sub_epi32(_mm512_maskz_mov_epi32(up, one), down, zero, one);
            sent = _mm512_add_epi32(sent, spikes);
            const __m128i code = _mm_add_epi8(_mm512_cvtepi32_epi8(spikes), _mm_set1_epi8(static_cast<char>(r.zero)));
            _mm_mask_storeu_epi8(codes[m] + c, inside, code);
            fired |= static_cast<uint32_t>(((up | down) & inside) != 0) << m;
        }
        _mm512_store_si512(r.v + c, v);
        _mm512_store_si512(r.sent + c, sent);
    }
    return fired;
}

bool stbif(const uint32_t* sums, int count, const Stbif& s, uint8_t* codes) {
    const __m512i lo = _mm512_set1_epi32(s.lo), hi = _mm512_set1_epi32(s.hi);
    bool any = false;
    for (int c = 0; c < count; c += LANES) {
        const __m512i theta = _mm512_load_si512(s.theta + c), sent = _mm512_load_si512(s.sent + c);
        __m512i v = arrived(sums + c, s.offset + c, s.v + c);
        const __mmask16 room_up = _mm512_cmplt_epi32_mask(sent, hi), room_down = _mm512_cmpgt_epi32_mask(sent, lo);
        const __mmask16 up = _mm512_mask_cmpge_epi32_mask(room_up, v, theta);
        const __mmask16 down = _mm512_mask_cmplt_epi32_mask(room_down, v, _mm512_setzero_si512());
        v = _mm512_mask_sub_epi32(v, up, v, theta);
        _mm512_store_si512(s.v + c, _mm512_mask_add_epi32(v, down, v, theta));
        any |= send(codes + c, channels_left(count, c), up, down, 1, s.sent + c);
    }
    return any;
}

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
    for (int m = 0; m < BITS_TILE; ++m)
        for (int n = 0; n < 8; ++n) {
            const __m256i positive = _mm512_cvtepi64_epi32(sums[m][n]);
            const __m256i all = _mm256_set1_epi32(static_cast<int32_t>(sent[m]));
            _mm256_store_si256(reinterpret_cast<__m256i*>(p.sums + (first + m) * BLOCK + 8 * n),
                               _mm256_sub_epi32(_mm256_add_epi32(positive, positive), all));
        }
}

void bits(const Bits& p, int count) {
    for (int first = 0; first < count; first += BITS_TILE) bits_tile(p, first);
}

void pack_bits(const uint8_t* codes, int channels, uint64_t* words) {
    for (int c = 0; c < channels; c += 64) {
        const __mmask64 inside = channels - c >= 64 ? ~0ull : (1ull << (channels - c)) - 1;
        const __m512i x = _mm512_maskz_loadu_epi8(inside, codes + c);
        words[c / 64] = _mm512_test_epi8_mask(x, x);
    }
}

void greatest_of(uint8_t* best, const uint8_t* const* members, int member_count, int channels) {
    for (int c = 0; c < channels; c += 64) {
        const __mmask64 inside = bytes(channels - c);
        __m512i most = _mm512_maskz_loadu_epi8(inside, members[0] + c);
        for (int i = 1; i < member_count; ++i)
            most = _mm512_max_epu8(most, _mm512_maskz_loadu_epi8(inside, members[i] + c));
        _mm512_mask_storeu_epi8(best + c, inside, most);
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
    "avx512", true, product, depthwise, bits, pack_bits, stairs, table, scale_rows, add_up,
    greatest_of, rate, stbif, stbif_table_plain, peak, count,
};

}  // namespace snncc
