// What moves codes without weighing them: inputs, exports, wiring, max-pools and the counting of spikes.
#include "operations.h"

#include <algorithm>
#include <cstring>

#include "layer.h"

namespace snncc {
namespace {

// Codes from, or to, the order channel, row, column in which callers hold them.
class Transfer : public Operation {
  public:
    Transfer(const Geometry& g, int buffer, int slot, bool in)
        : elements_(g.elements()), positions_(g.positions()), channels_(g.channels), buffer_(buffer), slot_(slot), in_(in),
          places_(places_of(g)) {}

    void run(Context& context) const override {
        for (int map = context.begin; map < context.end; ++map) {
            const int64_t start = (context.first + map) * elements_;
            uint8_t* inner = context.arena.map(buffer_, map);
            in_ ? take(context.inputs[slot_] + start, inner)
                : give(inner, static_cast<uint8_t*>(context.outputs[slot_]) + start);
        }
    }

  private:
    void take(const uint8_t* outer, uint8_t* inner) const {
        for (int64_t c = 0; c < channels_; ++c)
            for (int64_t place = 0; place < positions_; ++place) inner[places_[place] + c] = outer[c * positions_ + place];
    }
    void give(const uint8_t* inner, uint8_t* outer) const {
        for (int64_t c = 0; c < channels_; ++c)
            for (int64_t place = 0; place < positions_; ++place) outer[c * positions_ + place] = inner[places_[place] + c];
    }

    const int64_t elements_, positions_, channels_;
    const int buffer_, slot_;
    const bool in_;
    const std::vector<int32_t> places_;
};

struct Run {
    int32_t to, from, length;
};

// Codes of 8 bits, or of 16 in two buffers.
int32_t read(Context& context, const Wide& value, int map, int64_t at) {
    const int32_t low = context.arena.map(value.low, map)[at];
    return value.high < 0 ? low : low | context.arena.map(value.high, map)[at] << 8;
}

void write(Context& context, const Wide& value, int map, int64_t at, int32_t code) {
    context.arena.map(value.low, map)[at] = static_cast<uint8_t>(code);
    if (value.high >= 0) context.arena.map(value.high, map)[at] = static_cast<uint8_t>(code >> 8);
}

class Copy : public Operation {
  public:
    Copy(Wide source, Wide destination, std::vector<Run> runs, int32_t shift)
        : source_(source), destination_(destination), runs_(std::move(runs)), shift_(shift) {}

    void run(Context& context) const override {
        const bool plain = !shift_ && source_.high < 0 && destination_.high < 0;
        for (int map = context.begin; map < context.end; ++map) plain ? move(context, map) : convert(context, map);
    }

  private:
    void move(Context& context, int map) const {
        const uint8_t* from = context.arena.map(source_.low, map);
        uint8_t* to = context.arena.map(destination_.low, map);
        for (const Run& r : runs_)
            if (r.length == 1)
                to[r.to] = from[r.from];
            else
                std::memcpy(to + r.to, from + r.from, static_cast<size_t>(r.length));
    }

    void convert(Context& context, int map) const {
        for (const Run& r : runs_)
            for (int32_t i = 0; i < r.length; ++i)
                write(context, destination_, map, r.to + i, read(context, source_, map, r.from + i) + shift_);
    }

    const Wide source_, destination_;
    const std::vector<Run> runs_;
    const int32_t shift_;
};

class MaxPool : public Operation {
  public:
    MaxPool(const Geometry& from, const Geometry& to, Wide source, Wide destination, const PoolShape& s)
        : from_(from), to_(to), shape_(s), source_(source), destination_(destination) {}

    void run(Context& context) const override {
        for (int map = context.begin; map < context.end; ++map)
            for (int32_t y = 0; y < to_.height; ++y)
                for (int32_t x = 0; x < to_.width; ++x) pool(context, map, y, x);
    }

  private:
    void pool(Context& context, int map, int32_t y, int32_t x) const {
        const int64_t best = to_.pixel(y, x) * to_.channels;
        const int64_t top = int64_t{y} * shape_.stride_height - shape_.pad_top;
        const int64_t left = int64_t{x} * shape_.stride_width - shape_.pad_left;
        const int64_t bottom = std::min<int64_t>(top + shape_.kernel_height, from_.height);
        const int64_t right = std::min<int64_t>(left + shape_.kernel_width, from_.width);
        bool first = true;
        for (int64_t row = std::max<int64_t>(top, 0); row < bottom; ++row)
            for (int64_t column = std::max<int64_t>(left, 0); column < right; ++column) {
                join(context, map, best, from_.pixel(row, column) * from_.channels, first);
                first = false;
            }
    }

