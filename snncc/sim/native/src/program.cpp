#include "program.h"

#include <algorithm>
#include <exception>

#include "bits.h"
#include "layer.h"
#include "operations.h"
#include "stream.h"
#include "threads.h"

namespace snncc {

constexpr int64_t MOST_BYTES = int64_t{1} << 31;  // of all values of one map

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
    forms_.emplace_back();
    return static_cast<int>(buffers_.size()) - 1;
}

int Program::add_input(int index) {
    const int slot = static_cast<int>(input_sizes_.size());
    add_operation(make_transfer(buffer(index), index, slot, true), false);
    input_sizes_.push_back(buffer(index).elements());
    return slot;
}

int Program::add_export(int index) {
    as_codes(index);
    const int slot = static_cast<int>(output_sizes_.size());
    add_operation(make_transfer(buffer(index), index, slot, false), false);
    output_sizes_.push_back(buffer(index).elements());
    return slot;
}

int Program::add_probe(int index, int mode, const int64_t* fans, int fan_count) {
    const int slot = static_cast<int>(output_sizes_.size());
    buffer(index);
    const bool bits = has_bits(index);  // of which each one is a spike
    const int read = bits ? as_bits(index) : index;
    add_operation(make_probe(buffer(read), read, slot, bits ? ONES : mode, fans, fan_count), is_lasting(index));
    output_sizes_.push_back(static_cast<int64_t>(sizeof(int64_t)) * fan_count);
    return slot;
}

void Program::add_copy(Wide source, Wide destination, const int32_t* runs, int64_t count, int32_t shift) {
    add_operation(make_copy(buffer(as_codes(source)), buffer(destination), source, destination, runs, count, shift),
                  is_lasting(destination.low));
}

void Program::add_max_pool(Wide source, Wide destination, const PoolShape& shape) {
    const Geometry &from = buffer(source), &to = buffer(destination);
    if (source.high < 0 && destination.high < 0 && has_bits(source.low) && to.zero == 0)
        return add_bit_pool(source.low, destination.low, shape);
    add_operation(make_max_pool(from, to, as_codes(source), destination, shape), is_lasting(destination.low));
}

void Program::begin_layer(int32_t channels, int32_t height, int32_t width, int32_t group, bool wide) {
    layer_ = std::make_unique<Layer>(channels, height, width, group, wide);
}

Layer& Program::open_layer() {
    require(layer_ != nullptr, "no layer was begun");
    return *layer_;
}

void Program::add_operation(std::unique_ptr<Operation> operation, bool lasting) {
    operations_.push_back(std::move(operation));
    runs_once_.push_back(lasting);
}

std::vector<std::unique_ptr<Term>>& Program::terms_for(int source) {
    return is_lasting(source) ? lasting_terms_ : layer_->terms;
}

void Program::close_layer() {
    require(!layer_->terms.empty(), "a layer without terms");
    layer_->close();
    add_operation(std::move(layer_), false);
}

void Program::add_conv(int source, const ConvShape& shape, const int8_t* weights, int32_t multiplier) {
    Layer& layer = open_layer();
    check_conv(buffer(source), shape, layer);
    const bool bits = reads_bits(kernels_, buffer(source), shape, weights, layer);
    const int read = bits ? as_bits(source) : as_codes(source);
    terms_for(source).push_back(
        bits ? make_bit_conv(buffer(read), read, shape, weights, multiplier, layer)
             : make_conv(kernels_, buffer(read), read, shape, weights, multiplier, layer));
}

void Program::add_scale(int source, const int32_t* weights, int32_t multiplier) {
    Layer& layer = open_layer();
    terms_for(source).push_back(make_scale(buffer(as_codes(source)), source, weights, multiplier, layer));
}

