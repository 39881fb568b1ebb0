// Values whose codes are 0 and 1, kept as one bit per channel in a buffer of their own.
#include "bits.h"

#include <algorithm>
#include <stdexcept>

namespace snncc {

Geometry bit_geometry(const Geometry& g) {
    require(g.zero == 0, "bits of a value whose codes do not begin at level 0");
    Geometry packed = g;
    packed.channels = bit_bytes(g.channels);
    return packed;
}

namespace {

// Whole maps, halo and all, from codes to bits or back.
class Conversion : public Operation {
  public:
    Conversion(const Geometry& g, int codes, int bits, bool pack) : geometry_(g), codes_(codes), bits_(bits), pack_(pack) {}

    void run(Context& context) const override {
        for (int map = context.begin; map < context.end; ++map) {
            uint8_t *codes = context.arena.map(codes_, map), *bits = context.arena.map(bits_, map);
            pack_ ? context.kernels.pack_bits(codes, geometry_.channels, geometry_.pixels(), bits)
                  : context.kernels.unpack_bits(bits, geometry_.channels, geometry_.pixels(), codes);
        }
    }

  private:
    const Geometry geometry_;
    const int codes_, bits_;
    const bool pack_;
};

// Levels 0 and 1 of a layer whose only term fires by bits: 1 where U + offset >= theta.
class BitNeuron : public Neuron {
  public:
    BitNeuron(const Layer& layer, Target target, Classes classes, const int64_t* theta, const int64_t* offsets)
        : target_(std::move(target)), classes_(std::move(classes)),
          need_(layer.blocks.size() * static_cast<size_t>(classes_.count) * BLOCK) {
        for (const Block& block : layer.blocks)
            for (int32_t border = 0; border < classes_.count; ++border)
                for (int32_t c = 0; c < block.count; ++c) {
                    const int32_t channel = block.first + c;
                    require(theta[channel] >= 1 && theta[channel] < MOST_THETA, "a threshold out of range");
                    const int64_t need = theta[channel] - offsets[int64_t{border} * layer.channels + channel];
                    need_[at(block, border) + c] = static_cast<uint32_t>(std::clamp(need, -BEYOND, BEYOND));
                }
    }

    bool prepare(Context& context, const Strip& strip, const Block& block, Fire& fire) const override {
        fire.packed = true;
        fire.channels = block.count;
        for (int m = 0; m < strip.count; ++m) {
            fire.offset[m] = need_.data() + at(block, classes_.at(strip.place[m]));
            fire.codes[m] = context.arena.map(target_.levels.low, strip.map[m]) + target_.places[strip.place[m]] + block.first / 8;
        }
        for (int m = strip.count; m < STRIP; ++m) {
            fire.offset[m] = fire.offset[0];
            fire.codes[m] = fire.spare;
        }
        return true;
    }

    void narrow(Context&, const Strip&, const Block&, const uint32_t*) const override { refuse(); }
    void wide(Context&, int, int32_t, const Block&, const int64_t*) const override { refuse(); }

  private:
    static constexpr int64_t BEYOND = 1 << 16;  // no sum of one-bit weights that are counted in 16 bits is there

    [[noreturn]] static void refuse() { throw std::logic_error("neurons of bits fire in the kernel"); }

    size_t at(const Block& block, int32_t border) const {
        return (static_cast<size_t>(block.index) * static_cast<size_t>(classes_.count) + static_cast<size_t>(border)) * BLOCK;
    }

    const Target target_;
    const Classes classes_;
    Aligned<uint32_t> need_;
};

}  // namespace

std::unique_ptr<Operation> make_packing(const Geometry& g, int codes, int bits) {
    return std::make_unique<Conversion>(g, codes, bits, true);
}

std::unique_ptr<Operation> make_unpacking(const Geometry& g, int bits, int codes) {
    return std::make_unique<Conversion>(g, codes, bits, false);
}

bool fires_bits(const Layer& layer) {
    return layer.group == layer.channels && layer.terms.size() == 1 && layer.terms[0]->fires_bits();
}

std::unique_ptr<Neuron> make_bit_stairs(const Layer& layer, Target target, Classes classes, const int64_t* theta,
                                        const int64_t* offsets) {
    return std::make_unique<BitNeuron>(layer, std::move(target), std::move(classes), theta, offsets);
}

}  // namespace snncc
