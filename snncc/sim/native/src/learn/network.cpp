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

Network::Network(const Kernels& kernels, int32_t steps, int32_t inputs)
    : kernels_(kernels), steps_(steps), inputs_(inputs) {
    require(steps > 0 && steps <= 65536, "steps out of range");
    require(inputs > 0 && inputs <= MOST_NUMBERS, "inputs out of range");
}

void Network::add(const Shape& shape, const Neurons& neurons, Readout readout) {
    require(layers_.empty() || layers_.back()->readout == Readout::none, "a layer after the readout");
    const int64_t values = int64_t{shape.channels} * shape.height * shape.width;
    if (layers_.empty()) {
        require(values == inputs_, "the first layer reads another number of inputs");
    } else {
        const Shape& below = layers_.back()->shape;
        require(shape.channels == below.outputs && shape.height == below.output_height &&
                    shape.width == below.output_width, "a layer reads another shape than the one below sends");
    }
    const int32_t stride = layers_.empty() ? shape.channels : layers_.back()->wiring.stride;
    layers_.push_back(std::make_unique<Layer>(shape, neurons, stride, steps_, readout));
}

void Network::check(const Batch& b, int threads) const {
    require(!layers_.empty() && layers_.back()->readout != Readout::none, "a network without a readout");
    require(b.size > 0 && threads > 0, "nothing to run, or nothing to run it on");
    const int32_t classes = layers_.back()->shape.outputs;
    for (int64_t i = 0; i < b.size; ++i) {
        require(b.chosen[i] >= 0 && b.chosen[i] < b.image_count, "there is no such image");
        require(b.labels == nullptr || (b.labels[i] >= 0 && b.labels[i] < classes), "a label is out of range");
        const int64_t* starts = b.starts + b.chosen[i] * (steps_ + 1);
        require(starts[0] >= 0 && starts[steps_] <= b.place_count, "spikes outside their array");
        for (int32_t t = 0; t < steps_; ++t) require(starts[t] <= starts[t + 1], "spikes out of order");
        for (int64_t k = starts[0]; k < starts[steps_]; ++k)
            require(b.places[k] >= 0 && b.places[k] < inputs_, "a spike of no input");
    }
    require(b.gradients == nullptr || b.labels != nullptr, "gradients need labels");
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
    return std::make_unique<Workspace>(layers_);
}

void Network::run(const Batch& batch, int threads) {
    check(batch, threads);
    for (size_t i = 0; i < layers_.size(); ++i) layers_[i]->pack(batch.weights[i]);
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
    std::fill(batch.counts, batch.counts + 2 * layers_.size(), 0);
    for (int64_t s = 0; s < shares; ++s)
        for (size_t i = 0; i < 2 * layers_.size(); ++i) batch.counts[i] += shares_[static_cast<size_t>(s)].counts[i];
    if (batch.gradients) add_up(batch, shares, threads);
}

void Network::run_share(const Batch& batch, Share& share, int64_t first, int64_t last) {
    share.counts.assign(2 * layers_.size(), 0);
    for (size_t i = 0; batch.gradients && i < layers_.size(); ++i) {
        if (share.gradients.size() == i) share.gradients.emplace_back(static_cast<size_t>(layers_[i]->padded()), 0.0f);
        std::fill_n(share.gradients[i].data(), layers_[i]->padded(), 0.0f);
    }
    auto workspace = take_workspace();
    for (int64_t index = first; index < last; ++index) run_image(batch, share, *workspace, index);
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
        in.push_back({room.spikes.starts, room.spikes.places});
        share.counts[2 * i] += room.spikes.starts[steps_];
        share.counts[2 * i + 1] += room.active.starts[steps_];
    }
    const bool greatest = layers_[last]->readout == Readout::greatest;
    kernels_.read(layers_[last]->wiring, in[last], work.rooms[last], greatest, work.scores.data(), work.when.data());
    batch.losses[index] = score(batch, work, index);
    for (size_t i = last + 1; learns && i-- > 0;)
        kernels_.backward(layers_[i]->wiring, in[i], work.rooms[i], share.gradients[i].data(),
                          i ? &work.rooms[i - 1].active : nullptr, i ? layers_[i - 1]->wiring.slope : 0.0f);
}

// Cross-entropy of the scores, and its gradient by the readout's potentials as the active list of the readout.
double Network::score(const Batch& batch, Workspace& work, int64_t index) const {
    const Layer& layer = *layers_.back();
    const int32_t classes = layer.shape.outputs;
    const float* scores = work.scores.data();
    std::copy_n(scores, classes, batch.scores + index * classes);
    if (!batch.labels) return 0;
    const double most = *std::max_element(scores, scores + classes);
    double total = 0;
    for (int32_t k = 0; k < classes; ++k) total += std::exp(scores[k] - most);
    const Active& active = work.rooms.back().active;
    int64_t count = 0;
    active.starts[0] = 0;
    for (int32_t t = 0; batch.gradients && t < steps_; ++t) {
        for (int32_t k = 0; t > 0 && k < classes; ++k) {
            if (layer.readout == Readout::greatest && work.when[static_cast<size_t>(k)] != t) continue;
            const double share = std::exp(scores[k] - most) / total - (k == batch.labels[index]);
            active.places[count] = k;
            active.values[count++] = static_cast<float>(share / static_cast<double>(batch.size));
        }
        active.starts[t + 1] = count;
    }
    return std::log(total) - (scores[batch.labels[index]] - most);
}

void Network::add_up(const Batch& batch, int64_t shares, int threads) const {
    for (size_t i = 0; i < layers_.size(); ++i) {
        std::vector<const float*> found;
        for (int64_t s = 0; s < shares; ++s) found.push_back(shares_[static_cast<size_t>(s)].gradients[i].data());
        const int64_t rows = layers_[i]->rows();
        in_parallel((rows + ROWS - 1) / ROWS, threads, [&](Counter& next) {
            int64_t part;
            while (next.take(part))
                layers_[i]->unpack(found, batch.gradients[i], part * ROWS, std::min(rows, (part + 1) * ROWS));
        });
    }
}

}  // namespace snncc::learn
