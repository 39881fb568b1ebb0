#include "program.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "layer.h"
#include "operations.h"

namespace snncc {

constexpr int64_t MOST_BYTES = int64_t{1} << 31;  // of all values of one map

Arena::Arena(const std::vector<Geometry>& buffers, int maps) : bits_(buffers.size()) {
    for (const Geometry& g : buffers) {
        maps_.emplace_back(static_cast<size_t>(g.bytes() * maps + SLACK), g.zero);
        strides_.push_back(g.bytes());
    }
}

Program::Program(const Kernels& kernels, int maps) : kernels_(kernels), maps_(maps) {
    require(maps > 0 && maps <= 4096, "a group of no maps, or of too many");
}

Program::~Program() = default;

const Geometry& Program::buffer(int index) const {
    require(index >= 0 && index < static_cast<int>(buffers_.size()), "no such buffer");
    return buffers_[static_cast<size_t>(index)];
}

const Geometry& Program::buffer(Wide value) const {
    const Geometry& low = buffer(value.low);
    if (value.high >= 0) {
        const Geometry& high = buffer(value.high);
        require(value.high != value.low && high.channels == low.channels && high.bytes() == low.bytes() &&
                    high.pixel(0, 0) == low.pixel(0, 0) && high.row() == low.row(),
                "the two bytes of a value lie differently");
    }
    return low;
}

int Program::add_buffer(const Geometry& g) {
    for (const int32_t size : {g.channels, g.height, g.width})
        require(size > 0 && size <= MOST_ELEMENTS, "a value without elements, or with too many");
    for (const int32_t size : {g.top, g.bottom, g.left, g.right})
        require(size >= 0 && size <= (1 << 20), "a halo out of range");
    const int64_t rows = int64_t{g.top} + g.height + g.bottom;
    require(rows <= MOST_BYTES / g.row() && rows * g.row() <= MOST_BYTES / g.channels, "a value of 2 GiB or more");
    require(bytes_per_map_ + g.bytes() < MOST_BYTES, "values of 2 GiB or more");
    bytes_per_map_ += g.bytes();
    buffers_.push_back(g);
    return static_cast<int>(buffers_.size()) - 1;
}

int Program::add_input(int index) {
    const int slot = static_cast<int>(input_sizes_.size());
    operations_.push_back(make_transfer(buffer(index), index, slot, true));
    input_sizes_.push_back(buffer(index).elements());
    return slot;
}

int Program::add_export(int index) {
    const int slot = static_cast<int>(output_sizes_.size());
    operations_.push_back(make_transfer(buffer(index), index, slot, false));
    output_sizes_.push_back(buffer(index).elements());
    return slot;
}

int Program::add_probe(int index, int mode, const int64_t* fans, int fan_count) {
    const int slot = static_cast<int>(output_sizes_.size());
    operations_.push_back(make_probe(buffer(index), index, slot, mode, fans, fan_count));
    output_sizes_.push_back(static_cast<int64_t>(sizeof(int64_t)) * fan_count);
    return slot;
}

void Program::add_copy(Wide source, Wide destination, const int32_t* runs, int64_t count, int32_t shift) {
    operations_.push_back(make_copy(buffer(source), buffer(destination), source, destination, runs, count, shift));
}

void Program::add_max_pool(Wide source, Wide destination, const PoolShape& shape) {
    operations_.push_back(make_max_pool(buffer(source), buffer(destination), source, destination, shape));
}

void Program::begin_layer(int32_t channels, int32_t height, int32_t width, int32_t group, bool wide) {
    layer_ = std::make_unique<Layer>(channels, height, width, group, wide);
}

Layer& Program::open_layer() {
    require(layer_ != nullptr, "no layer was begun");
    return *layer_;
}

void Program::close_layer() {
    require(!layer_->terms.empty(), "a layer without terms");
    operations_.push_back(std::move(layer_));
}

void Program::add_conv(int source, const ConvShape& shape, const int8_t* weights, int32_t multiplier) {
    Layer& layer = open_layer();
    layer.terms.push_back(make_conv(kernels_, buffer(source), source, shape, weights, multiplier, layer));
}

void Program::add_scale(int source, const int32_t* weights, int32_t multiplier) {
    Layer& layer = open_layer();
    layer.terms.push_back(make_scale(buffer(source), source, weights, multiplier, layer));
}

void Program::add_sum_pool(int source, const PoolShape& shape, const int32_t* weights, const int32_t* factors,
                           int32_t multiplier) {
    Layer& layer = open_layer();
    layer.terms.push_back(make_sum_pool(buffer(source), source, shape, weights, factors, multiplier, layer));
}

namespace {

Classes read_classes(const Layer& layer, int32_t count, const int32_t* of) {
    require(count > 0 && count <= (1 << 20), "no border class");
    Classes classes{count, {}};
    if (of) classes.of.assign(of, of + layer.positions());
    for (const int32_t border : classes.of) require(border >= 0 && border < count, "a border class out of range");
    return classes;
}

Target target_of(const Layer& layer, const Geometry& g, Wide levels, int32_t span) {
    require(g.channels == layer.channels && g.height == layer.height && g.width == layer.width,
            "a layer and its levels have different shapes");
    require(span > 0 && span < (levels.high >= 0 ? 65536 : 256), "more levels than their codes hold");
    return {levels, places_of(g)};
}

}  // namespace

void Program::end_stairs(Wide levels, const int64_t* theta, const int64_t* offsets, int32_t class_count,
                         const int32_t* classes, int32_t span) {
    Layer& layer = open_layer();
    Target target = target_of(layer, buffer(levels), levels, span);
    layer.neuron = make_stairs(layer, std::move(target), read_classes(layer, class_count, classes), theta, offsets, span);
    close_layer();
}

void Program::end_table(Wide levels, const int64_t* breakpoints, int32_t class_count, const int32_t* classes,
                        int32_t span, const float* slope, const float* start) {
    Layer& layer = open_layer();
    Target target = target_of(layer, buffer(levels), levels, span);
    layer.neuron =
        make_table(layer, std::move(target), read_classes(layer, class_count, classes), breakpoints, span, slope, start);
    close_layer();
}

int Program::end_readout(const int64_t* offsets, int32_t class_count, const int32_t* classes) {
    Layer& layer = open_layer();
    const int slot = static_cast<int>(output_sizes_.size());
    layer.neuron = make_readout(layer, read_classes(layer, class_count, classes), offsets, slot);
    output_sizes_.push_back(static_cast<int64_t>(sizeof(int64_t)) * layer.positions() * layer.channels);
    close_layer();
    return slot;
}

// Hands out groups of maps, and keeps the first error of any thread.
class Counter {
  public:
    explicit Counter(int64_t groups) : groups_(groups) {}
    bool take(int64_t& group) { return !failed_ && (group = next_++) < groups_; }
    void fail(std::exception_ptr error) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!error_) error_ = error;
        failed_ = true;
    }
    void check() const {
        if (error_) std::rethrow_exception(error_);
    }

  private:
    const int64_t groups_;
    std::atomic<int64_t> next_{0};
    std::atomic<bool> failed_{false};
    std::mutex mutex_;
    std::exception_ptr error_;
};

