// Depthwise convolutions.
#include <algorithm>

#include "terms.h"

namespace snncc {
namespace {

class DepthwiseConv : public Tiled {
  public:
    DepthwiseConv(const Geometry& g, int source, const ConvShape& s, const int8_t* weights, int32_t multiplier,
                  const Layer& layer)
        : Tiled(source, static_cast<uint32_t>(multiplier)), wide_(g, s, weights, layer.wide) {
        places_ = windows(g, layer, g.channels, (s.kernel_height - 1) * s.dilation_height,
                          (s.kernel_width - 1) * s.dilation_width, s.stride_height, s.stride_width, s.pad_top, s.pad_left);
        per_column_ = (s.kernel_height + 3) / 4;
        groups_ = s.kernel_width * per_column_;
        for (int32_t x = 0; x < s.kernel_width; ++x)
            for (int32_t y = 0; y < 4 * per_column_; ++y) {
                const int64_t row = std::min(y, s.kernel_height - 1) * s.dilation_height * g.row();
                taps_.push_back(static_cast<int32_t>((row + int64_t{x} * s.dilation_width) * g.channels));
            }
        for (const Block& block : layer.blocks) packed_.push_back(pack(block, weights, s));
        if (layer.width % 4 == 0) step_ = int64_t{s.stride_width} * g.channels;
        if (s.kernel_width == 3 && per_column_ == 1 && s.dilation_width == 1) column_ = g.channels;
    }

    // Every four taps of a channel take four products of bytes, and bringing them together as long again.
    int64_t products() const override { return 8 * int64_t{groups_} * BLOCK * static_cast<int64_t>(packed_.size()); }

    void wide(const Context& context, int map, int32_t place, const Block& block, int64_t* sums) const override {
        wide_.add(context.arena.map(source_, map) + places_[place], block, static_cast<int32_t>(multiplier_), sums);
    }

  protected:
    void sum(const Context& context, const Strip& strip, const Block& block, uint32_t* sums, bool onto,
             const Fire* fire) const override {
        const uint8_t* rows[STRIP];
        rows_of(context, strip, places_, block.first, rows);
        const int8_t* weights = packed_[block.index].data();
        const uint32_t multiplier = own_multiplier(context.kernels);
        const int64_t step = strip.count % 4 || strip.steps ? 0 : step_;
        context.kernels.depthwise({rows, taps_.data(), step, column_, groups_, weights, sums, multiplier, onto, fire}, strip.count);
    }

  private:
    // Groups are columns of taps, cut into four.
    Aligned<int8_t> pack(const Block& block, const int8_t* weights, const ConvShape& s) const {
        Aligned<int8_t> packed(static_cast<size_t>(groups_) * 4 * BLOCK, 0);
        for (int32_t place = 0; place < BLOCK; ++place) {
            const int c = depthwise_channel(place, block.count);
            if (c >= block.count) continue;
            const int8_t* own = weights + int64_t{block.first + c} * s.kernel_height * s.kernel_width;
            for (int32_t x = 0; x < s.kernel_width; ++x)
                for (int32_t y = 0; y < s.kernel_height; ++y)
                    packed[static_cast<size_t>((x * per_column_ + y / 4) * 4 * BLOCK + place * 4 + y % 4)] =
                        own[int64_t{y} * s.kernel_width + x];
        }
        return packed;
    }

    const WideConv wide_;
    int32_t groups_ = 0, per_column_ = 0;
    int64_t step_ = 0, column_ = 0;
    std::vector<int32_t> places_, taps_;
    std::vector<Aligned<int8_t>> packed_;
};

}  // namespace

std::unique_ptr<Term> make_depthwise_conv(const Geometry& g, int source, const ConvShape& s, const int8_t* weights,
                                          int32_t multiplier, const Layer& layer) {
    return std::make_unique<DepthwiseConv>(g, source, s, weights, multiplier, layer);
}

}  // namespace snncc
