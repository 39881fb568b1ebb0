// What moves codes without weighing them: inputs, exports, wiring, max-pools and the counting of spikes.
#include "operations.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "layer.h"

namespace snncc {
namespace {

// Codes from, or to, the order channel, row, column in which callers hold them.
class Transfer : public Operation {
  public:
    Transfer(const Geometry& g, int buffer, int slot, bool in)
        : elements_(g.elements()), positions_(g.positions()), channels_(g.channels), width_(g.width), buffer_(buffer), slot_(slot), in_(in),
          places_(places_of(g)) {}

    void run(Context& context) const override {
        for (int map = context.begin; map < context.end; ++map) {
            const int64_t start = (context.first + map) * elements_;
            uint8_t* inner = context.arena.map(buffer_, map);
            in_ ? take(context.kernels, context.inputs[slot_] + start, inner)
                : give(inner, static_cast<uint8_t*>(context.outputs[slot_]) + start);
        }
    }

  private:
    void take(const Kernels& kernels, const uint8_t* outer, uint8_t* inner) const {
        for (int64_t place = 0; place < positions_; place += width_)
            kernels.interleave(outer + place, positions_, channels_, width_, inner + places_[place]);
    }
    void give(const uint8_t* inner, uint8_t* outer) const {
        for (int64_t c = 0; c < channels_; ++c)
            for (int64_t place = 0; place < positions_; ++place) outer[c * positions_ + place] = inner[places_[place] + c];
    }

    const int64_t elements_, positions_;
    const int32_t channels_, width_;
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

template <class Word>
void any_of(const Pooling& p) {
    for (int m = 0; m < p.positions; ++m)
        for (size_t at = 0; at < static_cast<size_t>(p.channels); at += sizeof(Word)) {
            Word any = 0;
            for (int i = 0; i < p.member_count; ++i) {
                Word own;
                std::memcpy(&own, p.codes + m * p.step + p.members[i] + at, sizeof own);
                any = static_cast<Word>(any | own);
            }
            std::memcpy(p.best + m * p.best_step + at, &any, sizeof any);
        }
}

using Pool = void (*)(const Pooling&);

class MaxPool : public Operation {
  public:
    // With `of_bits` it is used instead of the kernels' maximum.
    MaxPool(const Geometry& from, const Geometry& to, Wide source, Wide destination, const PoolShape& s, Pool of_bits)
        : from_(from), to_(to), shape_(s), source_(source), destination_(destination), of_bits_(of_bits) {}

    void run(Context& context) const override {
        std::vector<int64_t> window;
        for (int32_t y = 0; y < to_.height; ++y)
            for (int32_t x = 0, next = 0; x < to_.width; x = next) {
                look(y, x, window);
                next = x + alike(x);
                for (int map = context.begin; map < context.end && !window.empty(); ++map)
                    source_.high < 0 ? pool(context, map, y, x, next, window) : pool_wide(context, map, y, x, next, window);
            }
    }

  private:
    // How many windows from column x on have the same members inside the source.
    int32_t alike(int32_t x) const {
        const int64_t left = int64_t{x} * shape_.stride_width - shape_.pad_left;
        const int64_t room = from_.width - shape_.kernel_width - left;
        if (left < 0 || room < 0) return 1;
        return static_cast<int32_t>(std::min<int64_t>(to_.width - x, room / shape_.stride_width + 1));
    }

    // The members of a window that lie inside the source.
    void look(int32_t y, int32_t x, std::vector<int64_t>& window) const {
        const int64_t top = int64_t{y} * shape_.stride_height - shape_.pad_top;
        const int64_t left = int64_t{x} * shape_.stride_width - shape_.pad_left;
        const int64_t bottom = std::min<int64_t>(top + shape_.kernel_height, from_.height);
        const int64_t right = std::min<int64_t>(left + shape_.kernel_width, from_.width);
        window.clear();
        for (int64_t row = std::max<int64_t>(top, 0); row < bottom; ++row)
            for (int64_t column = std::max<int64_t>(left, 0); column < right; ++column)
                window.push_back(from_.pixel(row, column) * from_.channels);
    }

    void pool(Context& context, int map, int32_t y, int32_t x, int32_t end, const std::vector<int64_t>& window) const {
        const int64_t step = int64_t{shape_.stride_width} * from_.channels;
        uint8_t* best = context.arena.map(destination_.low, map) + to_.pixel(y, x) * to_.channels;
        const Pool take = of_bits_ ? of_bits_ : context.kernels.greatest;
        take({context.arena.map(source_.low, map), window.data(), static_cast<int32_t>(window.size()), from_.channels,
              end - x, step, to_.channels, best});
    }

