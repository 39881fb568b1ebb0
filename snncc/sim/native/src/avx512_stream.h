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

template <bool SIGNED, bool HARD>
void rate_of(const uint32_t* sums, int channels, int steps, const Rate& r) {
    const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi32(1);
    for (int c = 0; c < channels; c += LANES) {
        uint8_t* codes = r.codes + c;
        const __m512i theta = _mm512_load_si512(r.theta + c), offset = _mm512_load_si512(r.offset + c);
        const __mmask16 inside = channels_left(channels, c);
        __m512i v = _mm512_load_si512(r.v + c), sent = _mm512_load_si512(r.sent + c);
        for (int m = 0; m < steps; ++m, codes += r.apart) {
            v = _mm512_add_epi32(v, _mm512_add_epi32(_mm512_load_si512(sums + m * BLOCK + c), offset));
            const __mmask16 up = _mm512_cmpge_epi32_mask(v, theta);
            const __mmask16 down = SIGNED ? _mm512_cmplt_epi32_mask(v, zero) : static_cast<__mmask16>(0);
            v = HARD ? _mm512_mask_mov_epi32(v, up, zero) : _mm512_mask_sub_epi32(v, up, v, theta);
            if (SIGNED) v = _mm512_mask_add_epi32(v, down, v, theta);
            __m512i spikes = _mm512_maskz_mov_epi32(up, one);
            if (SIGNED) spikes = _mm512_mask_sub_epi32(spikes, down, zero, one);
            sent = _mm512_add_epi32(sent, spikes);
            const __m128i code = _mm512_cvtepi32_epi8(SIGNED ? _mm512_add_epi32(spikes, one) : spikes);
            if (inside == 0xFFFF)
                _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), code);
            else
                _mm_mask_storeu_epi8(codes, inside, code);
        }
        _mm512_store_si512(r.v + c, v);
        _mm512_store_si512(r.sent + c, sent);
    }
}

void rate(const uint32_t* sums, int channels, int steps, const Rate& r) {
    if (r.hard) return rate_of<false, true>(sums, channels, steps, r);
    r.zero ? rate_of<true, false>(sums, channels, steps, r) : rate_of<false, false>(sums, channels, steps, r);
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
