// AVX-512 with VNNI: neurons that step.
#pragma once

#include <immintrin.h>

#include "avx512_common.h"

namespace snncc {
namespace {

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

// Writes those of 16 * VECTORS codes that are `inside`.
template <int VECTORS>
inline void put(uint8_t* codes, __mmask64 inside, __m512i bytes) {
    if (VECTORS == 4 && inside == ~__mmask64{0}) return _mm512_storeu_si512(codes, bytes);
    if (VECTORS == 1 && inside == 0xFFFF)
        return _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), _mm512_castsi512_si128(bytes));
    _mm512_mask_storeu_epi8(codes, inside, bytes);
}

// 16 * VECTORS channels from `c` on: the vectors' chains of steps are independent, so they are walked side by side.
template <int VECTORS, bool SIGNED, bool HARD>
inline void rate_from(int c, Arriving in, int channels, int steps, const Rate& r) {
    const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi32(1), ones = _mm512_set1_epi8(1);
    const __mmask64 inside = bytes(channels - c);
    __m512i theta[VECTORS], offset[VECTORS], v[VECTORS], sent[VECTORS];
    for (int n = 0; n < VECTORS; ++n) {
        theta[n] = _mm512_load_si512(r.theta + c + n * LANES);
        offset[n] = _mm512_load_si512(r.offset + c + n * LANES);
        v[n] = _mm512_load_si512(r.v_before + c + n * LANES);
        sent[n] = _mm512_load_si512(r.sent_before + c + n * LANES);
    }
    uint8_t* codes = r.codes + c;
    for (int m = 0; m < steps; ++m, codes += r.apart) {
        __mmask64 up = 0, down = 0;
        for (int n = 0; n < VECTORS; ++n) {
            const __m512i drive = _mm512_add_epi32(_mm512_load_si512(in.at(m) + c + n * LANES), offset[n]);
            v[n] = _mm512_add_epi32(v[n], drive);
            const __mmask16 over = _mm512_cmpge_epi32_mask(v[n], theta[n]);
            const __mmask16 under = SIGNED ? _mm512_cmplt_epi32_mask(v[n], zero) : static_cast<__mmask16>(0);
            v[n] = HARD ? _mm512_mask_mov_epi32(v[n], over, zero) : _mm512_mask_sub_epi32(v[n], over, v[n], theta[n]);
            sent[n] = _mm512_mask_add_epi32(sent[n], over, sent[n], one);
            up |= static_cast<__mmask64>(over) << (n * LANES);
            if (!SIGNED) continue;
            v[n] = _mm512_mask_add_epi32(v[n], under, v[n], theta[n]);
            sent[n] = _mm512_mask_sub_epi32(sent[n], under, sent[n], one);
            down |= static_cast<__mmask64>(under) << (n * LANES);
        }
        __m512i spikes = _mm512_maskz_mov_epi8(up, ones);
        if (SIGNED) spikes = _mm512_add_epi8(_mm512_mask_sub_epi8(spikes, down, spikes, ones), ones);
        put<VECTORS>(codes, inside, spikes);
    }
    for (int n = 0; n < VECTORS; ++n) {
        _mm512_store_si512(r.v + c + n * LANES, v[n]);
        _mm512_store_si512(r.sent + c + n * LANES, sent[n]);
    }
}

template <bool SIGNED, bool HARD>
void rate_of(Arriving in, int channels, int steps, const Rate& r) {
    if (channels > 3 * LANES) return rate_from<4, SIGNED, HARD>(0, in, channels, steps, r);
    for (int c = 0; c < channels; c += LANES)
        rate_from<1, SIGNED, HARD>(c, in, channels - c < LANES ? channels : c + LANES, steps, r);
}

void rate(Arriving in, int channels, int steps, const Rate& r) {
    if (r.hard) return rate_of<false, true>(in, channels, steps, r);
    r.zero ? rate_of<true, false>(in, channels, steps, r) : rate_of<false, false>(in, channels, steps, r);
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

}  // namespace
}  // namespace snncc