void Program::add_sum_pool(int source, const PoolShape& shape, const int32_t* weights, const int32_t* factors,
                           int32_t multiplier) {
    Layer& layer = open_layer();
    terms_for(source).push_back(make_sum_pool(buffer(as_codes(source)), source, shape, weights, factors, multiplier, layer));
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
    if (span == 1 && levels.high < 0 && buffer(levels).zero == 0 && fires_bits(layer)) {
        const int bits = written_as_bits(levels.low);
        layer.neuron = make_bit_stairs(layer, {{bits, -1}, places_of(buffer(bits))}, read_classes(layer, class_count, classes), theta, offsets);
        return close_layer();
    }
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

// --- streaming codes ---------------------------------------------------------------------------------------------

void Program::declare_lasting(int index) {
    buffer(index);
    lasting_.resize(buffers_.size(), false);
    lasting_[static_cast<size_t>(index)] = true;
}

int Program::add_state(int64_t size) {
    require(size > 0 && size < MOST_BYTES / 4, "a state of 2 GiB or more");
    states_.push_back(size);
    return static_cast<int>(states_.size()) - 1;
}

int Program::add_stream_input(int index) {
    const int slot = static_cast<int>(input_sizes_.size());
    add_operation(make_stream_input(buffer(index), index, slot, is_lasting(index)), false);
    input_sizes_.push_back(buffer(index).elements());
    return slot;
}

void Program::add_stream_pool(int source, int destination, const PoolShape& shape) {
    const Geometry &from = buffer(source), &to = buffer(destination);
    const int state = add_state(stream_pool_state(from, to));
    add_operation(make_stream_pool(from, to, source, destination, shape, state), false);
}

// The slot of a population's spike sums, int32.
int Program::add_sums() {
    output_sizes_.push_back(static_cast<int64_t>(sizeof(int32_t)) * layer_->positions() * layer_->channels);
    per_image_.resize(output_sizes_.size(), false);
    per_image_.back() = true;
    return static_cast<int>(output_sizes_.size()) - 1;
}

void Program::end_stream(std::unique_ptr<Stepping> neurons, int delay) {
    require(!layer_->terms.empty() || !lasting_terms_.empty(), "a layer without terms");
    add_operation(std::make_unique<StreamLayer>(std::move(layer_), std::move(lasting_terms_), delay, std::move(neurons),
                                                kernels_.gathered),
                  false);
    lasting_terms_.clear();
}

namespace {

StreamTarget stream_target(const Layer& layer, const Geometry& g, int levels, int state, int slot) {
    require(g.channels == layer.channels && g.height == layer.height && g.width == layer.width,
            "a layer and its spikes have different shapes");
    return {levels, places_of(g), state, slot};
}

int64_t spiking_state(const Layer& layer, int arrays = 2) {
    return arrays * layer.positions() * static_cast<int64_t>(layer.blocks.size()) * BLOCK;
}

}  // namespace

int Program::end_rate(int levels, const int64_t* theta, const int64_t* offsets, int32_t class_count,
                      const int32_t* classes, bool with_negative, bool hard) {
    Layer& layer = open_layer();
    const int slot = add_sums();
    StreamTarget target = stream_target(layer, buffer(levels), levels, add_state(spiking_state(layer)), slot);
    end_stream(make_rate(layer, std::move(target), read_classes(layer, class_count, classes), theta, offsets,
                         with_negative, hard), 0);
    return slot;
}

int Program::end_leaky(int levels, const int64_t* offsets, int32_t class_count, const int32_t* classes, const Leak& leak) {
    Layer& layer = open_layer();
    const int slot = add_sums(), state = add_state(spiking_state(layer, leak.remembers() ? 3 : 2));
    StreamTarget target = stream_target(layer, buffer(levels), levels, state, slot);
    end_stream(make_leaky(layer, std::move(target), read_classes(layer, class_count, classes), offsets, leak), 0);
    return slot;
}

int Program::end_stbif(int levels, const int64_t* theta, const int64_t* start, int32_t class_count,
                       const int32_t* classes, int32_t lo, int32_t hi) {
    Layer& layer = open_layer();
    const int slot = add_sums();
    StreamTarget target = stream_target(layer, buffer(levels), levels, add_state(spiking_state(layer)), slot);
    end_stream(make_stbif(layer, std::move(target), read_classes(layer, class_count, classes), theta, start, lo, hi), 1);
    return slot;
}

int Program::end_stbif_table(int levels, const int64_t* breakpoints, int32_t class_count, const int32_t* classes,
                             int32_t lo, int32_t span) {
    Layer& layer = open_layer();
    require(lo <= 0 && span > 0 && span < 65536 && lo + span >= 0, "levels out of range");
    const int slot = add_sums();
    StreamTarget target = stream_target(layer, buffer(levels), levels, add_state(spiking_state(layer)), slot);
    end_stream(make_stbif_table(layer, std::move(target), read_classes(layer, class_count, classes), breakpoints, lo, span), 1);
    return slot;
}

int Program::end_stream_readout(const int64_t* offsets, int32_t class_count, const int32_t* classes, bool every_step,
                                int delay) {
    Layer& layer = open_layer();
    require(delay == 0 || delay == 1, "a delay of more than one step");
    const int slot = static_cast<int>(output_sizes_.size());
    output_sizes_.push_back(static_cast<int64_t>(sizeof(int64_t)) * layer.positions() * layer.channels);
    const int state = add_state(2 * layer.positions() * layer.channels);
    end_stream(make_stream_readout(layer, read_classes(layer, class_count, classes), offsets, every_step, state, slot), delay);
    return slot;
}

int64_t Program::run_image(Context& context, int64_t steps, bool until_silent) const {
    int64_t done = 0;
    while (done < steps) {
        const int end = 1 + static_cast<int>(std::min<int64_t>(maps_ - 1, steps - done));
        context.step = done;
        context.first = context.image * steps + done - 1;
        context.begin = 1;
        std::fill(context.events->begin(), context.events->end(), 0);
        for (size_t i = 0; i < operations_.size(); ++i) {
            context.end = runs_once_[i] ? 2 : end;
            operations_[i]->run(context);
        }
        done += end - 1;
        for (int map = 1; until_silent && map < end; ++map)
            if (!(*context.events)[map] && context.step + map > 1) return done;
        context.arena.keep_last(end - 1);
    }
    return until_silent ? -1 : done;
}

void Program::run_images(const uint8_t* const* inputs, void* const* outputs, int64_t steps, bool until_silent,
                         int64_t* taken, Counter& next) {
    try {
        auto owned = take_arena(maps_);
        Arena& arena = *owned;
        std::vector<uint8_t> events(static_cast<size_t>(maps_));
        int64_t image;
        while (next.take(image)) {
            arena.silence();
            Context context{kernels_, arena, 0, 1, 1, inputs, outputs};
            context.image = image;
            context.events = &events;
            taken[image] = run_image(context, steps, until_silent);
            for (const auto& operation : operations_) operation->finish(context);
        }
        give_back(std::move(owned));
    } catch (...) {
        next.fail(std::current_exception());
    }
}

void Program::run_stream(const uint8_t* const* inputs, const int64_t* input_bytes, void* const* outputs,
                         const int64_t* output_bytes, int64_t count, int64_t steps, bool until_silent, int64_t* taken,
                         int threads) {
    require(layer_ == nullptr, "a layer was not ended");
    require(count >= 0 && threads > 0 && steps > 0 && maps_ > 1, "nothing to run, or nothing to run it on");
    per_image_.resize(output_sizes_.size(), false);
    for (size_t i = 0; i < input_sizes_.size(); ++i)
        require(input_bytes[i] == input_sizes_[i] * count, "an input has another size");
    std::vector<void*> wanted(outputs, outputs + output_sizes_.size());
    for (size_t i = 0; i < output_sizes_.size(); ++i)
        if (per_image_[i] && output_bytes[i] == 0)
            wanted[i] = nullptr;
        else
            require(output_bytes[i] == output_sizes_[i] * count * (per_image_[i] ? 1 : steps), "an output has another size");
    in_parallel(count, threads, [&](Counter& next) { run_images(inputs, wanted.data(), steps, until_silent, taken, next); });
}

}  // namespace snncc
