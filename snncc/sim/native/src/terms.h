// What linear maps share: strips of sums from one kernel, and sums in 64 bits.
#pragma once

#include "layer.h"

namespace snncc {

// Terms whose kernel writes whole strips.
class Tiled : public Term {
  public:
    Tiled(int source, uint32_t multiplier) : source_(source), multiplier_(multiplier) {}

    void narrow(const Context&, const Strip&, const Block&, uint32_t* sums, bool first, const Fire*) const override;
    bool fires() const override { return adds() && multiplier_ == 1; }

  protected:
    // Whether `sum` gives sums that are multiplied already.
    bool whole(const Kernels& kernels) const { return multiplier_ == 1 || (adds() && kernels.multiplies); }
    uint32_t own_multiplier(const Kernels& kernels) const { return kernels.multiplies ? multiplier_ : 1; }
    virtual void sum(const Context&, const Strip&, const Block&, uint32_t* sums, bool onto, const Fire*) const = 0;
    virtual bool adds() const { return true; }  // whether `sum` can add to sums

    // The rows that a strip reads, one place further than `places` by `shift`; those beyond its count are among them.
    void rows_of(const Context& context, const Strip& strip, const std::vector<int32_t>& places, int64_t shift,
                 const uint8_t** rows) const {
        const uint8_t* base = context.arena.map(source_, 0) + shift;
        const int64_t stride = context.arena.stride(source_);
        const int32_t* consecutive = places.data() + strip.place[0];
        const uint8_t* own = base + strip.map[0] * stride;
        for (int m = 0; m < strip.count; ++m)
            rows[m] = strip.together ? own + consecutive[m] : base + strip.map[m] * stride + places[strip.place[m]];
        for (int m = strip.count; m < STRIP; ++m) rows[m] = rows[m >= 4 ? m - 4 : 0];
    }

    const int source_;
    const uint32_t multiplier_;
};

// A convolution's weights as they came, for sums in 64 bits.
class WideConv {
  public:
    WideConv(const Geometry&, const ConvShape&, const int8_t* weights, bool used);
    void add(const uint8_t* window, const Block&, int64_t multiplier, int64_t* sums) const;

  private:
    const Geometry geometry_;
    const ConvShape shape_;
    std::vector<int8_t> weights_;
};

std::unique_ptr<Term> make_depthwise_conv(const Geometry&, int source, const ConvShape&, const int8_t* weights,
                                          int32_t multiplier, const Layer&);
}  // namespace snncc
