// What neurons make of their sums: staircases, breakpoint tables, readouts.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "layer.h"

namespace snncc {
namespace {

// Per block, class and lane: where the kernels find what belongs to a channel.
class Lanes {
  public:
    Lanes(const Layer& layer, const Classes& classes) : classes_(classes.count) {
        size = layer.blocks.size() * static_cast<size_t>(classes.count) * BLOCK;
    }
    size_t at(const Block& block, int32_t border) const {
        return (static_cast<size_t>(block.index) * classes_ + border) * BLOCK;
    }
    size_t size;

  private:
    int32_t classes_;
};

class Firing : public Neuron {
  public:
    Firing(const Layer& layer, Target target, Classes classes)
        : target_(std::move(target)), classes_(std::move(classes)), lanes_(layer, classes_) {}

  protected:
    void write(Context& context, int map, int32_t place, int32_t channel, int64_t code) const {
        const int64_t at = target_.places[place] + channel;
        context.arena.map(target_.levels.low, map)[at] = static_cast<uint8_t>(code);
        if (target_.levels.high >= 0) context.arena.map(target_.levels.high, map)[at] = static_cast<uint8_t>(code >> 8);
    }

    uint8_t* codes(Context& context, const Strip& strip, int m, const Block& block) const {
        return context.arena.map(target_.levels.low, strip.map[m]) + target_.places[strip.place[m]] + block.first;
    }

    const Target target_;
    const Classes classes_;
    const Lanes lanes_;
};

// Sums of 32 bits that are right by their certificate, as such of 64 bits.
void widen(const uint32_t* sums, const Block& block, const std::vector<uint32_t>& correction, int64_t* out) {
    for (int32_t c = 0; c < block.count; ++c)
        out[c] = static_cast<int32_t>(sums[c] + correction[static_cast<size_t>(block.first + c)]);
}

int64_t floor_divide(int64_t v, int64_t by) { return v / by - (v % by < 0); }

// The level's code: floor((U + offset) / theta) in 0 .. span, where offset takes lo * theta off already.
class StairsNeuron : public Firing {
  public:
    StairsNeuron(const Layer& layer, Target target, Classes classes, const int64_t* theta, const int64_t* offsets,
                 int32_t span)
        : Firing(layer, std::move(target), std::move(classes)), span_(span), theta_(theta, theta + layer.channels),
          offsets_(offsets, offsets + int64_t{classes_.count} * layer.channels), channels_(layer.channels),
          correction_(layer.correction), offset_(2 * lanes_.size), top_(lanes_.size), inverse_(2 * lanes_.size), half_(2 * lanes_.size), wide_inverse_(lanes_.size),
          wide_half_(lanes_.size) {
        for (const int64_t step : theta_) require(step >= 1 && step < MOST_THETA, "a threshold out of range");
        fits_ = !layer.wide && target_.levels.high < 0;
        for (const int64_t step : theta_) fits_ &= (int64_t{span} + 1) * step <= INT32_MAX;
        if (fits_) check(layer);
    }

    bool prepare(Context& context, const Strip& strip, const Block& block, Fire& fire) const override {
        if (!fits_ || !in_float_) return false;
        describe(context, strip, block, fire);
        return true;
    }

    void narrow(Context& context, const Strip& strip, const Block& block, const uint32_t* sums) const override {
        if (!fits_) return slowly(context, strip, block, sums);
        Fire fire;
        describe(context, strip, block, fire);
        context.kernels.stairs(sums, strip.count, fire);
    }

    void wide(Context& context, int map, int32_t place, const Block& block, const int64_t* sums) const override {
        const int64_t* offsets = offsets_.data() + int64_t{classes_.at(place)} * channels_;
        for (int32_t c = 0; c < block.count; ++c) {
            const int32_t channel = block.first + c;
            const int64_t level = floor_divide(sums[c] + offsets[channel], theta_[channel]);
            write(context, map, place, channel, std::min<int64_t>(std::max<int64_t>(level, 0), span_));
        }
    }

  private:
    void describe(Context& context, const Strip& strip, const Block& block, Fire& fire) const {
        const size_t at = lanes_.at(block, 0);
        fire.stairs = {&top_[at],          &inverse_[at], &half_[at], &wide_inverse_[at],
                       &wide_half_[at], in_float_,     static_cast<uint8_t>(span_)};
        fire.channels = block.count;
        fire.quarters = static_cast<ptrdiff_t>(lanes_.size);
        fire.uniform = classes_.count == 1;
        for (int m = 0; m < strip.count; ++m)
            fire.offset[m] = &offset_[0] + (at + static_cast<size_t>(classes_.at(strip.place[m])) * BLOCK);
        uint8_t* base = context.arena.map(target_.levels.low, 0) + block.first;
        const int64_t stride = context.arena.stride(target_.levels.low);
        const int32_t* consecutive = target_.places.data() + strip.place[0];
        uint8_t* own = base + strip.map[0] * stride;
        for (int m = 0; m < strip.count; ++m)
            fire.codes[m] = strip.together ? own + consecutive[m]
                                           : base + strip.map[m] * stride + target_.places[strip.place[m]];
        for (int m = strip.count; m < STRIP; ++m) {
            fire.codes[m] = fire.spare;
            fire.offset[m] = &offset_[at];
        }
    }

