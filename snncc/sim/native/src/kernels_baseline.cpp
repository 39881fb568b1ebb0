// Plain C++: any processor.
#include "kernels_common.h"

namespace snncc {
namespace {

void product(const Product& p, int vectors, int count) {
    const int width = vectors * LANES;
    for (int m = 0; m < count; ++m) {
        uint32_t* sums = p.sums + m * BLOCK;
        for (int c = 0; c < width && !p.onto; ++c) sums[c] = 0;
        const int8_t* w = p.weights;
        for (int g = 0; g < p.groups; ++g, w += width * 4) {
            const uint8_t* x = p.rows[m] + p.offsets[g];
            const int32_t a = x[0], b = x[1], c = x[2], d = x[3];
            for (int o = 0; o < width; ++o)
                sums[o] += static_cast<uint32_t>(a * w[4 * o] + b * w[4 * o + 1] + c * w[4 * o + 2] + d * w[4 * o + 3]);
        }
    }
    if (p.fire) stairs_plain(p.sums, count, *p.fire);
}

void depthwise(const Depthwise& p, int count) {
    for (int m = 0; m < count; ++m) {
        uint32_t* sums = p.sums + m * BLOCK;
        for (int c = 0; c < BLOCK && !p.onto; ++c) sums[c] = 0;
        const int8_t* w = p.weights;
        for (int g = 0; g < p.groups; ++g)
            for (int place = 0; place < BLOCK; ++place, w += 4) {
                const int c = depthwise_channel(place / 16, place / 4 % 4, place % 4);
                int32_t part = 0;
                for (int tap = 0; tap < 4; ++tap) part += p.rows[m][p.taps[4 * g + tap] + c] * w[tap];
                sums[c] += static_cast<uint32_t>(part);
            }
    }
    if (p.fire) stairs_plain(p.sums, count, *p.fire);
}

}  // namespace

const Kernels BASELINE = {
    "baseline", false, product, depthwise, nullptr, nullptr, nullptr, stairs_plain, table_plain, scale, add_up, greatest,
    interleave_plain, pool_steps<PlainWiden>, add_steps<PlainWiden>,
    list_spikes_plain, gather<1, PlainWiden>, 1,
    rate_plain, leaky, stbif_plain, stbif_table_plain, nullptr, nullptr, count_plain,
};

}  // namespace snncc
