// Convolutions of bits by weights of one bit.
#include <algorithm>
#include <stdexcept>

#include "bits.h"
#include "terms.h"

namespace snncc {
namespace {

class BitConv : public Tiled {
  public:
    BitConv(const Geometry& bits, int source, const ConvShape& s, const int8_t* weights, int32_t multiplier,
            const Layer& layer)
        : Tiled(source, static_cast<uint32_t>(multiplier)), outputs_(s.outputs) {
        places_ = windows(bits, layer, bits.channels, (s.kernel_height - 1) * s.dilation_height,
                          (s.kernel_width - 1) * s.dilation_width, s.stride_height, s.stride_width, s.pad_top, s.pad_left);
        for (int32_t y = 0; y < s.kernel_height; ++y)
            for (int32_t x = 0; x < s.kernel_width; ++x)
                for (int32_t part = 0; part < bits.channels; part += 2) {
                    const int64_t pixel = int64_t{y} * s.dilation_height * bits.row() + int64_t{x} * s.dilation_width;
                    offsets_.push_back(static_cast<int32_t>(pixel * bits.channels + part));
                }
        for (const Block& block : layer.blocks) pack(block, s, weights);
    }

    bool fires_bits() const override { return multiplier_ == 1; }

    // Four bits take the time of a byte.
    int64_t products() const override { return 4 * outputs_ * static_cast<int64_t>(offsets_.size()); }

    void wide(const Context&, int, int32_t, const Block&, int64_t*) const override {
        throw std::logic_error("layers of bits are narrow");
    }

  protected:
    bool adds() const override { return false; }

    void sum(const Context& context, const Strip& strip, const Block& block, uint32_t* sums, bool,
             const Fire* fire) const override {
        const uint8_t* rows[STRIP];
        rows_of(context, strip, places_, 0, rows);
        const bool packed = fire && fire->packed;
        context.kernels.bits({rows, offsets_.data(), static_cast<int32_t>(offsets_.size()), block.vectors,
                              packed_[block.index].data(), positive_[block.index].data(), sums, packed ? fire : nullptr},
                             strip.count);
        if (fire && !packed) context.kernels.stairs(sums, strip.count, *fire);
    }

  private:
    void pack(const Block& block, const ConvShape& s, const int8_t* weights) {
        const int64_t kernel = int64_t{s.kernel_height} * s.kernel_width, width = block.vectors > 2 ? 64 : 32;
        const int64_t parts = bit_bytes(s.fan_in) / 2;
        Aligned<uint16_t> packed(offsets_.size() * static_cast<size_t>(width), 0);
        Aligned<uint32_t> positive(BLOCK, 0);
        for (int32_t c = 0; c < block.count; ++c)
            for (int32_t i = 0; i < s.fan_in; ++i)
                for (int64_t tap = 0; tap < kernel; ++tap) {
                    if (weights[(int64_t{block.first + c} * s.fan_in + i) * kernel + tap] < 0) continue;
                    const size_t at = static_cast<size_t>((tap * parts + i / 16) * width + c);
                    packed[at] = static_cast<uint16_t>(packed[at] | 1u << i % 16);
                    ++positive[static_cast<size_t>(c)];
                }
        packed_.push_back(std::move(packed));
        positive_.push_back(std::move(positive));
    }

    const int64_t outputs_;
    std::vector<int32_t> places_, offsets_;
    std::vector<Aligned<uint16_t>> packed_;
    std::vector<Aligned<uint32_t>> positive_;
};

}  // namespace

// Inputs from which on bits pay: fewer leave groups of 16 empty (`benchmarks/engine_binary.py shapes`). Sums are counted in 16 bits.
constexpr int32_t FEWEST_INPUTS = 16;

bool reads_bits(const Kernels& kernels, const Geometry& g, const ConvShape& s, const int8_t* weights, const Layer& layer) {
    const int64_t fan = int64_t{s.fan_in} * s.kernel_height * s.kernel_width;
    const auto one = [](int8_t w) { return w == 1 || w == -1; };
    return kernels.bits && g.zero == 0 && s.span == 1 && s.groups == 1 && !layer.wide && fan <= INT16_MAX &&
           s.fan_in >= FEWEST_INPUTS && std::all_of(weights, weights + fan * s.outputs, one);
}

std::unique_ptr<Term> make_bit_conv(const Geometry& bits, int source, const ConvShape& s, const int8_t* weights,
                                    int32_t multiplier, const Layer& layer) {
    return std::make_unique<BitConv>(bits, source, s, weights, multiplier, layer);
}

}  // namespace snncc
