// A batch: its images in shares, each with sums of its own, which are added up in the same order whatever the threads.
#include "network.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(SNNCC_X86)
#include <immintrin.h>
#endif

#include "../layer.h"
#include "../threads.h"

namespace snncc::learn {
namespace {

constexpr int64_t ROWS = 64;  // of gradients that are added up together

// Decaying values end below what float32 holds in full, where processors are slow; they count as 0.
class SmallestAreZero {
  public:
#if defined(SNNCC_X86)
    SmallestAreZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
    ~SmallestAreZero() { _mm_setcsr(before_); }

  private:
    const unsigned before_;
#else
    SmallestAreZero() {}
#endif
};

// What the penalty has for each spike of a layer, as a share of the batch.
void push(const Batch& batch, const Layer& layer, Room& room) {
    room.active.push = batch.penalty ? room.push : nullptr;
    if (!batch.penalty) return;
    const Penalty& p = *batch.penalty;
    const int64_t spikes = room.spikes.starts[layer.wiring.steps];
    const float neurons = static_cast<float>(int64_t{layer.wiring.positions} * layer.wiring.channels);
    const float share = 1 / (neurons * static_cast<float>(batch.size));
    const float upper = static_cast<float>(spikes) > p.most * neurons ? p.upper * share : 0;
    std::fill_n(room.push, layer.places(), 0.0f);
    for (int64_t i = 0; i < spikes; ++i) room.push[room.spikes.places[i]] += 1;
    for (int64_t i = 0; i < layer.places(); ++i)
        room.push[i] = upper - 2 * p.lower * share * std::max(0.0f, p.least - room.push[i]);
}

int64_t shares_of(int64_t images) { return std::clamp<int64_t>(images / SHARE, 1, MOST_SHARES); }

}  // namespace

const Kernels& kernels_of(const char* name) {
#if defined(SNNCC_X86)
    if (!std::strcmp(name, "avx512")) return AVX512;
    if (!std::strcmp(name, "avx2")) return AVX2;
#endif
    require(!std::strcmp(name, "baseline"), "there are no such kernels");
    return BASELINE;
}

Network::Network(const Kernels& kernels, int32_t steps, int32_t inputs, bool rates)
    : kernels_(kernels), steps_(steps), inputs_(inputs), rates_(rates),
      silence_(static_cast<size_t>(std::clamp(steps, 0, 65536)) + 1, 0) {
    require(steps > 0 && steps <= 65536, "steps out of range");
    require(inputs > 0 && inputs <= MOST_NUMBERS, "inputs out of range");
}

void Network::add(const Shape& shape, const Neurons& neurons, Readout readout) {
    require(layers_.empty() || layers_.back()->readout == Readout::none, "a layer after the readout");
    require(readout == Readout::none || rates_ == (readout == Readout::drive), "a readout of another code");
    const int64_t values = int64_t{shape.channels} * shape.height * shape.width;
    if (layers_.empty()) {
        require(values == inputs_, "the first layer reads another number of inputs");
    } else {
        const Shape& below = layers_.back()->shape;
        require(shape.channels == below.outputs && shape.height == below.output_height &&
                    shape.width == below.output_width, "a layer reads another shape than the one below sends");
    }
    const int32_t stride = layers_.empty() ? shape.channels : layers_.back()->wiring.stride;
    layers_.push_back(std::make_unique<Layer>(shape, neurons, stride, steps_, readout, rates_));
}

void Network::check(const Batch& b, int threads) const {
    require(!layers_.empty() && layers_.back()->readout != Readout::none, "a network without a readout");
    require(b.size > 0 && threads > 0, "nothing to run, or nothing to run it on");
    const int32_t classes = layers_.back()->shape.outputs;
    for (int64_t i = 0; b.labels && i < b.size; ++i)
        require(b.labels[i] >= 0 && b.labels[i] < classes, "a label is out of range");
    require(b.gradients == nullptr || b.labels != nullptr, "gradients need labels");
    require(rates_ || !b.levels, "only the code rate takes levels");
    require(!rates_ || (b.potentials && !b.gradients == !b.bias_gradients), "the code rate needs potentials");
    if (!b.levels) check_trains(b);
}

void Network::check_trains(const Batch& b) const {
    for (int64_t i = 0; i < b.size; ++i) {
        require(b.chosen[i] >= 0 && b.chosen[i] < b.image_count, "there is no such image");
        const int64_t* starts = b.starts + b.chosen[i] * (steps_ + 1);
        require(starts[0] >= 0 && starts[steps_] <= b.place_count, "spikes outside their array");
        for (int32_t t = 0; t < steps_; ++t) require(starts[t] <= starts[t + 1], "spikes out of order");
        for (int64_t k = starts[0]; k < starts[steps_]; ++k)
            require(b.places[k] >= 0 && b.places[k] < inputs_, "a spike of no input");
    }
}

// Of anything that an input sends in a step.
float Network::greatest_level(const Batch& b) const {
    float found = b.levels ? 0.0f : 1.0f;
    for (int64_t i = 0; b.levels && i < b.size * inputs_; ++i) {
        require(std::isfinite(b.levels[i]), "a level is not finite");
        found = std::max(found, std::fabs(b.levels[i]));
    }
    return found;
}

void Network::pack(const Batch& batch) {
    for (size_t i = 0; i < layers_.size(); ++i) {
        layers_[i]->pack(batch.weights[i]);
        if (rates_) layers_[i]->pack(batch.potentials[i], i ? 1.0f : greatest_level(batch));
    }
}

std::unique_ptr<Workspace> Network::take_workspace() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!idle_.empty()) {
            auto found = std::move(idle_.back());
            idle_.pop_back();
            return found;
        }
    }
    return std::make_unique<Workspace>(layers_, rates_);
}

