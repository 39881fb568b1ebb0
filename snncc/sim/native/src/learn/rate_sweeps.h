// The kernels of layers of the code `rate` (ir/SPEC.md, section 7). A spike arrives in the step in which it is sent, and
// what is constant in time comes to all neurons in every step, so that none may be left out.
#pragma once

#include "sweeps.h"

namespace snncc::learn {
namespace {

inline int places(const Wiring& w) { return w.positions * w.stride; }

inline float* at(const Wiring& w, float* values, int32_t position) {
    return values + static_cast<int64_t>(position) * w.stride;
}

inline void add_scaled(float* __restrict sums, const float* __restrict row, float factor, int count) {
    for (int i = 0; i < count; i += WIDTH) vector(sums + i) += factor * vector(row + i);
}

inline void copy_row(float* __restrict to, const float* __restrict from, int count) {
    for (int i = 0; i < count; i += WIDTH) vector(to + i) = vector(from + i);
}

// `action(target, level)` for all targets of levels that are not 0.
template <class Action>
inline void each_level(const Wiring& w, const float* levels, Action action) {
    for (int32_t place = 0; place < w.sources; ++place)
        if (levels[place] != 0)
            for (int64_t k = w.starts[place]; k < w.starts[place + 1]; ++k) action(w.targets[k], levels[place]);
}

inline void drive(const Wiring& w, const float* levels, Room& room) {
    copy_row(room.currents, w.rates.biases, places(w));
    if (levels)
        each_level(w, levels, [&](const Target& target, float level) {
            add_scaled(at(w, room.currents, target.position), row(w, target), level, w.stride);
        });
}

template <class Compare>
inline void fire_rate(const Wiring& w, Room& room, int32_t position, int64_t& spikes, int64_t& actives, bool record) {
    const int32_t first = position * w.stride;
    for (int c = 0; c < w.stride; c += WIDTH) {
        float* v = room.state + first + c;
        const Rates& r = w.rates;
        const uint32_t used = lanes_in_use(w.channels, c);
        room.rounded += __builtin_popcount(used & ~Compare::within(v, r.zeros + c, r.limits + c));
        for (uint32_t left = record ? used & Compare::within(v, r.thresholds + c, r.reaches + c) : 0; left;
             left &= left - 1) {
            const int l = __builtin_ctz(left);
            room.active.places[actives] = first + c + l;
            room.active.values[actives++] = (v[l] - r.thresholds[c + l]) * r.inverses[c + l];
        }
        for (uint32_t left = used & Compare::above(v, r.bounds + c); left; left &= left - 1) {
            const int l = __builtin_ctz(left);
            room.spikes.places[spikes++] = first + c + l;
            v[l] = w.to_zero ? 0 : v[l] - r.thresholds[c + l];
        }
    }
}

// V[t] = decay V[t-1] + currents + sum of the weights of the spikes of step t; V[t] is then reset where it fires.
template <class Compare>
void forward_rate(const Wiring& w, Events in, Room& room, bool record) {
    for (int32_t p = 0; p < w.positions; ++p) copy_row(at(w, room.state, p), w.rates.starts, w.stride);
    int64_t spikes = 0, actives = 0;
    room.rounded = 0;
    for (int32_t t = 0; t < w.steps; ++t) {
        room.spikes.starts[t] = spikes;
        room.active.starts[t] = actives;
        if (w.rates.decay != 1) scale_row(room.state, w.rates.decay, places(w));
        add_row(room.state, room.currents, places(w));
        each_target(w, in, t, [&](const Target& target) {
            add_row(at(w, room.state, target.position), row(w, target), w.stride);
        });
        for (int32_t p = 0; p < w.positions; ++p) fire_rate<Compare>(w, room, p, spikes, actives, record);
    }
    room.spikes.starts[w.steps] = spikes;
    room.active.starts[w.steps] = actives;
}

// The gradients by V of step t: those of step t + 1 through the decay and the reset, and those through its own spikes.
inline void join_rate(const Wiring& w, Room& room, int32_t t) {
    if (w.rates.decay != 1) scale_row(room.state, w.rates.decay, places(w));
    for (int64_t i = room.spikes.starts[t]; w.to_zero && i < room.spikes.starts[t + 1]; ++i)
        room.state[room.spikes.places[i]] = 0;
    for (int64_t i = room.active.starts[t]; i < room.active.starts[t + 1]; ++i) {
        if (room.active.values[i] == 0) continue;
        room.state[room.active.places[i]] += room.active.values[i];
        room.times[room.active.places[i] / w.stride] = 1;
    }
    for (int32_t p = 0; p < w.positions; ++p)
        if (room.times[p]) add_row(at(w, room.sums, p), at(w, room.state, p), w.stride);
}

// The gradient by the spike of a place of the source.
inline float by_spike(const Wiring& w, const Room& room, int32_t place) {
    float sum = 0;
    for (int64_t k = w.starts[place]; k < w.starts[place + 1]; ++k)
        if (room.times[w.targets[k].position])
            sum += dot(row(w, w.targets[k]), at(w, room.state, w.targets[k].position), w.stride);
    return sum;
}

// An active neuron's share of the threshold becomes the gradient by its V through its spike.
inline void through_spikes(const Wiring& w, const Room& room, int32_t t, const Active& below, const Wiring& source) {
    for (int64_t i = below.starts[t]; i < below.starts[t + 1]; ++i) {
        const int32_t place = below.places[i];
        const float inverse = source.rates.inverses[place % source.stride];
        const float found = by_spike(w, room, place) + pushed(below, place);
        below.values[i] = through(found * inverse, below.values[i], source.slope);
    }
}

// `times` says of a position whether anything has come back to it; `source` is the wiring of the layer below.
inline void backward_rate(const Wiring& w, Events in, Room& room, float* gradient, const Active* below,
                          const Wiring* source) {
    clear_row(room.state, places(w));
    clear_row(room.sums, places(w));
    for (int32_t p = 0; p < w.positions; ++p) room.times[p] = 0;
    for (int32_t t = w.steps - 1; t >= 0; --t) {
        join_rate(w, room, t);
        each_target(w, in, t, [&](const Target& target) {
            if (room.times[target.position])
                add_row(gradient + static_cast<int64_t>(target.row) * w.stride, at(w, room.state, target.position), w.stride);
        });
        if (below) through_spikes(w, room, t, *below, *source);
    }
}

inline void drive_back(const Wiring& w, const float* levels, Room& room, float* gradient, float* biases) {
    add_row(biases, room.sums, places(w));
    if (levels)
        each_level(w, levels, [&](const Target& target, float level) {
            add_scaled(gradient + static_cast<int64_t>(target.row) * w.stride, at(w, room.sums, target.position), level,
                       w.stride);
        });
}

}  // namespace
}  // namespace snncc::learn