    void join(Context& context, int map, int64_t best, int64_t member, bool first) const {
        if (source_.high < 0) {
            uint8_t* into = context.arena.map(destination_.low, map) + best;
            const uint8_t* from = context.arena.map(source_.low, map) + member;
            if (first)
                std::memcpy(into, from, static_cast<size_t>(from_.channels));
            else
                context.kernels.greatest(into, from, from_.channels);
            return;
        }
        for (int32_t c = 0; c < from_.channels; ++c) {
            const int32_t code = read(context, source_, map, member + c);
            write(context, destination_, map, best + c,
                  first ? code : std::max(read(context, destination_, map, best + c), code));
        }
    }

    const Geometry from_, to_;
    const PoolShape shape_;
    const Wide source_, destination_;
};

// Sums over a map: spikes at each position times its fan-outs, `[maps][fans]`. Neighbours with the same fan-outs,
// which most are, are counted together.
class Probe : public Operation {
  public:
    Probe(const Geometry& g, int buffer, int slot, int mode, const int64_t* fans, int fan_count)
        : zero_(g.zero), buffer_(buffer), slot_(slot), mode_(mode), fan_count_(fan_count) {
        const std::vector<int32_t> places = places_of(g);
        for (size_t p = 0; p < places.size(); ++p) {
            const int64_t* own = fans + p * static_cast<size_t>(fan_count);
            const bool joins = !stretches_.empty() && stretches_.back().from + stretches_.back().length == places[p] &&
                               stretches_.back().length < MOST && std::equal(own, own + fan_count, fans_.end() - fan_count);
            if (joins) {
                stretches_.back().length += g.channels;
                continue;
            }
            stretches_.push_back({places[p], g.channels});
            fans_.insert(fans_.end(), own, own + fan_count);
        }
    }

    void run(Context& context) const override {
        for (int map = context.begin; map < context.end; ++map) {
            int64_t* totals = static_cast<int64_t*>(context.outputs[slot_]) + (context.first + map) * fan_count_;
            std::fill(totals, totals + fan_count_, 0);
            const uint8_t* codes = context.arena.map(buffer_, map);
            const int64_t* fan = fans_.data();
            for (const Stretch& stretch : stretches_) {
                const int64_t spikes = context.kernels.count(codes + stretch.from, stretch.length, zero_, mode_);
                for (int f = 0; f < fan_count_; ++f) totals[f] += spikes * *fan++;
            }
        }
    }

  private:
    struct Stretch {
        int32_t from, length;
    };
    static constexpr int32_t MOST = 1 << 20;  // its spikes fit 32 bits

    const uint8_t zero_;
    const int buffer_, slot_, mode_, fan_count_;
    std::vector<Stretch> stretches_;
    std::vector<int64_t> fans_;  // [stretches][fans]
};

}  // namespace

std::unique_ptr<Operation> make_transfer(const Geometry& g, int buffer, int slot, bool in) {
    return std::make_unique<Transfer>(g, buffer, slot, in);
}

std::unique_ptr<Operation> make_copy(const Geometry& from, const Geometry& to, Wide source, Wide destination,
                                     const int32_t* runs, int64_t count, int32_t shift) {
    require(source.low != destination.low, "wiring onto itself");
    std::vector<Run> list;
    list.reserve(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
        const Run r{runs[3 * i], runs[3 * i + 1], runs[3 * i + 2]};
        require(r.to >= 0 && r.from >= 0 && r.length > 0 && int64_t{r.to} + r.length <= to.bytes() &&
                    int64_t{r.from} + r.length <= from.bytes(),
                "wiring outside its values");
        list.push_back(r);
    }
    return std::make_unique<Copy>(source, destination, std::move(list), shift);
}

std::unique_ptr<Operation> make_max_pool(const Geometry& from, const Geometry& to, Wide source, Wide destination,
                                         const PoolShape& s) {
    require(source.low != destination.low && from.channels == to.channels && (source.high < 0) == (destination.high < 0),
            "a pool and its source are of different kinds");
    require(s.kernel_height > 0 && s.kernel_width > 0 && s.stride_height > 0 && s.stride_width > 0 && s.pad_top >= 0 &&
                s.pad_left >= 0,
            "a pool without a window");
    return std::make_unique<MaxPool>(from, to, source, destination, s);
}

std::unique_ptr<Operation> make_probe(const Geometry& g, int buffer, int slot, int mode, const int64_t* fans,
                                      int fan_count) {
    require(fan_count > 0 && (mode == NONZERO || mode == MAGNITUDE || mode == ONES), "a probe of nothing");
    return std::make_unique<Probe>(g, buffer, slot, mode, fans, fan_count);
}

}  // namespace snncc
