// The inner loops, once per instruction set. Every table gives the same integers.
//
// Sums are kept in uint32: they wrap without undefined behaviour, and a certified sum that fits an int32 is
// right however its partial sums wrapped.
#pragma once

#include <cstddef>
#include <cstdint>

namespace snncc {

constexpr int LANES = 16;   // output channels of one vector of weights
constexpr int BLOCK = 64;   // most output channels of a block: four vectors
constexpr int STRIP = 48;   // most output positions of a strip
constexpr int STEPS = 32;   // most time steps of a strip
constexpr int MOST_INPUTS = (1 << 13) - 1;  // of a window whose spikes are followed: 64 weights each, in 16 bits of 8 bytes
constexpr int SLACK = 128;  // bytes behind every map that a kernel may read and ignore

// Bytes of a pixel whose codes are bits.
constexpr int32_t bit_bytes(int32_t channels) { return (channels + 15) / 16 * 2; }

// n = floor(min(max(v, 0), top) / theta), v = U + offset, as (v * inverse + half) cut off. It was checked at every step, with
// and without the rounding of the product.
struct Stairs {
    const int32_t* top;
    const float* inverse;
    const float* half;
    const double* wide_inverse;
    const double* wide_half;
    bool in_float;
    uint8_t span;
};

// A strip of neurons that share their thresholds.
struct Fire {
    Stairs stairs;
    bool packed = false;            // neurons of two levels that write bits; they use no stairs
    int channels;
    ptrdiff_t quarters;             // from a table, of offsets too, to the one in the order of `depthwise_channel`
    bool uniform;                   // all positions have one offset
    const uint32_t* offset[STRIP];  // of each position; of packed neurons what their sum must reach, int32
    uint8_t* codes[STRIP];          // where each position's go, bits of packed neurons: beyond the strip's count to `spare`
    uint8_t spare[BLOCK];
};

// sums[m][c] = rows[m][c] * weights[c].
struct Scaling {
    const uint8_t* const* rows;
    const int32_t* weights;  // [vectors * 16]
    ptrdiff_t step;          // as in Product
    uint32_t* sums;
    bool onto;
};

// sums[m][c] = sum over i of rows[m][i] * weights[i][c] for a strip of positions and `vectors` x 16 channels. With `fire`
// the codes of the neurons are written, and what `sums` holds afterwards is undefined. There are STRIP rows; those
// beyond the strip's count may be read, and what `sums` gets for them is ignored.
struct Product {
    const uint8_t* const* rows;
    ptrdiff_t step;  // in every four rows from one to the next; 0: rows lie anywhere
    const int32_t* offsets;  // of groups of four bytes
    int32_t groups;
    bool sixteens;          // every four groups lie next to each other
    const int8_t* weights;  // [groups][vectors * 16][4]
    uint32_t* sums;         // [STRIP][BLOCK]
    bool pairs_fit;         // two products always fit an int16
    uint32_t multiplier;    // of what is added: 1 unless the kernels multiply
    bool onto;              // added to `sums`
    const Fire* fire;       // or none
    const Scaling* skip;    // added too, or none
};

// The same for channels of their own: sums[m][c] = sum over taps of rows[m][tap + c] * weights[tap][c].
struct Depthwise {
    const uint8_t* const* rows;
    const int32_t* taps;  // [groups * 4] offsets
    ptrdiff_t step;       // as in Product
    ptrdiff_t column;     // where the groups are three columns of taps: from one column to the next; else 0
    int32_t groups;
    const int8_t* weights;  // [groups][4 quarters][4 lanes][4 channels][4 taps]: see `depthwise_channel`
    uint32_t* sums;
    uint32_t multiplier;
    bool onto;
    const Fire* fire;
};

// The channel whose weights stand at place (quarter, lane, entry) of a group.
constexpr int depthwise_channel(int quarter, int lane, int entry) { return 16 * lane + 4 * quarter + entry; }

// The same for place 0 .. 63 of a block of `count` channels; 16 or 32 channels stand there again and again.
constexpr int depthwise_channel(int place, int count) {
    const int channel = depthwise_channel(place / 16, place / 4 % 4, place % 4);
    return count == 16 || count == 32 ? channel % count : channel;
}

// One-bit weights on levels 0 and 1, 16 of each to two bytes: a sum is the number of positive weights less that of the
// inputs that differ from their weights. With `fire` what is written is one bit per neuron: whether its sum reaches what
// `fire->offset` holds for it.
struct Bits {
    const uint8_t* const* rows;
    const int32_t* offsets;  // of groups of 16 inputs, in bytes
    int32_t groups;
    int32_t vectors;          // of 16 channels
    const uint16_t* weights;  // [groups][32 or 64 channels]; 64 for more than two vectors
    const uint32_t* positive;  // [64]
    uint32_t* sums;
    const Fire* fire;  // or none
};

// n = estimate + [U >= B(estimate + 1)] - [U < B(estimate)], estimate = floor(U * slope + start) in 0 .. span.
struct Table {
    const uint32_t* offset;
    const float* slope;
    const float* start;
    const int32_t* entries;  // [span + 2] per row, from -infinity to +infinity
    const int32_t* rows;     // row of every channel
    int32_t span;
};

// What arrives at one position in consecutive maps; `apart` 0: the same in all.
struct Arriving {
    const uint32_t* sums;
    ptrdiff_t apart;
    const uint32_t* at(int map) const { return sums + map * apart; }
};

// One step of streaming neurons, on `sums` of what arrives; `sent` is the sum of their spikes so far. Codes are
// spikes + zero. Those of `stbif`, which end when none fires any more, give whether any neuron did.
struct Rate {
    const uint32_t* offset;  // the bias, in every step
    const int32_t* theta;
    const int32_t* v_before;     // before the first step
    const int32_t* sent_before;
    int32_t* v;
    int32_t* sent;
    uint8_t* codes;     // of the first step
    ptrdiff_t apart;    // from one step's to the next
    uint8_t zero;  // 1 if spikes may be negative, else 0
    bool hard;     // v = 0 after a spike
};

// Neurons that leak, in 64ths of a drive: u = d(u) + 64 I, v = d(v) + u + bias, a spike where v > theta, and then v = 0;
// d(x) = x * keep / 4096, rounded toward zero. Where no u is kept there is no array of it.
struct Leaky {
    const uint32_t* offset;  // of I
    const uint32_t* bias;
    int32_t theta;
    uint32_t keep_u, keep_v;
    int32_t* u;
    int32_t* v;
    int32_t* sent;
    uint8_t* codes;   // of the first step
    ptrdiff_t apart;  // from one step's to the next
};

struct Stbif {
    const uint32_t* offset;
    const int32_t* theta;
    int32_t* v;
    int32_t* sent;
    int32_t lo, hi;
};

struct StbifTable {
    const uint32_t* offset;
    const int32_t* entries;  // as in Table
    const int32_t* rows;
    int32_t* v;
    int32_t* sent;
    int32_t lo;
};

// best[i][c] = the greatest of codes[i][member + c], for positions i of a row.
struct Pooling {
    const uint8_t* codes;
    const int64_t* members;
    int32_t member_count, channels, positions;
    int64_t step, best_step;  // from one position to the next
    uint8_t* best;
};

// A pool of spikes over `steps` maps that lie `step` bytes apart: best = what the greatest of the members' running sums
// gained since it was last sent. `sums` are those before these steps, at the same offsets as the codes.
struct PoolSteps {
    const uint8_t* codes;
    const int64_t* members;
    int32_t member_count, channels, steps;
    int64_t step, best_step;
    const int32_t* sums;
    int32_t* sent;
    uint8_t* best;
    int32_t zero;
};

// Where the spikes of many maps are, row by row: starts[pixel] .. starts[pixel + 1] in `ids`, each channels * x + c.
struct Spikes {
    const uint16_t* ids;
    const int32_t* starts;
    int64_t row, map;  // starts from one row to the next it reads, and from map to map
};

// sums[block][m][c] = multiplier * the sum of the weights of the spikes in a window, for maps m that follow each other. The
// weights of `together` rows of the window, one or all, never leave 16 bits, whichever of them are added.
struct Gather {
    Spikes spikes;      // `starts` at the window's first pixel
    int32_t first_id;   // of that pixel
    int32_t rows, columns, inputs;  // of the window; inputs per row
    int32_t together;
    const int8_t* weights;          // [rows * inputs + 1][width], the last ones 0
    int32_t width;                  // 32, or 64 for each block
    uint32_t* sums;
    ptrdiff_t apart;                // from one block's sums to the next one's
    uint32_t multiplier;
    bool onto;
};

// Those of 64 bytes that are counted.
struct Chosen {
    int32_t offset;
    uint64_t mask;
};

enum Mode { NONZERO = 1, MAGNITUDE = 2, ONES = 4 };

struct Kernels {
    const char* name;
    bool multiplies;  // `product` and `depthwise` take multipliers, `product` skips
    void (*product)(const Product&, int vectors, int count);
    void (*depthwise)(const Depthwise&, int count);
    void (*bits)(const Bits&, int count);  // or none
    // Codes 0 and 1 of pixels that lie next to each other, as bits: see `bit_bytes`.
    void (*pack_bits)(const uint8_t* codes, int64_t channels, int64_t pixels, uint8_t* packed);
    void (*unpack_bits)(const uint8_t* packed, int64_t channels, int64_t pixels, uint8_t* codes);
    void (*stairs)(const uint32_t* sums, int count, const Fire&);
    void (*table)(const uint32_t* sums, int count, const Table&, uint8_t* codes);
    void (*scale)(const Scaling&, int vectors, int count);
    void (*add_up)(uint32_t* sums, const uint8_t* codes, int count);
    void (*greatest)(const Pooling&);
    void (*interleave)(const uint8_t* planes, ptrdiff_t apart, int channels, int count, uint8_t* out);
    void (*pool_steps)(const PoolSteps&);
    void (*add_steps)(int32_t* sums, const uint8_t* codes, int64_t count, int steps, int64_t step, int zero);
    int32_t (*list_spikes)(const uint8_t* codes, int pixels, int channels, uint16_t* ids, int32_t* starts, int32_t known);
    void (*gather)(const Gather&, int count);
    int gathered;  // blocks that `gather` takes together at most: 1 or 2
    void (*rate)(Arriving, int channels, int steps, const Rate&);
    void (*leaky)(Arriving, int channels, int steps, const Leaky&);
    bool (*stbif)(const uint32_t* sums, int count, const Stbif&, uint8_t* codes);
    bool (*stbif_table)(const uint32_t* sums, int count, const StbifTable&, uint8_t* codes);
    uint64_t (*peak)(int64_t rounds);  // products of bytes without any memory access: how many were made
    uint64_t (*bit_peak)(int64_t rounds);  // the same of bits
    uint64_t (*count)(const uint8_t* codes, const Chosen*, int64_t chosen_count, uint8_t zero, int mode);
};

extern const Kernels BASELINE;
#if defined(SNNCC_X86)
extern const Kernels AVX2;
extern const Kernels AVX512;
#endif

// The table of a name, or null where this processor (or this build) lacks it; "" names the best one.
const Kernels* find_kernels(const char* name);

}  // namespace snncc
