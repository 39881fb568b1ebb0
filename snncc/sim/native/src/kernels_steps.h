// What steps of spikes need, on vectors of the compiler's own. How bytes are widened is each instruction set's: `Widen`.
#pragma once

#include "kernels.h"

namespace snncc {
namespace {

typedef int32_t Ints __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef uint16_t Ids __attribute__((vector_size(64)));
typedef int16_t Shorts __attribute__((vector_size(64)));
typedef uint8_t Codes __attribute__((vector_size(16)));
typedef int8_t Weights __attribute__((vector_size(32)));

struct PlainWiden {
    static void add(Ints& sums, const uint8_t* codes) {
        Codes own;
        __builtin_memcpy(&own, codes, sizeof own);
        sums += __builtin_convertvector(own, Ints);
    }
    static void add(Shorts& sums, const int8_t* weights) {
        Weights own;
        __builtin_memcpy(&own, weights, sizeof own);
        sums += __builtin_convertvector(own, Shorts);
    }
};

// Up to four vectors of channels: maps lie far apart, so that what is read of each should be read at once.
template <int VECTORS, class Widen>
inline void pool_block(const PoolSteps& p, int c) {
    Ints best[STEPS][VECTORS];
    for (int i = 0; i < p.member_count; ++i) {
        Ints running[VECTORS];
        __builtin_memcpy(running, p.sums + p.members[i] + c, sizeof running);
        for (int t = 0; t < p.steps; ++t)
            for (int n = 0; n < VECTORS; ++n) {
                Widen::add(running[n], p.codes + p.members[i] + c + t * p.step + n * LANES);
                running[n] -= p.zero;
                if (i == 0)
                    best[t][n] = running[n];
                else
                    best[t][n] = running[n] > best[t][n] ? running[n] : best[t][n];
            }
    }
    for (int n = 0; n < VECTORS; ++n) {
        const int first = c + n * LANES, left = p.channels - first < LANES ? p.channels - first : LANES;
        Ints sent = {};
        __builtin_memcpy(&sent, p.sent + first, static_cast<size_t>(left) * sizeof(int32_t));
        for (int t = 0; t < p.steps; ++t) {
            const Codes gained = __builtin_convertvector(best[t][n] - sent + p.zero, Codes);
            sent = best[t][n];
            __builtin_memcpy(p.best + first + t * p.best_step, &gained, static_cast<size_t>(left));
        }
        __builtin_memcpy(p.sent + first, &sent, static_cast<size_t>(left) * sizeof(int32_t));
    }
}

template <class Widen>
void pool_steps(const PoolSteps& p) {
    int c = 0;
    for (; c + BLOCK <= p.channels; c += BLOCK) pool_block<4, Widen>(p, c);
    for (; c < p.channels; c += LANES) pool_block<1, Widen>(p, c);
}

// In blocks of 64: both arrays have room for that.
template <class Widen>
void add_steps(int32_t* sums, const uint8_t* codes, int64_t count, int steps, int64_t step, int zero) {
    for (int64_t i = 0; i < count; i += BLOCK) {
        Ints total[4];
        __builtin_memcpy(total, sums + i, sizeof total);
        for (int t = 0; t < steps; ++t)
            for (int n = 0; n < 4; ++n) Widen::add(total[n], codes + i + n * LANES + t * step);
        for (Ints& one : total) one -= steps * zero;
        __builtin_memcpy(sums + i, total, sizeof total);
    }
}

// x = x * keep / 4096 rounded toward zero, of numbers with sign. Its low 12 bits are multiplied by themselves, so that
// nothing leaves 32 bits.
inline void decay(Words& x, uint32_t keep) {
    const Words sign = reinterpret_cast<Words>(reinterpret_cast<Ints>(x) < 0);
    const Words size = (x ^ sign) - sign;
    const Words kept = (size >> 12) * keep + ((size & 4095) * keep >> 12);
    x = (kept ^ sign) - sign;
}

// 16 * VECTORS channels from `c` on, side by side: each vector's steps wait for one another.
template <int VECTORS, bool REMEMBERS>
inline void leaky_from(int c, Arriving in, int channels, int steps, const Leaky& l) {
    Words offset[VECTORS], bias[VECTORS], u[VECTORS], v[VECTORS], sent[VECTORS];
    __builtin_memcpy(offset, l.offset + c, sizeof offset);
    __builtin_memcpy(bias, l.bias + c, sizeof bias);
    if (REMEMBERS) __builtin_memcpy(u, l.u + c, sizeof u);
    __builtin_memcpy(v, l.v + c, sizeof v);
    __builtin_memcpy(sent, l.sent + c, sizeof sent);
    uint8_t* codes = l.codes + c;
    for (int m = 0; m < steps; ++m, codes += l.apart)
        for (int n = 0; n < VECTORS; ++n) {
            Words drive;
            __builtin_memcpy(&drive, in.at(m) + c + n * LANES, sizeof drive);
            drive = (drive + offset[n]) << 6;
            if (REMEMBERS) decay(u[n], l.keep_u);
            u[n] = REMEMBERS ? u[n] + drive : drive;
            decay(v[n], l.keep_v);
            v[n] += u[n] + bias[n];
            const Words fired = reinterpret_cast<Words>(reinterpret_cast<Ints>(v[n]) > l.theta);
            v[n] &= ~fired;
            sent[n] -= fired;
            const Codes spikes = __builtin_convertvector(fired & 1, Codes);
            const int left = channels - c - n * LANES;
            if (left >= LANES)
                __builtin_memcpy(codes + n * LANES, &spikes, sizeof spikes);
            else if (left > 0)
                __builtin_memcpy(codes + n * LANES, &spikes, static_cast<size_t>(left));
        }
    if (REMEMBERS) __builtin_memcpy(l.u + c, u, sizeof u);
    __builtin_memcpy(l.v + c, v, sizeof v);
    __builtin_memcpy(l.sent + c, sent, sizeof sent);
}

template <bool REMEMBERS>
inline void leaky_of(Arriving in, int channels, int steps, const Leaky& l) {
    if (channels > 3 * LANES) return leaky_from<4, REMEMBERS>(0, in, channels, steps, l);
    for (int c = 0; c < channels; c += LANES) leaky_from<1, REMEMBERS>(c, in, channels, steps, l);
}

void leaky(Arriving in, int channels, int steps, const Leaky& l) {
    l.keep_u ? leaky_of<true>(in, channels, steps, l) : leaky_of<false>(in, channels, steps, l);
}

// The spikes of one row behind the `known` ones; `nonzero` gives a bit for each of 64 codes.
template <class Nonzero>
inline int32_t list_row(const uint8_t* codes, int pixels, int channels, uint16_t* ids, int32_t* starts, int32_t known,
                        Nonzero nonzero) {
    for (int x = 0; x < pixels; ++x) {
        starts[x] = known;
        for (int c = 0; c < channels; c += 64) {
            const int first = x * channels + c;
            uint64_t mask = nonzero(codes + first);
            if (channels - c < 64) mask &= (uint64_t{1} << (channels - c)) - 1;
            for (; mask; mask &= mask - 1) ids[known++] = static_cast<uint16_t>(first + __builtin_ctzll(mask));
        }
    }
    starts[pixels] = known;
    return known;
}

[[maybe_unused]] int32_t list_spikes_plain(const uint8_t* codes, int pixels, int channels, uint16_t* ids, int32_t* starts,
                                           int32_t known) {
    return list_row(codes, pixels, channels, ids, starts, known, [](const uint8_t* own) {
        uint64_t mask = 0;
        for (int i = 0; i < 64; ++i) mask |= static_cast<uint64_t>(own[i] != 0) << i;
        return mask;
    });
}

// The inputs of `rows` rows of a window that sent a spike, one behind the other, and up to three that weigh nothing: as
// offsets of their weights in units of 8 bytes, which an address adds for nothing.
template <int SHIFT>
inline int spikes_within(const Gather& g, const int32_t* starts, int first, int rows, uint16_t* out) {
    int known = 0;
    for (int row = first; row < first + rows; ++row) {
        const int32_t* own = starts + row * g.spikes.row;
        const int count = own[g.columns] - own[0];
        for (int i = 0; i < count; i += 32) {
            Ids ids;
            __builtin_memcpy(&ids, g.spikes.ids + own[0] + i, sizeof ids);
            ids = (ids + static_cast<uint16_t>(row * g.inputs - g.first_id)) << SHIFT;
            __builtin_memcpy(out + known + i, &ids, sizeof ids);
        }
        known += count;
    }
    for (int i = 0; i < 3; ++i) out[known + i] = static_cast<uint16_t>((g.rows * g.inputs) << SHIFT);
    return known;
}

// Rows of 32 * HALVES weights. Few of them are added to two sums in turn, so that additions do not wait for each other.
template <int HALVES, class Widen>
inline void add_rows(const int8_t* weights, const uint16_t* inputs, int count, Shorts* sums) {
    constexpr size_t UNIT = HALVES == 1 ? 8 : 4 * HALVES;  // bytes of an offset's
    constexpr int CHAINS = HALVES > 2 ? 1 : 2;
    Shorts own[CHAINS][HALVES] = {};
    for (int i = 0; i < count; i += 4)
        for (int h = 0; h < HALVES; ++h)
            for (int n = 0; n < 4; ++n) Widen::add(own[n % CHAINS][h], weights + 32 * h + inputs[i + n] * UNIT);
    for (int h = 0; h < HALVES; ++h) sums[h] = CHAINS == 2 ? own[0][h] + own[CHAINS - 1][h] : own[0][h];
}

template <int HALVES, class Widen>
inline void gather_of(const Gather& g, int count) {
    constexpr int BLOCKS = (HALVES + 1) / 2, WIDTH = HALVES == 1 ? 32 : BLOCK;
    uint16_t inputs[MOST_INPUTS + 64];
    for (int m = 0; m < count; ++m) {
        int32_t totals[HALVES * 32] = {};
        for (int row = 0; row < g.rows; row += g.together) {
            const int known = spikes_within<HALVES == 1 ? 2 : 3>(g, g.spikes.starts + m * g.spikes.map, row, g.together, inputs);
            Shorts sums[HALVES];
            add_rows<HALVES, Widen>(g.weights, inputs, known, sums);
            for (int h = 0; h < HALVES; ++h)
                for (int c = 0; c < 32; ++c) totals[32 * h + c] += sums[h][c];
        }
        for (int b = 0; b < BLOCKS; ++b) {
            uint32_t* out = g.sums + b * g.apart + m * BLOCK;
            for (int c = 0; c < WIDTH; ++c) {
                const uint32_t total = static_cast<uint32_t>(totals[b * BLOCK + c]) * g.multiplier;
                out[c] = g.onto ? out[c] + total : total;
            }
        }
    }
}

template <int BLOCKS, class Widen>
void gather(const Gather& g, int count) {
    if (g.width == 32) return gather_of<1, Widen>(g, count);
    g.width == BLOCK ? gather_of<2, Widen>(g, count) : gather_of<2 * BLOCKS, Widen>(g, count);
}

}  // namespace
}  // namespace snncc