    void check(const Layer& layer) {
        in_float_ = true;
        bool in_double = true;
        for (const Block& block : layer.blocks)
            for (int32_t border = 0; border < classes_.count; ++border)
                for (int32_t c = 0; c < block.count; ++c) {
                    const size_t at = lanes_.at(block, border) + c;
                    const int32_t channel = block.first + c;
                    const int64_t step = theta_[channel];
                    offset_[at] = static_cast<uint32_t>(offsets_[int64_t{border} * channels_ + channel]) + layer.correction[channel];
                    top_[at] = static_cast<int32_t>((int64_t{span_} + 1) * step - 1);
                    wide_inverse_[at] = 1.0 / static_cast<double>(step);
                    wide_half_[at] = 0.5 / static_cast<double>(step);
                    // Below 1, so that no potential of 32 bits leaves them as a quotient.
                    inverse_[at] = std::min(static_cast<float>(wide_inverse_[at]), std::nextafter(1.0f, 0.0f));
                    half_[at] = static_cast<float>(wide_half_[at]);
                    if (border) continue;
                    in_float_ = in_float_ && exact(inverse_[at], half_[at], step);
                    in_double = in_double && exact(wide_inverse_[at], wide_half_[at], step);
                }
        fits_ = in_double;
        for (size_t at = 0; at < lanes_.size; at += BLOCK) {
            const Block& block = layer.blocks[at / BLOCK / static_cast<size_t>(classes_.count)];
            for (int place = 0; place < BLOCK; ++place) {
                const size_t to = lanes_.size + at + static_cast<size_t>(place);
                const size_t from = at + static_cast<size_t>(depthwise_channel(place, block.count));
                offset_[to] = offset_[from];
                inverse_[to] = inverse_[from];
                half_[to] = half_[from];
            }
        }
    }

    // Both staircases are monotone, so they are equal if they are on both sides of every step.
    template <class Real>
    bool exact(Real inverse, Real half, int64_t step) const {
        for (int64_t level = 0; level <= span_; ++level)
            for (const int64_t v : {level * step, (level + 1) * step - 1}) {
                const Real value = static_cast<Real>(static_cast<int32_t>(v)), product = value * inverse;
                if (static_cast<int32_t>(product + half) != level) return false;
                if (static_cast<int32_t>(std::fma(value, inverse, half)) != level) return false;
            }
        return true;
    }

    void slowly(Context& context, const Strip& strip, const Block& block, const uint32_t* sums) const {
        for (int m = 0; m < strip.count; ++m) {
            int64_t own[BLOCK];
            widen(sums + m * BLOCK, block, correction_, own);
            wide(context, strip.map[m], strip.place[m], block, own);
        }
    }

    const int32_t span_;
    const std::vector<int64_t> theta_, offsets_;
    const int32_t channels_;
    const std::vector<uint32_t> correction_;
    Aligned<uint32_t> offset_;
    Aligned<int32_t> top_;
    Aligned<float> inverse_, half_;
    Aligned<double> wide_inverse_, wide_half_;
    bool fits_ = false, in_float_ = false;
};

// The level's code: the number of breakpoints that U reaches.
class TableNeuron : public Firing {
  public:
    TableNeuron(const Layer& layer, Target target, Classes classes, const int64_t* breakpoints, int32_t span,
                const float* slope, const float* start)
        : Firing(layer, std::move(target), std::move(classes)), span_(span), channels_(layer.channels),
          breakpoints_(breakpoints, breakpoints + int64_t{classes_.count} * layer.channels * span),
          correction_(layer.correction), offset_(lanes_.size), slope_(lanes_.size), start_(lanes_.size),
          rows_(lanes_.size), fast_(slope && start && !layer.wide && target_.levels.high < 0) {
        require(int64_t{classes_.count} * channels_ * (span + 2) < INT32_MAX, "a table of 2^31 entries or more");
        if (fast_) prepare(layer, slope, start);
    }

    void narrow(Context& context, const Strip& strip, const Block& block, const uint32_t* sums) const override {
        if (!fast_) return slowly(context, strip, block, sums);
        for (int m = 0; m < strip.count; ++m) {
            const size_t at = lanes_.at(block, classes_.at(strip.place[m]));
            const Table table{&offset_[at], &slope_[at], &start_[at], entries_.data(), &rows_[at], span_};
            context.kernels.table(sums + m * BLOCK, block.count, table, codes(context, strip, m, block));
        }
    }