void Network::run(const Batch& batch, int threads) {
    check(batch, threads);
    pack(batch);
    const int64_t shares = shares_of(batch.size);
    if (shares_.size() < static_cast<size_t>(shares)) shares_.resize(static_cast<size_t>(shares));
    in_parallel(shares, threads, [&](Counter& next) {
        try {
            const SmallestAreZero mode;
            int64_t s;
            while (next.take(s))
                run_share(batch, shares_[static_cast<size_t>(s)], batch.size * s / shares, batch.size * (s + 1) / shares);
        } catch (...) {
            next.fail(std::current_exception());
        }
    });
    std::fill(batch.counts, batch.counts + COUNTS * layers_.size(), 0);
    for (int64_t s = 0; s < shares; ++s)
        for (size_t i = 0; i < COUNTS * layers_.size(); ++i) batch.counts[i] += shares_[static_cast<size_t>(s)].counts[i];
    if (batch.gradients) add_up(batch, shares, threads);
}

void Network::clear(Share& share) const {
    for (size_t i = 0; i < layers_.size(); ++i) {
        const int64_t places = rates_ ? layers_[i]->places() : 0;
        if (share.gradients.size() == i) {
            share.gradients.emplace_back(static_cast<size_t>(layers_[i]->padded()), 0.0f);
            share.biases.emplace_back(static_cast<size_t>(places), 0.0f);
        }
        std::fill_n(share.gradients[i].data(), layers_[i]->padded(), 0.0f);
        std::fill_n(share.biases[i].data(), places, 0.0f);
    }
}

void Network::run_share(const Batch& batch, Share& share, int64_t first, int64_t last) {
    share.counts.assign(COUNTS * layers_.size(), 0);
    if (batch.gradients) clear(share);
    auto workspace = take_workspace();
    for (int64_t index = first; index < last; ++index)
        rates_ ? run_rates(batch, share, *workspace, index) : run_image(batch, share, *workspace, index);
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(workspace));
}

void Network::run_image(const Batch& batch, Share& share, Workspace& work, int64_t index) const {
    const int64_t* starts = batch.starts + batch.chosen[index] * (steps_ + 1);
    std::vector<Events> in{{starts, batch.places + starts[0]}};
    const bool learns = batch.gradients != nullptr;
    const size_t last = layers_.size() - 1;
    for (size_t i = 0; i < last; ++i) {
        Room& room = work.rooms[i];
        kernels_.forward(layers_[i]->wiring, in[i], room, learns);
        push(batch, *layers_[i], room);
        in.push_back({room.spikes.starts, room.spikes.places});
        share.counts[COUNTS * i] += room.spikes.starts[steps_];
        share.counts[COUNTS * i + 1] += room.active.starts[steps_];
    }
    const bool greatest = layers_[last]->readout == Readout::greatest;
    kernels_.read(layers_[last]->wiring, in[last], work.rooms[last], greatest, work.scores.data(), work.when.data());
    batch.losses[index] = score(batch, work, index);
    for (size_t i = last + 1; learns && i-- > 0;)
        kernels_.backward(layers_[i]->wiring, in[i], work.rooms[i], share.gradients[i].data(),
                          i ? &work.rooms[i - 1].active : nullptr, i ? layers_[i - 1]->wiring.slope : 0.0f);
}

