// Neurons of streaming codes, and readouts: potentials and sums of spikes from step to step.
#include <cstring>

#include "stream.h"

namespace snncc {

namespace {

// Potentials and spike sums of a layer, and how they come to the caller.
class Spiking : public Stepping {
  public:
    Spiking(const Layer& layer, StreamTarget target, Classes classes)
        : target_(std::move(target)), classes_(std::move(classes)), blocks_(layer.blocks),
          row_(static_cast<int64_t>(layer.blocks.size()) * BLOCK), positions_(layer.positions()), channels_(layer.channels) {}

    void start(Context& context) const override {
        auto& state = context.arena.state(target_.state);
        std::memset(state.data(), 0, state.size() * sizeof(int32_t));
    }

    void finish(Context& context) const override {
        if (!context.outputs[target_.slot]) return;
        int32_t* out = static_cast<int32_t*>(context.outputs[target_.slot]) + context.image * positions_ * channels_;
        const int32_t* sent = context.arena.state(target_.state).data() + positions_ * row_;
        for (const Block& block : blocks_)
            for (int64_t place = 0; place < positions_; ++place)
                for (int32_t c = 0; c < block.count; ++c)
                    out[(block.first + c) * positions_ + place] = sent[place * row_ + block.index * BLOCK + c];
    }

  protected:
    int32_t* potentials(Context& context, int32_t place, const Block& block) const {
        return context.arena.state(target_.state).data() + place * row_ + block.index * BLOCK;
    }
    int32_t* spike_sums(Context& context, int32_t place, const Block& block) const {
        return potentials(context, place, block) + positions_ * row_;
    }
    uint8_t* codes(Context& context, int map, int32_t place, const Block& block) const {
        return context.arena.map(target_.buffer, map) + target_.places[place] + block.first;
    }
    size_t lanes() const { return blocks_.size() * static_cast<size_t>(classes_.count) * BLOCK; }
    size_t at(const Block& block, int32_t border) const {
        return (static_cast<size_t>(block.index) * classes_.count + border) * BLOCK;
    }
    void happened(Context& context, int map) const { (*context.events)[map] = 1; }

    const StreamTarget target_;
    const Classes classes_;
    const std::vector<Block> blocks_;
    const int64_t row_, positions_, channels_;
};

class RateNeurons : public Spiking {
  public:
    RateNeurons(const Layer& layer, StreamTarget target, Classes classes, const int64_t* theta, const int64_t* offsets,
                bool with_negative, bool hard)
        : Spiking(layer, std::move(target), std::move(classes)), negative_(with_negative), hard_(hard), offset_(lanes()),
          theta_(lanes(), INT32_MAX), half_(lanes()), none_(BLOCK) {
        for (const Block& block : blocks_)
            for (int32_t border = 0; border < classes_.count; ++border)
                for (int32_t c = 0; c < block.count; ++c) {
                    const int64_t channel = block.first + c;
                    require(theta[channel] > 0 && theta[channel] <= INT32_MAX, "a threshold out of range");
                    half_[at(block, border) + c] = static_cast<int32_t>(theta[channel] / 2);
                    offset_[at(block, border) + c] =
                        static_cast<uint32_t>(offsets[border * channels_ + channel]) + layer.correction[channel];
                    theta_[at(block, border) + c] = static_cast<int32_t>(theta[channel]);
                }
    }

    void start(Context&) const override {}

    void advance(Context& context, int map, int count, int32_t place, const Block& block,
                 Arriving in) const override {
        const size_t lane = at(block, classes_.at(place));
        int32_t *v = potentials(context, place, block), *sent = spike_sums(context, place, block);
        const bool first = context.step == 0 && map == context.begin;
        const Rate step{&offset_[lane], &theta_[lane], first ? &half_[lane] : v, first ? &none_[0] : sent, v, sent,
                        codes(context, map, place, block), context.arena.stride(target_.buffer), static_cast<uint8_t>(negative_), hard_};
        context.kernels.rate(in, block.count, count, step);
    }

