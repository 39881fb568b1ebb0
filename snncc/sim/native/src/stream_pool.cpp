// Max-pools of streaming codes: the greatest of the running sums, less what was sent.
#include <algorithm>
#include <cstring>

#include "stream.h"

namespace snncc {
namespace {

// Sums are rounded up to whole blocks; behind them is what was sent.
int64_t room(const Geometry& from) { return (from.bytes() + BLOCK - 1) / BLOCK * BLOCK; }

class StreamPool : public Operation {
  public:
    StreamPool(const Geometry& from, const Geometry& to, int source, int destination, const PoolShape& s, int state)
        : from_(from), to_(to), shape_(s), source_(source), destination_(destination), state_(state) {}

    void run(Context& context) const override {
        auto& state = context.arena.state(state_);
        if (context.step == 0) std::memset(state.data(), 0, state.size() * sizeof(int32_t));
        for (int map = context.begin; map < context.end; map += STEPS) take(context, map, std::min(STEPS, context.end - map));
    }

  private:
    void take(Context& context, int map, int steps) const {
        int32_t* sums = context.arena.state(state_).data();
        std::vector<int64_t> members;
        for (int32_t y = 0; y < to_.height; ++y)
            for (int32_t x = 0; x < to_.width; ++x) {
                look(y, x, members);
                if (members.empty()) continue;
                const int64_t place = (int64_t{y} * to_.width + x) * to_.channels;
                context.kernels.pool_steps({context.arena.map(source_, map), members.data(), static_cast<int32_t>(members.size()),
                                            to_.channels, steps, from_.bytes(), to_.bytes(), sums, sums + room(from_) + place,
                                            context.arena.map(destination_, map) + to_.pixel(y, x) * to_.channels, from_.zero});
            }
        context.kernels.add_steps(sums, context.arena.map(source_, map), from_.bytes(), steps, from_.bytes(), from_.zero);
    }

    // The members of a window that lie inside the source.
    void look(int32_t y, int32_t x, std::vector<int64_t>& members) const {
        const int64_t top = int64_t{y} * shape_.stride_height - shape_.pad_top;
        const int64_t left = int64_t{x} * shape_.stride_width - shape_.pad_left;
        const int64_t bottom = std::min<int64_t>(top + shape_.kernel_height, from_.height);
        const int64_t right = std::min<int64_t>(left + shape_.kernel_width, from_.width);
        members.clear();
        for (int64_t row = std::max<int64_t>(top, 0); row < bottom; ++row)
            for (int64_t column = std::max<int64_t>(left, 0); column < right; ++column)
                members.push_back(from_.pixel(row, column) * from_.channels);
    }

    const Geometry from_, to_;
    const PoolShape shape_;
    const int source_, destination_, state_;
};

}  // namespace

std::unique_ptr<Operation> make_stream_pool(const Geometry& from, const Geometry& to, int source, int destination,
                                            const PoolShape& s, int state) {
    require(source != destination && from.channels == to.channels && from.zero == to.zero, "a pool and its source have different channels");
    require(s.kernel_height > 0 && s.kernel_width > 0 && s.stride_height > 0 && s.stride_width > 0 && s.pad_top >= 0 &&
                s.pad_left >= 0,
            "a pool without a window");
    return std::make_unique<StreamPool>(from, to, source, destination, s, state);
}

int64_t stream_pool_state(const Geometry& from, const Geometry& to) { return room(from) + to.elements() + LANES; }

}  // namespace snncc