    void pool_wide(Context& context, int map, int32_t y, int32_t x, int32_t end, const std::vector<int64_t>& window) const {
        for (int64_t shift = 0; x < end; ++x, shift += int64_t{shape_.stride_width} * from_.channels)
            for (int32_t c = 0; c < from_.channels; ++c) {
                int32_t best = 0;
                for (const int64_t member : window) best = std::max(best, read(context, source_, map, member + shift + c));
                write(context, destination_, map, to_.pixel(y, x) * to_.channels + c, best);
            }
    }

    const Geometry from_, to_;
    const PoolShape shape_;
    const Wide source_, destination_;
    const Pool of_bits_;
};

void check_pool(const Geometry& from, const Geometry& to, const PoolShape& s) {
    require(from.channels == to.channels, "a pool and its source are of different kinds");
    require(s.kernel_height > 0 && s.kernel_width > 0 && s.stride_height > 0 && s.stride_width > 0 && s.pad_top >= 0 &&
                s.pad_left >= 0,
            "a pool without a window");
}

// Sums over a map: spikes at each position times its fan-outs, `[maps][fans]`. Positions with the same fan-outs are
// counted together.
class Probe : public Operation {
  public:
    Probe(const Geometry& g, int buffer, int slot, int mode, const int64_t* fans, int fan_count)
        : zero_(g.zero), buffer_(buffer), slot_(slot), mode_(mode), fan_count_(fan_count) {
        std::map<std::vector<int64_t>, size_t> known;
        for (const int32_t place : places_of(g)) {
            const std::vector<int64_t> own(fans, fans + fan_count);
            fans += fan_count;
            const auto found = known.try_emplace(own, classes_.size()).first;
            if (found->second == classes_.size()) classes_.push_back({own, {}});
            for (int32_t c = 0; c < g.channels;) c += choose(classes_[found->second].chosen, place + c, g.channels - c);
        }
    }

    void run(Context& context) const override {
        for (int map = context.begin; map < context.end; ++map) {
            int64_t* totals = static_cast<int64_t*>(context.outputs[slot_]) + (context.first + map) * fan_count_;
            std::fill(totals, totals + fan_count_, 0);
            const uint8_t* codes = context.arena.map(buffer_, map);
            for (const Class& one : classes_) {
                const int64_t chosen = static_cast<int64_t>(one.chosen.size());
                const uint64_t spikes = context.kernels.count(codes, one.chosen.data(), chosen, zero_, mode_);
                for (size_t f = 0; f < one.fans.size(); ++f) totals[f] += static_cast<int64_t>(spikes) * one.fans[f];
            }
        }
    }

  private:
    struct Class {
        std::vector<int64_t> fans;
        std::vector<Chosen> chosen;
    };

    // Adds bytes from `place` on to those chosen, as many as fit one entry: how many.
    static int32_t choose(std::vector<Chosen>& chosen, int32_t place, int32_t count) {
        if (chosen.empty() || place - chosen.back().offset >= 64) chosen.push_back({place, 0});
        const int32_t from = place - chosen.back().offset, taken = std::min(count, 64 - from);
        const uint64_t ones = taken == 64 ? ~uint64_t{0} : (uint64_t{1} << taken) - 1;
        chosen.back().mask |= ones << from;
        return taken;
    }

    const uint8_t zero_;
    const int buffer_, slot_, mode_, fan_count_;
    std::vector<Class> classes_;
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
    require(source.low != destination.low && (source.high < 0) == (destination.high < 0),
            "a pool and its source are of different kinds");
    check_pool(from, to, s);
    return std::make_unique<MaxPool>(from, to, source, destination, s, nullptr);
}

std::unique_ptr<Operation> make_bit_pool(const Geometry& from, const Geometry& to, int source, int destination,
                                         const PoolShape& s) {
    check_pool(from, to, s);
    const Pool any = from.channels % 8 ? any_of<uint16_t> : any_of<uint64_t>;
    return std::make_unique<MaxPool>(from, to, Wide{source, -1}, Wide{destination, -1}, s, any);
}

std::unique_ptr<Operation> make_probe(const Geometry& g, int buffer, int slot, int mode, const int64_t* fans,
                                      int fan_count) {
    require(fan_count > 0 && (mode == NONZERO || mode == MAGNITUDE || mode == ONES), "a probe of nothing");
    return std::make_unique<Probe>(g, buffer, slot, mode, fans, fan_count);
}

}  // namespace snncc
