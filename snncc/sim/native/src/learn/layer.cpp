// A layer's wiring and its weights, and the room that an image takes.
#include <algorithm>
#include <cmath>

#include "../layer.h"
#include "network.h"

namespace snncc::learn {
namespace {

int32_t whole_vectors(int32_t channels) { return (channels + WIDTH - 1) / WIDTH * WIDTH; }

void check_shape(const Shape& s) {
    for (const int32_t size : {s.channels, s.height, s.width, s.outputs, s.output_height, s.output_width,
                               s.kernel_height, s.kernel_width, s.stride_height, s.stride_width})
        require(size > 0 && size <= 1 << 20, "a size of a layer is out of range");
    for (const int64_t pad : {s.pad_top, s.pad_left}) require(pad >= 0 && pad <= 1 << 20, "a padding is out of range");
    const int64_t taps = int64_t{s.kernel_height} * s.kernel_width, positions = int64_t{s.output_height} * s.output_width;
    require(taps * s.channels <= MOST_NUMBERS / whole_vectors(s.outputs), "a layer has too many weights");
    require(positions <= MOST_NUMBERS / whole_vectors(s.outputs), "a layer has too many neurons");
    require(int64_t{s.height} * s.width <= MOST_NUMBERS / s.channels, "a map has too many elements");
    require(taps <= MOST_NUMBERS / positions && taps * positions <= MOST_NUMBERS / s.channels,
            "a layer has too many connections");
}

void check_neurons(const Neurons& n) {
    require(n.decay > 0 && n.decay <= 1, "a decay is not in (0, 1]");
    require(std::isfinite(n.gain) && n.gain > 0, "a gain is not positive");
    require(std::isfinite(n.threshold) && n.threshold > 0, "a threshold is not positive");
    require(n.band > 0, "a band is not positive");
    require(std::isfinite(n.slope) && n.slope >= 0, "a slope is negative");
    require(std::isfinite(n.factor) && n.factor > 0, "a factor is not positive");
}

constexpr float EXACT = 1 << 24;  // float32 holds all integers up to it

enum { START, THRESHOLD, BOUND, REACH, INVERSE, LIMIT, ZERO, RATES };  // rows of `rates_`

}  // namespace

Layer::Layer(const Shape& given, const Neurons& chosen, int32_t source_stride, int32_t steps, Readout kind, bool rates)
    : shape(given), neurons(chosen), readout(kind) {
    check_shape(shape);
    check_neurons(neurons);
    wiring.steps = steps;
    wiring.positions = shape.output_height * shape.output_width;
    wiring.channels = shape.outputs;
    wiring.stride = whole_vectors(shape.outputs);
    wiring.threshold = neurons.threshold;
    wiring.band = neurons.band;
    wiring.slope = neurons.slope;
    wiring.quiet = std::nextafter(neurons.threshold - neurons.band, -INFINITY);
    wiring.restless = !(neurons.threshold - neurons.band >= 0);
    wiring.to_zero = neurons.to_zero != 0;
    require(readout == Readout::none || wiring.positions == 1, "a readout with positions");
    require(places() <= MOST_NUMBERS / steps, "a layer has too many neurons and steps");
    connect(source_stride);
    powers_.assign(static_cast<size_t>(steps), 1.0f);
    for (size_t k = 1; k < powers_.size(); ++k) powers_[k] = powers_[k - 1] * neurons.decay;
    weights_ = Aligned<float>(static_cast<size_t>(padded()), 0.0f);
    wiring.starts = starts_.data();
    wiring.targets = targets_.data();
    wiring.powers = powers_.data();
    wiring.weights = weights_.data();
    if (!rates) return;
    rates_ = Aligned<float>(static_cast<size_t>(RATES) * wiring.stride, 0.0f);
    biases_ = Aligned<float>(static_cast<size_t>(places()), 0.0f);
    wiring.rates = {rate(START), rate(THRESHOLD), rate(BOUND), rate(REACH), rate(INVERSE),
                    rate(LIMIT), rate(ZERO), biases_.data(), neurons.decay};
}

// The targets of every place of the source, in the order of the kernel.
void Layer::connect(int32_t source_stride) {
    const int64_t sources = int64_t{shape.height} * shape.width * source_stride;
    require(sources <= MOST_NUMBERS, "a map has too many elements");
    wiring.sources = static_cast<int32_t>(sources);
    starts_.reserve(static_cast<size_t>(sources) + 1);
    starts_.push_back(0);
    for (int32_t y = 0; y < shape.height; ++y)
        for (int32_t x = 0; x < shape.width; ++x)
            for (int32_t c = 0; c < source_stride; ++c) {
                for (int32_t ky = 0; c < shape.channels && ky < shape.kernel_height; ++ky)
                    for (int32_t kx = 0; kx < shape.kernel_width; ++kx) {
                        const int32_t down = y + shape.pad_top - ky, right = x + shape.pad_left - kx;
                        if (down < 0 || right < 0 || down % shape.stride_height || right % shape.stride_width) continue;
                        const int32_t oy = down / shape.stride_height, ox = right / shape.stride_width;
                        if (oy >= shape.output_height || ox >= shape.output_width) continue;
                        targets_.push_back({oy * shape.output_width + ox,
                                            (ky * shape.kernel_width + kx) * shape.channels + c});
                    }
                starts_.push_back(static_cast<int64_t>(targets_.size()));
            }
}

void Layer::pack(const float* weights) {
    for (int64_t r = 0; r < rows(); ++r)
        for (int32_t c = 0; c < shape.outputs; ++c)
            weights_[static_cast<size_t>(r * wiring.stride + c)] = neurons.gain * weights[r * shape.outputs + c];
}

void Layer::pack(const Potentials& given, float greatest) {
    std::vector<float> most(static_cast<size_t>(wiring.stride), 0.0f);
    for (int64_t p = 0; p < wiring.positions; ++p)
        for (int32_t c = 0; c < shape.outputs; ++c) {
            const float bias = biases_[static_cast<size_t>(p * wiring.stride + c)] = given.biases[p * shape.outputs + c];
            most[static_cast<size_t>(c)] = std::max(most[static_cast<size_t>(c)], std::fabs(bias));
        }
    for (int64_t r = 0; r < rows(); ++r)
        for (int32_t c = 0; c < shape.outputs; ++c)
            most[static_cast<size_t>(c)] += greatest * std::fabs(weights_[static_cast<size_t>(r * wiring.stride + c)]);
    for (int32_t c = 0; c < shape.outputs; ++c) {
        const float threshold = given.thresholds ? given.thresholds[c] : INFINITY;
        require(threshold > 0 && (readout != Readout::none || std::isfinite(threshold)), "a threshold is not positive");
        rate(START)[c] = given.starts ? given.starts[c] : 0.0f;
        rate(THRESHOLD)[c] = threshold;
        rate(BOUND)[c] = readout == Readout::none ? std::nextafter(threshold, -INFINITY) : INFINITY;
        rate(REACH)[c] = readout == Readout::none ? neurons.band * threshold : 0.0f;
        rate(INVERSE)[c] = 1 / threshold;
        rate(LIMIT)[c] = EXACT - most[static_cast<size_t>(c)];
    }
}

void Layer::unpack(const std::vector<const float*>& shares, float factor, float* gradient, int64_t first,
                   int64_t last) const {
    for (int64_t r = first; r < last; ++r)
        for (int32_t c = 0; c < shape.outputs; ++c) {
            float sum = 0;
            for (const float* share : shares) sum += share[r * wiring.stride + c];
            gradient[r * shape.outputs + c] = factor * sum;
        }
}

Workspace::Workspace(const std::vector<std::unique_ptr<Layer>>& layers, bool rates) : memory_(layers.size()) {
    for (size_t i = 0; i < layers.size(); ++i) {
        const Wiring& w = layers[i]->wiring;
        const auto places = static_cast<size_t>(layers[i]->places()), positions = static_cast<size_t>(w.positions);
        const auto steps = static_cast<size_t>(w.steps);
        Memory& m = memory_[i];
        m.state = Aligned<float>(places, 0.0f);
        m.currents = Aligned<float>(rates ? places : 0, 0.0f);
        m.sums = Aligned<float>(rates ? places : 0, 0.0f);
        m.push = Aligned<float>(places, 0.0f);
        m.times.reset(new int32_t[positions]);
        for (auto& listed : m.listed) listed.reset(new int32_t[positions]);
        m.spike_starts.reset(new int64_t[steps + 1]());
        m.active_starts.reset(new int64_t[steps + 1]());
        m.spike_places.reset(new int32_t[places * steps]);
        m.active_places.reset(new int32_t[places * steps]);
        m.values.reset(new float[places * steps]);
        rooms.push_back({m.state.data(), m.times.get(), {m.listed[0].get(), m.listed[1].get()},
                         {m.spike_starts.get(), m.spike_places.get()},
                         {m.active_starts.get(), m.active_places.get(), m.values.get(), nullptr},
                         m.currents.data(), m.sums.data(), 0, m.push.data()});
    }
    const auto classes = static_cast<size_t>(layers.back()->wiring.stride);
    when.resize(classes);
    scores = Aligned<float>(classes, 0.0f);
}

}  // namespace snncc::learn