// A readout of the code `rate` is a layer that never fires: what it holds in the end is its score.
void Network::run_rates(const Batch& batch, Share& share, Workspace& work, int64_t index) const {
    const float* levels = batch.levels ? batch.levels + index * inputs_ : nullptr;
    const int64_t* starts = batch.levels ? silence_.data() : batch.starts + batch.chosen[index] * (steps_ + 1);
    std::vector<Events> in{{starts, levels ? nullptr : batch.places + starts[0]}};
    const bool learns = batch.gradients != nullptr;
    for (size_t i = 0; i < layers_.size(); ++i) {
        Room& room = work.rooms[i];
        kernels_.drive(layers_[i]->wiring, i ? nullptr : levels, room);
        kernels_.forward_rate(layers_[i]->wiring, in[i], room, learns);
        push(batch, *layers_[i], room);
        in.push_back({room.spikes.starts, room.spikes.places});
        share.counts[COUNTS * i] += room.spikes.starts[steps_];
        share.counts[COUNTS * i + 1] += room.active.starts[steps_];
        share.counts[COUNTS * i + 2] += room.rounded;
    }
    std::copy_n(work.rooms.back().state, work.scores.size(), work.scores.data());
    batch.losses[index] = score(batch, work, index);
    for (size_t i = layers_.size(); learns && i-- > 0;) {
        Room& room = work.rooms[i];
        const Wiring& wiring = layers_[i]->wiring;
        float* gradient = share.gradients[i].data();
        kernels_.backward_rate(wiring, in[i], room, gradient, i ? &work.rooms[i - 1].active : nullptr,
                               i ? &layers_[i - 1]->wiring : nullptr);
        kernels_.drive_back(wiring, i ? nullptr : levels, room, gradient, share.biases[i].data());
    }
}

// Whether the score `k` depends on the readout's potential in the step as such, not through later ones.
bool Network::counts_at(int32_t step, int32_t k, const Workspace& work) const {
    switch (layers_.back()->readout) {
        case Readout::drive: return step == steps_ - 1;
        case Readout::greatest: return step > 0 && work.when[static_cast<size_t>(k)] == step;
        default: return step > 0;
    }
}

// Cross-entropy of the scores, and its gradient by the readout's potentials as the active list of the readout.
double Network::score(const Batch& batch, Workspace& work, int64_t index) const {
    const Layer& layer = *layers_.back();
    const int32_t classes = layer.shape.outputs;
    const float* scores = work.scores.data();
    std::copy_n(scores, classes, batch.scores + index * classes);
    if (!batch.labels) return 0;
    const double factor = layer.neurons.factor;
    const double most = factor * *std::max_element(scores, scores + classes);
    double total = 0;
    for (int32_t k = 0; k < classes; ++k) total += std::exp(factor * scores[k] - most);
    const Active& active = work.rooms.back().active;
    int64_t count = 0;
    active.starts[0] = 0;
    for (int32_t t = 0; batch.gradients && t < steps_; ++t) {
        for (int32_t k = 0; k < classes; ++k) {
            if (!counts_at(t, k, work)) continue;
            const double share = std::exp(factor * scores[k] - most) / total - (k == batch.labels[index]);
            active.places[count] = k;
            active.values[count++] = static_cast<float>(factor * share / static_cast<double>(batch.size));
        }
        active.starts[t + 1] = count;
    }
    return std::log(total) - (factor * scores[batch.labels[index]] - most);
}

void Network::add_up(const Batch& batch, int64_t shares, int threads) const {
    for (size_t i = 0; i < layers_.size(); ++i) {
        std::vector<const float*> found, biases;
        for (int64_t s = 0; s < shares; ++s) {
            found.push_back(shares_[static_cast<size_t>(s)].gradients[i].data());
            biases.push_back(shares_[static_cast<size_t>(s)].biases[i].data());
        }
        const int64_t rows = layers_[i]->rows();
        const float gain = layers_[i]->neurons.gain;
        if (rates_) layers_[i]->unpack(biases, 1, batch.bias_gradients[i], 0, layers_[i]->wiring.positions);
        in_parallel((rows + ROWS - 1) / ROWS, threads, [&](Counter& next) {
            int64_t part;
            while (next.take(part))
                layers_[i]->unpack(found, gain, batch.gradients[i], part * ROWS, std::min(rows, (part + 1) * ROWS));
        });
    }
}

}  // namespace snncc::learn
