// What every instruction set does by the same loops; the compiler turns them into vectors. Everything has
// internal linkage, so that the linker cannot mix the versions.
#pragma once

#include "kernels.h"
#include "kernels_steps.h"

namespace snncc {
namespace {

// Lanes are computed sixteen at a time and written as far as they are channels; `sums` and tables have room.
template <class Lane>
inline void by_sixteen(int count, uint8_t* codes, Lane lane) {
    for (int first = 0; first < count; first += LANES) {
        uint8_t sixteen[LANES];
        for (int i = 0; i < LANES; ++i) sixteen[i] = lane(first + i);
        const int left = count - first;
        __builtin_memcpy(codes + first, sixteen, static_cast<size_t>(left < LANES ? left : LANES));
    }
}

template <class Real>
inline void stairs_in(const uint32_t* __restrict sums, const uint32_t* __restrict offset, int count, const Stairs& s,
                      const Real* __restrict inverse, const Real* __restrict half, uint8_t* codes) {
    const int32_t* __restrict top = s.top;
    by_sixteen(count, codes, [=](int c) {
        int32_t v = static_cast<int32_t>(sums[c] + offset[c]);
        v = v < 0 ? 0 : v;
        v = v > top[c] ? top[c] : v;
        return static_cast<uint8_t>(static_cast<int32_t>(static_cast<Real>(v) * inverse[c] + half[c]));
    });
}

[[maybe_unused]] void stairs_plain(const uint32_t* sums, int positions, const Fire& f) {
    const Stairs& s = f.stairs;
    for (int m = 0; m < positions; ++m, sums += BLOCK)
        if (s.in_float)
            stairs_in<float>(sums, f.offset[m], f.channels, s, s.inverse, s.half, f.codes[m]);
        else
            stairs_in<double>(sums, f.offset[m], f.channels, s, s.wide_inverse, s.wide_half, f.codes[m]);
}

[[maybe_unused]] void table_plain(const uint32_t* sums, int count, const Table& t, uint8_t* codes) {
    const float most = static_cast<float>(t.span);
    by_sixteen(count, codes, [&](int c) {
        const int32_t u = static_cast<int32_t>(sums[c] + t.offset[c]);
        const float product = static_cast<float>(u) * t.slope[c];
        float guess = product + t.start[c];
        guess = guess < 0.0f ? 0.0f : guess;  // cutting off is floor from here on
        guess = guess > most ? most : guess;
        const int32_t estimate = static_cast<int32_t>(guess);
        const int32_t place = t.rows[c] + estimate;
        const int32_t up = u >= t.entries[place + 1];
        const int32_t down = u < t.entries[place];
        return static_cast<uint8_t>(estimate + up - down);
    });
}

template <bool HARD, bool SIGNED>
inline int32_t rate_step(int32_t* __restrict v, int32_t theta, int32_t arriving) {
    const int32_t now = static_cast<int32_t>(static_cast<uint32_t>(*v) + static_cast<uint32_t>(arriving));
    const int32_t up = now >= theta, down = SIGNED && now < 0;
    const int32_t spike = up - down;
    *v = HARD ? (up ? 0 : now) : now - (up ? theta : 0) + (down ? theta : 0);
    return spike;
}

template <bool HARD, bool SIGNED>
inline void rate_in(const uint32_t* __restrict sums, int count, const Rate& r, uint8_t* codes) {
    const uint32_t* __restrict offset = r.offset;
    const int32_t* __restrict theta = r.theta;
    int32_t* __restrict v = r.v;
    int32_t* __restrict sent = r.sent;
    by_sixteen(count, codes, [&](int c) {
        const int32_t spike = rate_step<HARD, SIGNED>(v + c, theta[c], static_cast<int32_t>(sums[c] + offset[c]));
        sent[c] += spike;
        return static_cast<uint8_t>(spike + SIGNED);
    });
}

[[maybe_unused]] void rate_plain(Arriving in, int channels, int steps, const Rate& r) {
    const size_t size = sizeof(int32_t) * static_cast<size_t>((channels + LANES - 1) / LANES * LANES);
    __builtin_memmove(r.v, r.v_before, size);
    __builtin_memmove(r.sent, r.sent_before, size);
    uint8_t* codes = r.codes;
    for (int m = 0; m < steps; ++m, codes += r.apart)
        if (r.hard)
            rate_in<true, false>(in.at(m), channels, r, codes);
        else if (r.zero)
            rate_in<false, true>(in.at(m), channels, r, codes);
        else
            rate_in<false, false>(in.at(m), channels, r, codes);
}

[[maybe_unused]] bool stbif_plain(const uint32_t* __restrict sums, int count, const Stbif& s, uint8_t* codes) {
    const uint32_t* __restrict offset = s.offset;
    const int32_t* __restrict theta = s.theta;
    int32_t* __restrict v = s.v;
    int32_t* __restrict sent = s.sent;
    const int32_t lo = s.lo, hi = s.hi;
    int32_t any = 0;
    by_sixteen(count, codes, [&](int c) {
        const int32_t now = static_cast<int32_t>(static_cast<uint32_t>(v[c]) + sums[c] + offset[c]);
        const int32_t up = (now >= theta[c]) & (sent[c] < hi), down = (now < 0) & (sent[c] > lo);
        v[c] = now - (up ? theta[c] : 0) + (down ? theta[c] : 0);
        sent[c] += up - down;
        any |= c < count ? up | down : 0;
        return static_cast<uint8_t>(1 + up - down);
    });
    return any != 0;
}

bool stbif_table_plain(const uint32_t* sums, int count, const StbifTable& t, uint8_t* codes) {
    bool any = false;
    for (int c = 0; c < count; ++c) {
        t.v[c] = static_cast<int32_t>(static_cast<uint32_t>(t.v[c]) + sums[c] + t.offset[c]);
        const int32_t place = t.rows[c] + t.sent[c] - t.lo;
        const int32_t spike = (t.v[c] >= t.entries[place + 1]) - (t.v[c] < t.entries[place]);
        t.sent[c] += spike;
        any |= spike != 0;
        codes[c] = static_cast<uint8_t>(1 + spike);
    }
    return any;
}

[[maybe_unused]] void scale(const Scaling& s, int vectors, int count) {
    const int32_t* __restrict weights = s.weights;
    for (int m = 0; m < count; ++m) {
        const uint8_t* __restrict codes = s.rows[m];
        uint32_t* __restrict sums = s.sums + m * BLOCK;
        for (int c = 0; c < vectors * LANES; ++c) {
            const uint32_t product = static_cast<uint32_t>(codes[c]) * static_cast<uint32_t>(weights[c]);
            sums[c] = s.onto ? sums[c] + product : product;
        }
    }
}

void add_up(uint32_t* __restrict sums, const uint8_t* __restrict codes, int count) {
    for (int c = 0; c < count; ++c) sums[c] += codes[c];
}

[[maybe_unused]] void greatest(const Pooling& p) {
    for (int m = 0; m < p.positions; ++m) {
        const uint8_t* __restrict codes = p.codes + m * p.step;
        uint8_t* __restrict best = p.best + m * p.best_step;
        __builtin_memcpy(best, codes + p.members[0], static_cast<size_t>(p.channels));
        for (int i = 1; i < p.member_count; ++i)
            for (int c = 0; c < p.channels; ++c) {
                const uint8_t code = codes[p.members[i] + c];
                best[c] = best[c] > code ? best[c] : code;
            }
    }
}

template <int CHANNELS>
void interleave_of(const uint8_t* __restrict planes, ptrdiff_t apart, int count, uint8_t* __restrict out) {
    for (int i = 0; i < count; ++i)
        for (int c = 0; c < CHANNELS; ++c) out[i * CHANNELS + c] = planes[c * apart + i];
}

// A row of pixels whose channels lie side by side, from planes.
void interleave_plain(const uint8_t* planes, ptrdiff_t apart, int channels, int count, uint8_t* out) {
    if (channels == 1) return void(__builtin_memcpy(out, planes, static_cast<size_t>(count)));
    if (channels == 3) return interleave_of<3>(planes, apart, count, out);
    for (int c = 0; c < channels; ++c)
        for (int i = 0; i < count; ++i) out[i * channels + c] = planes[c * apart + i];
}

[[maybe_unused]] inline uint32_t ones(uint32_t value) {
    value = value - ((value >> 1) & 0x55);
    value = (value & 0x33) + ((value >> 2) & 0x33);
    return (value + (value >> 4)) & 0x0F;
}

[[maybe_unused]] uint64_t count_plain(const uint8_t* codes, const Chosen* chosen, int64_t chosen_count, uint8_t zero,
                                      int mode) {
    uint64_t total = 0;
    for (int64_t i = 0; i < chosen_count; ++i) {
        const uint8_t* from = codes + chosen[i].offset;
        for (int c = 0; c < 64; ++c) {
            if (!(chosen[i].mask >> c & 1)) continue;
            const uint32_t magnitude = from[c] > zero ? from[c] - zero : zero - from[c];
            total += mode == NONZERO ? magnitude != 0 : mode == MAGNITUDE ? magnitude : ones(magnitude);
        }
    }
    return total;
}

}  // namespace
}  // namespace snncc