void Program::run_groups(const uint8_t* const* inputs, void* const* outputs, int64_t count, Counter& next) {
    try {
        Arena arena(buffers_, static_cast<int>(std::min<int64_t>(maps_, count)));
        int64_t group;
        while (next.take(group)) {
            const int64_t first = group * maps_;
            Context context{kernels_, arena, first, static_cast<int>(std::min<int64_t>(maps_, count - first)), inputs, outputs};
            for (const auto& operation : operations_) operation->run(context);
        }
    } catch (...) {
        next.fail(std::current_exception());
    }
}

void Program::run(const uint8_t* const* inputs, const int64_t* input_bytes, void* const* outputs,
                  const int64_t* output_bytes, int64_t count, int threads) {
    require(layer_ == nullptr, "a layer was not ended");
    require(count >= 0 && threads > 0, "nothing to run, or nothing to run it on");
    for (size_t i = 0; i < input_sizes_.size(); ++i)
        require(input_bytes[i] == input_sizes_[i] * count, "an input has another size");
    for (size_t i = 0; i < output_sizes_.size(); ++i)
        require(output_bytes[i] == output_sizes_[i] * count, "an output has another size");
    const int64_t groups = (count + maps_ - 1) / maps_;
    Counter next(groups);
    std::vector<std::thread> helpers;  // they end with the call: nothing waits, nothing spins
    for (int i = 1; i < std::min<int64_t>(threads, groups); ++i)
        helpers.emplace_back([&] { run_groups(inputs, outputs, count, next); });
    run_groups(inputs, outputs, count, next);
    for (auto& helper : helpers) helper.join();
    next.check();
}

}  // namespace snncc
