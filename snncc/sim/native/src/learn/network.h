// A network of spiking layers and the gradients of its loss. Everything that comes from outside is checked here, so
// that the kernels need no checks.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <vector>

#include "../program.h"
#include "kernels.h"

namespace snncc::learn {

constexpr int64_t MOST_NUMBERS = int64_t{1} << 28;
constexpr int MOST_SHARES = 8;       // of a batch, each with its own sums: the most threads that are of use
constexpr int64_t SHARE = 16;        // images of a share at least
constexpr int COUNTS = 3;            // of a layer: spikes, active neurons, potentials beyond exact integers

// A convolution over what the layer below sends; a dense layer is one whose kernel is the whole map.
struct Shape {
    int32_t channels, height, width;
    int32_t outputs, output_height, output_width;
    int32_t kernel_height, kernel_width, stride_height, stride_width, pad_top, pad_left;
};

// `factor` times the scores of a readout are what its loss is of.
struct Neurons {
    float decay, gain, threshold, band, slope, factor;
    int32_t to_zero;
};

// `drive`: the sum of what a readout of the code `rate` receives.
enum class Readout { none, greatest, sum, drive };

// Of a layer of the code `rate`; a readout has biases alone.
struct Potentials {
    const float* biases;      // [positions][outputs]
    const float* thresholds;  // [outputs]
    const float* starts;      // [outputs] potentials before the first step
};

// Of a layer of n neurons that send N_j spikes for an image:
// upper * max(0, sum N_j / n - most) + lower / n * sum max(0, least - N_j)^2.
struct Penalty {
    float upper, most, lower, least;
};

// The caller's arrays for one batch; gradients are null where only the scores are wanted.
struct Batch {
    const float* const* weights;
    float* const* gradients;
    const int64_t* starts;  // [images][steps + 1]
    const int32_t* places;
    int64_t image_count, place_count;
    const int64_t* chosen;
    const int32_t* labels;
    int64_t size;
    float* scores;    // [size][classes]
    double* losses;   // [size]
    int64_t* counts;  // [layers][COUNTS]
    // For the code `rate`. Instead of spikes an image may send `levels[size][inputs]` in every step.
    const float* levels;
    const Potentials* potentials;  // [layers]
    float* const* bias_gradients;  // [layers] of [positions][outputs]
    const Penalty* penalty;        // or null
};

class Layer {
  public:
    Layer(const Shape&, const Neurons&, int32_t source_stride, int32_t steps, Readout, bool rates);
    const Shape shape;
    const Neurons neurons;
    const Readout readout;
    int64_t rows() const { return int64_t{shape.kernel_height} * shape.kernel_width * shape.channels; }
    int64_t places() const { return int64_t{wiring.positions} * wiring.stride; }
    int64_t padded() const { return rows() * wiring.stride; }
    void pack(const float* weights);  // [rows][outputs] as the caller has them
    // For the code `rate`; nothing that comes in is greater than `greatest`.
    void pack(const Potentials&, float greatest);
    // What the shares found, times `factor`, added up in their order; rows from `first` up to `last`.
    void unpack(const std::vector<const float*>& shares, float factor, float* gradient, int64_t first,
                int64_t last) const;
    Wiring wiring{};

  private:
    void connect(int32_t source_stride);
    float* rate(int which) { return rates_.data() + which * wiring.stride; }
    std::vector<int64_t> starts_;
    std::vector<Target> targets_;
    std::vector<float> powers_;
    Aligned<float> weights_;
    Aligned<float> rates_, biases_;
};

// Room for one image in all layers. Memory that is never written is never taken.
class Workspace {
  public:
    Workspace(const std::vector<std::unique_ptr<Layer>>&, bool rates);
    std::vector<Room> rooms;
    std::vector<int32_t> when;
    Aligned<float> scores;

  private:
    struct Memory {
        Aligned<float> state, currents, sums, push;
        std::unique_ptr<int32_t[]> times, spike_places, active_places;
        std::array<std::unique_ptr<int32_t[]>, 2> listed;
        std::unique_ptr<int64_t[]> spike_starts, active_starts;
        std::unique_ptr<float[]> values;
    };
    std::vector<Memory> memory_;
};

// One call of `run` at a time.
class Network {
  public:
    Network(const Kernels& kernels, int32_t steps, int32_t inputs, bool rates);
    void add(const Shape&, const Neurons&, Readout);
    void run(const Batch&, int threads);

  private:
    struct Share {
        std::vector<Aligned<float>> gradients, biases;
        std::vector<int64_t> counts;
    };
    void check(const Batch&, int threads) const;
    void check_trains(const Batch&) const;
    float greatest_level(const Batch&) const;
    void pack(const Batch&);
    void run_share(const Batch&, Share&, int64_t first, int64_t last);
    void clear(Share&) const;
    void run_image(const Batch&, Share&, Workspace&, int64_t index) const;
    void run_rates(const Batch&, Share&, Workspace&, int64_t index) const;
    bool counts_at(int32_t step, int32_t score, const Workspace&) const;
    double score(const Batch&, Workspace&, int64_t index) const;
    void add_up(const Batch&, int64_t shares, int threads) const;
    std::unique_ptr<Workspace> take_workspace();

    const Kernels& kernels_;
    const int32_t steps_, inputs_;
    const bool rates_;
    const std::vector<int64_t> silence_;  // starts of a train without spikes
    std::vector<std::unique_ptr<Layer>> layers_;
    std::vector<Share> shares_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Workspace>> idle_;
};

const Kernels& kernels_of(const char* name);

}  // namespace snncc::learn