  private:
    const bool negative_, hard_;
    Aligned<uint32_t> offset_;
    Aligned<int32_t> theta_, half_, none_;  // potentials and sums at an image's start
};

// All numbers count 64ths of a drive.
class LeakyNeurons : public Spiking {
  public:
    LeakyNeurons(const Layer& layer, StreamTarget target, Classes classes, const int64_t* offsets, const Leak& leak)
        : Spiking(layer, std::move(target), std::move(classes)), leak_(leak), offset_(lanes()), bias_(lanes()),
          theta_(static_cast<int32_t>(leak.vth > INT32_MAX / 64 ? INT32_MAX : leak.vth * 64)) {  // which no v exceeds
        require(leak.vth >= 0 && leak.du >= 0 && leak.du <= 4095 && leak.dv >= 0 && leak.dv <= 4095, "a leak out of range");
        for (const Block& block : blocks_)
            for (int32_t border = 0; border < classes_.count; ++border)
                for (int32_t c = 0; c < block.count; ++c) {
                    const int64_t channel = block.first + c;
                    offset_[at(block, border) + c] = layer.correction[channel];
                    bias_[at(block, border) + c] = static_cast<uint32_t>(offsets[border * channels_ + channel]) * 64;
                }
    }

    void advance(Context& context, int map, int count, int32_t place, const Block& block,
                 Arriving in) const override {
        const size_t lane = at(block, classes_.at(place));
        int32_t *v = potentials(context, place, block), *sent = spike_sums(context, place, block);
        int32_t* u = leak_.remembers() ? sent + positions_ * row_ : nullptr;
        const Leaky step{&offset_[lane], &bias_[lane], theta_, static_cast<uint32_t>(4095 - leak_.du),
                         static_cast<uint32_t>(4096 - leak_.dv), u, v, sent, codes(context, map, place, block),
                         context.arena.stride(target_.buffer)};
        context.kernels.leaky(in, block.count, count, step);
    }

  private:
    const Leak leak_;
    Aligned<uint32_t> offset_, bias_;
    const int32_t theta_;
};

class StbifNeurons : public Spiking {
  public:
    StbifNeurons(const Layer& layer, StreamTarget target, Classes classes, const int64_t* theta, const int64_t* start,
                 int32_t lo, int32_t hi)
        : Spiking(layer, std::move(target), std::move(classes)), lo_(lo), hi_(hi), offset_(lanes()), theta_(lanes(), INT32_MAX),
          start_(lanes()) {
        for (const Block& block : blocks_)
            for (int32_t border = 0; border < classes_.count; ++border)
                for (int32_t c = 0; c < block.count; ++c) {
                    const int64_t channel = block.first + c;
                    const size_t lane = at(block, border) + c;
                    require(theta[channel] > 0 && theta[channel] <= INT32_MAX, "a threshold out of range");
                    offset_[lane] = layer.correction[channel];
                    theta_[lane] = static_cast<int32_t>(theta[channel]);
                    start_[lane] = static_cast<int32_t>(start[border * channels_ + channel]);
                }
    }

    void start(Context& context) const override {
        Spiking::start(context);
        for (const Block& block : blocks_)
            for (int32_t place = 0; place < positions_; ++place)
                std::memcpy(potentials(context, place, block), &start_[at(block, classes_.at(place))], sizeof(int32_t) * BLOCK);
    }

    void advance(Context& context, int map, int count, int32_t place, const Block& block,
                 Arriving in) const override {
        const size_t lane = at(block, classes_.at(place));
        const Stbif step{&offset_[lane], &theta_[lane], potentials(context, place, block), spike_sums(context, place, block),
                         lo_, hi_};
        for (int m = 0; m < count; ++m)
            if (context.kernels.stbif(in.at(m), block.count, step, codes(context, map + m, place, block)))
                happened(context, map + m);
    }

  private:
    const int32_t lo_, hi_;
    Aligned<uint32_t> offset_;
    Aligned<int32_t> theta_, start_;
};

class StbifTableNeurons : public Spiking {
  public:
    StbifTableNeurons(const Layer& layer, StreamTarget target, Classes classes, const int64_t* breakpoints, int32_t lo,
                      int32_t span)
        : Spiking(layer, std::move(target), std::move(classes)), lo_(lo), offset_(lanes()), rows_(lanes()) {
        require(int64_t{classes_.count} * channels_ * (int64_t{span} + 2) < INT32_MAX, "a table of 2^31 entries or more");
        for (int64_t row = 0; row < int64_t{classes_.count} * channels_; ++row) {
            entries_.push_back(INT32_MIN);
            for (int32_t j = 0; j < span; ++j) {
                const int64_t value = breakpoints[row * span + j];
                require(value > INT32_MIN && value < INT32_MAX, "a breakpoint out of range");
                entries_.push_back(static_cast<int32_t>(value));
            }
            entries_.push_back(INT32_MAX);
        }
        for (const Block& block : blocks_)
            for (int32_t border = 0; border < classes_.count; ++border)
                for (int32_t c = 0; c < block.count; ++c) {
                    offset_[at(block, border) + c] = layer.correction[block.first + c];
                    rows_[at(block, border) + c] =
                        static_cast<int32_t>((border * channels_ + block.first + c) * (int64_t{span} + 2));
                }
    }

