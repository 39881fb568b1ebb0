// One image on its way through one layer, forward and back; once per instruction set, with the same bits.
//
// A place is a neuron of a map, position * stride + channel, where the stride is the number of channels rounded up
// to whole vectors. Weights are rows of that width: a spike adds the row of each of its targets.
#pragma once

#include <cstdint>

namespace snncc::learn {

constexpr int WIDTH = 16;  // floats of a vector

struct Target {
    int32_t position, row;
};

// Spikes of step t: places[starts[t] - starts[0]] up to places[starts[t + 1] - starts[0]].
struct Events {
    const int64_t* starts;
    const int32_t* places;
};

struct Spikes {
    int64_t* starts;  // [steps + 1], from 0
    int32_t* places;
};

// Neurons near their threshold. Going forward a value is V - threshold (code `rate`: a share of the threshold); going back it is the loss's gradient by V
// through the spike of this step alone.
struct Active {
    int64_t* starts;
    int32_t* places;
    float* values;
    const float* push;  // by place: gradients of a penalty by each spike; or null
};

// Of a layer of the code `rate` (ir/SPEC.md, section 7), by channel.
struct Rates {
    const float* starts;      // potentials before the first step
    const float* thresholds;
    const float* bounds;      // a neuron fires above it: the number below the threshold
    const float* reaches;     // of the band of active neurons, half
    const float* inverses;    // of the thresholds
    const float* limits;      // float32 holds all sums of integers whose result is nearer to 0
    const float* zeros;
    const float* biases;      // [positions][stride]
    float decay;
};

// What does not change while images run.
struct Wiring {
    int32_t steps, positions, channels, stride;
    int32_t sources;         // places of the source
    const int64_t* starts;   // per place of the source: its targets
    const Target* targets;
    const float* weights;    // [rows][stride]
    const float* powers;     // decay^k, k < steps
    float threshold, band, slope;
    float quiet;             // a neuron at or below this is not active, nor will be without input
    bool restless;           // neurons are active even at 0
    bool to_zero;            // reset
    Rates rates;
};

// Room for one image in one layer.
struct Room {
    float* state;       // [positions][stride] potentials, or gradients by them
    int32_t* times;     // per position: the step that its state is of
    int32_t* listed[2]; // [positions] each
    Spikes spikes;
    Active active;
    float* currents;    // [positions][stride] what comes in every step, code `rate`
    float* sums;        // [positions][stride] gradients by that
    int64_t rounded;    // potentials beyond their limit
    float* push;        // [positions][stride] room for that of `active`
};

struct Kernels {
    void (*forward)(const Wiring&, Events in, Room&, bool record);
    // Scores of a readout. `greatest`: the maximum over time, and in `when` its step; else the sum.
    void (*read)(const Wiring&, Events in, Room&, bool greatest, float* scores, int32_t* when);
    // Adds the gradient by the weights; `below` (or none) gets that of the source's neurons.
    void (*backward)(const Wiring&, Events in, Room&, float* gradient, const Active* below, float below_slope);
    // The same of the code `rate`: biases and, if there are any, levels that come anew in every step.
    void (*drive)(const Wiring&, const float* levels, Room&);
    void (*forward_rate)(const Wiring&, Events in, Room&, bool record);
    void (*backward_rate)(const Wiring&, Events in, Room&, float* gradient, const Active* below, const Wiring* source);
    void (*drive_back)(const Wiring&, const float* levels, Room&, float* gradient, float* biases);
    void (*add)(float* sums, const float* rows, int64_t count);
    void (*adam)(float* weights, float* first, float* second, const float* gradient, int64_t count,
                 const struct AdamStep&);
};

// One step of Adam (Kingma and Ba 2015, algorithm 1); `first_share` is 1 - first_decay^n, `second_share` likewise.
struct AdamStep {
    float rate, first_decay, second_decay, first_share, second_share, least;
};

extern const Kernels BASELINE;
#if defined(SNNCC_X86)
extern const Kernels AVX2;
extern const Kernels AVX512;
#endif

}  // namespace snncc::learn