    void wide(Context& context, int map, int32_t place, const Block& block, const int64_t* sums) const override {
        for (int32_t c = 0; c < block.count; ++c) {
            const int64_t row = int64_t{classes_.at(place)} * channels_ + block.first + c;
            const int64_t* from = breakpoints_.data() + row * span_;
            write(context, map, place, block.first + c, std::upper_bound(from, from + span_, sums[c]) - from);
        }
    }

  private:
    void prepare(const Layer& layer, const float* slope, const float* start) {
        for (int64_t row = 0; row < int64_t{classes_.count} * channels_; ++row) {
            entries_.push_back(INT32_MIN);
            for (int32_t j = 0; j < span_; ++j) {
                const int64_t value = breakpoints_[row * span_ + j];
                fast_ = fast_ && value > INT32_MIN && value < INT32_MAX;
                entries_.push_back(static_cast<int32_t>(value));
            }
            entries_.push_back(INT32_MAX);
        }
        for (const Block& block : layer.blocks)
            for (int32_t border = 0; border < classes_.count; ++border)
                for (int32_t c = 0; c < BLOCK; ++c) {
                    const size_t at = lanes_.at(block, border) + c;
                    const int32_t channel = c < block.count ? block.first + c : block.first;
                    offset_[at] = layer.correction[channel];
                    slope_[at] = slope[channel];
                    start_[at] = start[channel];
                    fast_ = fast_ && std::isfinite(slope_[at]) && std::isfinite(start_[at]);
                    rows_[at] = (border * channels_ + channel) * (span_ + 2);
                }
    }

    void slowly(Context& context, const Strip& strip, const Block& block, const uint32_t* sums) const {
        for (int m = 0; m < strip.count; ++m) {
            int64_t own[BLOCK];
            widen(sums + m * BLOCK, block, correction_, own);
            wide(context, strip.map[m], strip.place[m], block, own);
        }
    }

    const int32_t span_, channels_;
    const std::vector<int64_t> breakpoints_;
    const std::vector<uint32_t> correction_;
    Aligned<uint32_t> offset_;
    Aligned<float> slope_, start_;
    Aligned<int32_t> rows_;
    std::vector<int32_t> entries_;
    bool fast_;
};

// y = U + b, as int64 in the order channel, row, column.
class ReadoutNeuron : public Neuron {
  public:
    ReadoutNeuron(const Layer& layer, Classes classes, const int64_t* offsets, int slot)
        : positions_(layer.positions()), channels_(layer.channels), classes_(std::move(classes)),
          offsets_(offsets, offsets + int64_t{classes_.count} * layer.channels), correction_(layer.correction), slot_(slot) {}

    void narrow(Context& context, const Strip& strip, const Block& block, const uint32_t* sums) const override {
        for (int m = 0; m < strip.count; ++m) {
            int64_t own[BLOCK];
            widen(sums + m * BLOCK, block, correction_, own);
            wide(context, strip.map[m], strip.place[m], block, own);
        }
    }

    void wide(Context& context, int map, int32_t place, const Block& block, const int64_t* sums) const override {
        int64_t* out = static_cast<int64_t*>(context.outputs[slot_]) + (context.first + map) * positions_ * channels_;
        const int64_t* offsets = offsets_.data() + int64_t{classes_.at(place)} * channels_;
        for (int32_t c = 0; c < block.count; ++c)
            out[(block.first + c) * positions_ + place] = sums[c] + offsets[block.first + c];
    }

  private:
    const int64_t positions_, channels_;
    const Classes classes_;
    const std::vector<int64_t> offsets_;
    const std::vector<uint32_t> correction_;
    const int slot_;
};

}  // namespace

std::unique_ptr<Neuron> make_stairs(const Layer& layer, Target target, Classes classes, const int64_t* theta,
                                    const int64_t* offsets, int32_t span) {
    return std::make_unique<StairsNeuron>(layer, std::move(target), std::move(classes), theta, offsets, span);
}

std::unique_ptr<Neuron> make_table(const Layer& layer, Target target, Classes classes, const int64_t* breakpoints,
                                   int32_t span, const float* slope, const float* start) {
    return std::make_unique<TableNeuron>(layer, std::move(target), std::move(classes), breakpoints, span, slope, start);
}

std::unique_ptr<Neuron> make_readout(const Layer& layer, Classes classes, const int64_t* offsets, int slot) {
    return std::make_unique<ReadoutNeuron>(layer, std::move(classes), offsets, slot);
}

}  // namespace snncc