    void advance(Context& context, int map, int count, int32_t place, const Block& block,
                 Arriving in) const override {
        const size_t lane = at(block, classes_.at(place));
        const StbifTable step{&offset_[lane], entries_.data(), &rows_[lane], potentials(context, place, block),
                              spike_sums(context, place, block), lo_};
        for (int m = 0; m < count; ++m)
            if (context.kernels.stbif_table(in.at(m), block.count, step, codes(context, map + m, place, block)))
                happened(context, map + m);
    }

  private:
    const int32_t lo_;
    Aligned<uint32_t> offset_;
    Aligned<int32_t> rows_;
    std::vector<int32_t> entries_;
};

// The drive after every step, as int64 [step][channel, row, column].
class StreamReadout : public Stepping {
  public:
    StreamReadout(const Layer& layer, Classes classes, const int64_t* offsets, bool every_step, int state, int slot)
        : classes_(std::move(classes)), blocks_(layer.blocks), correction_(layer.correction),
          offsets_(offsets, offsets + int64_t{classes_.count} * layer.channels), positions_(layer.positions()),
          channels_(layer.channels), every_step_(every_step), state_(state), slot_(slot) {}

    void start(Context& context) const override {
        int64_t* total = totals(context);
        for (int64_t place = 0; place < positions_; ++place)
            for (int64_t c = 0; c < channels_; ++c)
                total[c * positions_ + place] =
                    every_step_ ? 0 : offsets_[classes_.at(static_cast<int32_t>(place)) * channels_ + c];
    }

    void advance(Context& context, int map, int count, int32_t place, const Block& block,
                 Arriving in) const override {
        int64_t* total = totals(context);
        for (int m = 0; m < count; ++m) {
            int64_t* out = static_cast<int64_t*>(context.outputs[slot_]) + (context.first + map + m) * positions_ * channels_;
            for (int32_t c = 0; c < block.count; ++c) {
                const int32_t channel = block.first + c;
                const int64_t index = channel * positions_ + place;
                total[index] += static_cast<int32_t>(in.at(m)[c] + correction_[channel]);
                if (every_step_) total[index] += offsets_[classes_.at(place) * channels_ + channel];
                out[index] = total[index];
            }
        }
    }

  private:
    int64_t* totals(Context& context) const { return reinterpret_cast<int64_t*>(context.arena.state(state_).data()); }

    const Classes classes_;
    const std::vector<Block> blocks_;
    const std::vector<uint32_t> correction_;
    const std::vector<int64_t> offsets_;
    const int64_t positions_, channels_;
    const bool every_step_;
    const int state_, slot_;
};

}  // namespace

std::unique_ptr<Stepping> make_rate(const Layer& layer, StreamTarget target, Classes classes, const int64_t* theta,
                                    const int64_t* offsets, bool with_negative, bool hard) {
    return std::make_unique<RateNeurons>(layer, std::move(target), std::move(classes), theta, offsets, with_negative, hard);
}

std::unique_ptr<Stepping> make_leaky(const Layer& layer, StreamTarget target, Classes classes, const int64_t* offsets,
                                     const Leak& leak) {
    return std::make_unique<LeakyNeurons>(layer, std::move(target), std::move(classes), offsets, leak);
}

std::unique_ptr<Stepping> make_stbif(const Layer& layer, StreamTarget target, Classes classes, const int64_t* theta,
                                     const int64_t* start, int32_t lo, int32_t hi) {
    return std::make_unique<StbifNeurons>(layer, std::move(target), std::move(classes), theta, start, lo, hi);
}

std::unique_ptr<Stepping> make_stbif_table(const Layer& layer, StreamTarget target, Classes classes,
                                           const int64_t* breakpoints, int32_t lo, int32_t span) {
    return std::make_unique<StbifTableNeurons>(layer, std::move(target), std::move(classes), breakpoints, lo, span);
}

std::unique_ptr<Stepping> make_stream_readout(const Layer& layer, Classes classes, const int64_t* offsets,
                                              bool every_step, int state, int slot) {
    return std::make_unique<StreamReadout>(layer, std::move(classes), offsets, every_step, state, slot);
}

}  // namespace snncc
