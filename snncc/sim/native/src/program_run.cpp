// Maps on their way through a program.
#include <algorithm>
#include <cstring>
#include <exception>

#include "layer.h"
#include "threads.h"

namespace snncc {

Arena::Arena(const std::vector<Geometry>& buffers, int maps, const std::vector<int64_t>& states)
    : count_(maps), spikes_(buffers.size()) {
    for (const Geometry& g : buffers) {
        maps_.emplace_back(static_cast<size_t>(g.bytes() * maps + SLACK), g.zero);
        bases_.push_back(maps_.back().data());
        strides_.push_back(g.bytes());
        zeros_.push_back(g.zero);
    }
    for (const int64_t size : states) states_.emplace_back(static_cast<size_t>(size), 0);
}

void Arena::silence() {
    for (size_t i = 0; i < maps_.size(); ++i)
        std::memset(map(static_cast<int>(i), 0), zeros_[i], static_cast<size_t>(strides_[i]));
}

void Arena::keep_last(int from) {
    for (size_t i = 0; i < maps_.size(); ++i) {
        const int buffer = static_cast<int>(i);
        std::memcpy(map(buffer, 0), map(buffer, from), static_cast<size_t>(strides_[i]));
    }
}

std::unique_ptr<Arena> Program::take_arena(int maps) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        while (!idle_.empty()) {
            auto arena = std::move(idle_.back());
            idle_.pop_back();
            if (arena->maps() >= maps) return arena;  // one that is too small is dropped
        }
    }
    return std::make_unique<Arena>(buffers_, maps, states_);
}

void Program::give_back(std::unique_ptr<Arena> arena) {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(arena));
}

void Program::run_group(Context& context) const {
    for (const auto& operation : operations_) operation->run(context);
}

// Groups of `size` maps, on several threads at once.
void Program::run_groups(const uint8_t* const* inputs, void* const* outputs, int64_t count, int64_t size, Counter& next) {
    try {
        auto owned = take_arena(static_cast<int>(size));
        int64_t group;
        while (next.take(group)) {
            const int64_t first = group * size;
            const int end = static_cast<int>(std::min(size, count - first));
            Context context{kernels_, *owned, first, 0, end, inputs, outputs};
            run_group(context);
        }
        give_back(std::move(owned));
    } catch (...) {
        next.fail(std::current_exception());
    }
}

// Fewer maps than threads: these share the layers.
void Program::run_together(const uint8_t* const* inputs, void* const* outputs, int64_t count, int threads) {
    Team team(threads);
    auto owned = take_arena(static_cast<int>(std::min<int64_t>(maps_, count)));
    for (int64_t first = 0; first < count; first += maps_) {
        const int end = static_cast<int>(std::min<int64_t>(maps_, count - first));
        Context context{kernels_, *owned, first, 0, end, inputs, outputs};
        context.team = &team;
        run_group(context);
    }
    give_back(std::move(owned));
}

void Program::run(const uint8_t* const* inputs, const int64_t* input_bytes, void* const* outputs,
                  const int64_t* output_bytes, int64_t count, int threads) {
    require(layer_ == nullptr, "a layer was not ended");
    require(count >= 0 && threads > 0, "nothing to run, or nothing to run it on");
    for (size_t i = 0; i < input_sizes_.size(); ++i)
        require(input_bytes[i] == input_sizes_[i] * count, "an input has another size");
    for (size_t i = 0; i < output_sizes_.size(); ++i)
        require(output_bytes[i] == output_sizes_[i] * count, "an output has another size");
    if (count > 0 && count < threads) return run_together(inputs, outputs, count, threads);
    const int64_t size = std::clamp<int64_t>((count + threads - 1) / threads, 1, maps_);
    in_parallel((count + size - 1) / size, threads,
                [&](Counter& next) { run_groups(inputs, outputs, count, size, next); });
}

}  // namespace snncc
