// Linear maps that keep the channels apart: a factor per channel, and sums over windows.
#include <cstring>

#include "layer.h"

namespace snncc {
namespace {

class Scale : public Term {
  public:
    Scale(const Geometry& g, int source, const int32_t* weights, int32_t multiplier, const Layer& layer)
        : source_(source), zero_(g.zero), step_(g.width % 4 ? 0 : g.channels), places_(places_of(g)), weights_(layer.blocks.size() * BLOCK, 0) {
        for (int32_t c = 0; c < g.channels; ++c) wide_.push_back(int64_t{weights[c]} * multiplier);
        for (const Block& block : layer.blocks)
            for (int32_t c = 0; c < block.count; ++c)
                weights_[static_cast<size_t>(block.index * BLOCK + c)] =
                    static_cast<int32_t>(static_cast<uint32_t>(wide_[static_cast<size_t>(block.first + c)]));
    }

    void narrow(const Context& context, const Strip& strip, const Block& block, uint32_t* sums, bool first,
                const Fire* fire) const override {
        const uint8_t* rows[STRIP];
        Scaling own = scaling(context, strip, block, rows);
        own.sums = sums;
        own.onto = !first;
        context.kernels.scale(own, block.vectors, strip.count);
        if (fire) context.kernels.stairs(sums, strip.count, *fire);
    }

    void wide(const Context& context, int map, int32_t place, const Block& block, int64_t* sums) const override {
        const uint8_t* codes = context.arena.map(source_, map) + places_[place] + block.first;
        for (int32_t c = 0; c < block.count; ++c) sums[c] += (int64_t{codes[c]} - zero_) * wide_[block.first + c];
    }

    bool scales() const override { return true; }

    Scaling scaling(const Context& context, const Strip& strip, const Block& block, const uint8_t** rows) const override {
        for (int m = 0; m < strip.count; ++m)
            rows[m] = context.arena.map(source_, strip.map[m]) + places_[strip.place[m]] + block.first;
        for (int m = strip.count; m < STRIP; ++m) rows[m] = rows[0];
        return {rows, &weights_[static_cast<size_t>(block.index * BLOCK)], step_, nullptr, false};
    }

  private:
    const int source_;
    const uint8_t zero_;
    const ptrdiff_t step_;
    const std::vector<int32_t> places_;
    std::vector<int64_t> wide_;
    Aligned<int32_t> weights_;
};

class SumPool : public Term {
  public:
    SumPool(const Geometry& g, int source, const PoolShape& s, const int32_t* weights, const int32_t* factors,
            int32_t multiplier, const Layer& layer)
        : source_(source), geometry_(g), shape_(s), factors_(factors, factors + layer.positions()) {
        places_ = windows(g, layer, g.channels, s.kernel_height - 1, s.kernel_width - 1, s.stride_height, s.stride_width,
                          s.pad_top, s.pad_left);
        for (int32_t c = 0; c < g.channels; ++c) weights_.push_back(int64_t{weights[c]} * multiplier);
    }

    void narrow(const Context& context, const Strip& strip, const Block& block, uint32_t* sums, bool first,
                const Fire* fire) const override {
        for (int m = 0; m < strip.count; ++m) {
            uint32_t totals[BLOCK] = {};
            add_up(context, strip.map[m], strip.place[m], block, totals);
            const uint32_t factor = static_cast<uint32_t>(factors_[strip.place[m]]), zeros = zero_sum();
            uint32_t* out = sums + m * BLOCK;
            if (first) std::memset(out, 0, sizeof(uint32_t) * BLOCK);
            for (int32_t c = 0; c < block.count; ++c)
                out[c] += (totals[c] - zeros) * factor * static_cast<uint32_t>(weights_[block.first + c]);
        }
        if (fire) context.kernels.stairs(sums, strip.count, *fire);
    }

    void wide(const Context& context, int map, int32_t place, const Block& block, int64_t* sums) const override {
        uint32_t totals[BLOCK] = {};
        add_up(context, map, place, block, totals);
        for (int32_t c = 0; c < block.count; ++c)
            sums[c] += (int64_t{totals[c]} - zero_sum()) * factors_[place] * weights_[block.first + c];
    }

  private:
    uint32_t zero_sum() const { return uint32_t{geometry_.zero} * shape_.kernel_height * shape_.kernel_width; }

    void add_up(const Context& context, int map, int32_t place, const Block& block, uint32_t* totals) const {
        const uint8_t* window = context.arena.map(source_, map) + places_[place] + block.first;
        for (int32_t y = 0; y < shape_.kernel_height; ++y)
            for (int32_t x = 0; x < shape_.kernel_width; ++x)
                context.kernels.add_up(totals, window + (y * geometry_.row() + x) * geometry_.channels, block.count);
    }

    const int source_;
    const Geometry geometry_;
    const PoolShape shape_;
    const std::vector<int32_t> factors_;
    std::vector<int32_t> places_;
    std::vector<int64_t> weights_;
};

}  // namespace

std::unique_ptr<Term> make_scale(const Geometry& g, int source, const int32_t* weights, int32_t multiplier,
                                 Layer& layer) {
    require(g.channels == layer.channels && g.height == layer.height && g.width == layer.width,
            "a scale and its layer have different shapes");
    for (int32_t c = 0; c < g.channels; ++c)
        layer.correction[c] -= static_cast<uint32_t>(weights[c]) * static_cast<uint32_t>(multiplier) * g.zero;
    return std::make_unique<Scale>(g, source, weights, multiplier, layer);
}

std::unique_ptr<Term> make_sum_pool(const Geometry& g, int source, const PoolShape& s, const int32_t* weights,
                                    const int32_t* factors, int32_t multiplier, Layer& layer) {
    require(g.channels == layer.channels, "a pool and its layer have different channels");
    require(int64_t{s.kernel_height} * s.kernel_width < (1 << 23), "a pool of 2^23 taps or more");
    return std::make_unique<SumPool>(g, source, s, weights, factors, multiplier, layer);
}

}  // namespace snncc
