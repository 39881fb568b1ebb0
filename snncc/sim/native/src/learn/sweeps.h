// The kernels, for a set of `Compare` functions. Everything has internal linkage: each instruction set compiles its own.
// Sums have a fixed order and no multiplication is fused with an addition, so that all of them give the same bits.
#pragma once

#include "kernels.h"

namespace snncc::learn {
namespace {

typedef float Vector __attribute__((vector_size(4 * WIDTH), may_alias));

inline Vector& vector(float* at) { return *reinterpret_cast<Vector*>(at); }
inline const Vector& vector(const float* at) { return *reinterpret_cast<const Vector*>(at); }

inline void add_row(float* __restrict sums, const float* __restrict row, int64_t count) {
    for (int64_t i = 0; i < count; i += WIDTH) vector(sums + i) += vector(row + i);
}

inline void scale_row(float* row, float factor, int count) {
    for (int i = 0; i < count; i += WIDTH) vector(row + i) *= factor;
}

inline void clear_row(float* row, int count) {
    for (int i = 0; i < count; i += WIDTH) vector(row + i) = Vector{};
}

// Two running sums of vectors, which are folded at the end.
inline float dot(const float* a, const float* b, int count) {
    Vector even{}, odd{};
    int i = 0;
    for (; i + WIDTH < count; i += 2 * WIDTH) {
        even += vector(a + i) * vector(b + i);
        odd += vector(a + i + WIDTH) * vector(b + i + WIDTH);
    }
    if (i < count) even += vector(a + i) * vector(b + i);
    even += odd;
    alignas(4 * WIDTH) float lanes[WIDTH];
    vector(lanes) = even;
    for (int half = WIDTH / 2; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    return lanes[0];
}

inline uint32_t lanes_in_use(int channels, int first) {
    return channels - first >= WIDTH ? 0xFFFFu : (1u << (channels - first)) - 1;
}

// A position's state as it is at step `to` without input; times only differ by less than `steps`.
inline float* bring(const Wiring& w, Room& room, int32_t position, int32_t to) {
    float* state = room.state + static_cast<int64_t>(position) * w.stride;
    const int32_t passed = to > room.times[position] ? to - room.times[position] : room.times[position] - to;
    if (passed) scale_row(state, w.powers[passed], w.stride);
    room.times[position] = to;
    return state;
}

// Spikes and active neurons of a position at a step; whether it may have some in the next one without input.
template <class Compare>
inline bool fire(const Wiring& w, Room& room, int32_t position, int64_t& spikes, int64_t& actives, bool record) {
    const int32_t first = position * w.stride;
    bool loud = w.restless;
    for (int c = 0; c < w.stride; c += WIDTH) {
        float* v = room.state + first + c;
        uint32_t near = Compare::above(v, w.quiet) & lanes_in_use(w.channels, c);
        if (w.restless) near = lanes_in_use(w.channels, c);
        if (!near) continue;
        loud = true;
        for (uint32_t left = record ? near & Compare::within(v, w.threshold, w.band) : 0; left; left &= left - 1) {
            const int l = __builtin_ctz(left);
            room.active.places[actives] = first + c + l;
            room.active.values[actives++] = v[l] - w.threshold;
        }
        for (uint32_t left = near & Compare::above(v, w.threshold); left; left &= left - 1) {
            const int l = __builtin_ctz(left);
            room.spikes.places[spikes++] = first + c + l;
            if (w.to_zero) v[l] = 0;
        }
    }
    return loud;
}

inline const float* row(const Wiring& w, const Target& target) {
    return w.weights + static_cast<int64_t>(target.row) * w.stride;
}

// `action(target)` for all targets of the spikes of a step.
template <class Action>
inline void each_target(const Wiring& w, Events in, int32_t step, Action action) {
    const int64_t end = in.starts[step + 1] - in.starts[0];
    for (int64_t i = in.starts[step] - in.starts[0]; i < end; ++i)
        for (int64_t k = w.starts[in.places[i]]; k < w.starts[in.places[i] + 1]; ++k) action(w.targets[k]);
}

// V[t] = decay V[t-1] - threshold S[t-1] + sum of the weights of the spikes of step t-1, where something happens.
template <class Compare>
void forward(const Wiring& w, Events in, Room& room, bool record) {
    clear_row(room.state, w.positions * w.stride);
    int32_t *now = room.listed[0], *next = room.listed[1], count = 0;
    for (int32_t p = 0; p < w.positions; ++p) {
        room.times[p] = 0;
        if (w.restless) now[count++] = p;
    }
    int64_t spikes = 0, actives = 0;
    room.spikes.starts[0] = room.active.starts[0] = 0;
    for (int32_t t = 1;; ++t) {
        room.spikes.starts[t] = spikes;
        room.active.starts[t] = actives;
        if (t == w.steps) return;
        for (int32_t i = 0; i < count; ++i) bring(w, room, now[i], t);
        for (int64_t i = room.spikes.starts[t - 1]; !w.to_zero && i < spikes; ++i)
            room.state[room.spikes.places[i]] -= w.threshold;
        each_target(w, in, t - 1, [&](const Target& target) {
            if (room.times[target.position] != t) now[count++] = target.position;
            add_row(bring(w, room, target.position, t), row(w, target), w.stride);
        });
        int32_t loud = 0;
        for (int32_t i = 0; i < count; ++i)
            if (fire<Compare>(w, room, now[i], spikes, actives, record)) next[loud++] = now[i];
        count = loud;
        int32_t* done = now;
        now = next;
        next = done;
    }
}

inline void read(const Wiring& w, Events in, Room& room, bool greatest, float* scores, int32_t* when) {
    float* u = room.state;
    clear_row(u, w.stride);
    clear_row(scores, w.stride);
    for (int c = 0; c < w.stride; ++c) when[c] = 0;
    for (int32_t t = 1; t < w.steps; ++t) {
        scale_row(u, w.powers[1], w.stride);
        each_target(w, in, t - 1, [&](const Target& target) { add_row(u, row(w, target), w.stride); });
        if (!greatest) {
            add_row(scores, u, w.stride);
            continue;
        }
        for (int c = 0; c < w.stride; ++c) {
            const bool better = u[c] > scores[c];
            scores[c] = better ? u[c] : scores[c];
            when[c] = better ? t : when[c];
        }
    }
}

// A step's gradients by V through its own spikes join those that come from later steps.
inline void join(const Wiring& w, Room& room, int32_t t) {
    for (int64_t i = room.spikes.starts[t]; w.to_zero && i < room.spikes.starts[t + 1]; ++i)
        room.state[room.spikes.places[i]] = 0;
    for (int64_t i = room.active.starts[t]; i < room.active.starts[t + 1]; ++i) {
        if (room.active.values[i] == 0) continue;
        const int32_t place = room.active.places[i], p = w.positions == 1 ? 0 : place / w.stride;
        if (room.times[p] < 0) {
            clear_row(room.state + static_cast<int64_t>(p) * w.stride, w.stride);
            room.times[p] = t;
        }
        bring(w, room, p, t)[place - p * w.stride] += room.active.values[i];
    }
}

// The gradient by V through a spike, for the one by the spike.
inline float through(float by_spike, float x, float slope) {
    const float root = slope * (x < 0 ? -x : x) + 1;
    return by_spike / (root * root);
}

inline float pushed(const Active& active, int32_t place) { return active.push ? active.push[place] : 0; }

// The gradient by a spike of step t-1 of the layer below.
inline float passed_down(const Wiring& w, Room& room, int32_t t, int32_t place) {
    float sum = 0;
    for (int64_t k = w.starts[place]; k < w.starts[place + 1]; ++k)
        if (room.times[w.targets[k].position] > 0)
            sum += dot(row(w, w.targets[k]), bring(w, room, w.targets[k].position, t), w.stride);
    return sum;
}

inline void backward(const Wiring& w, Events in, Room& room, float* gradient, const Active* below, float below_slope) {
    for (int32_t p = 0; p < w.positions; ++p) room.times[p] = -1;  // nothing has come back to it yet
    for (int64_t i = below ? below->starts[w.steps - 1] : 0; below && i < below->starts[w.steps]; ++i)
        // nobody has received the last step's spikes
        below->values[i] = through(pushed(*below, below->places[i]), below->values[i], below_slope);
    for (int32_t t = w.steps - 1; t > 0; --t) {
        join(w, room, t);
        each_target(w, in, t - 1, [&](const Target& target) {
            if (room.times[target.position] > 0)
                add_row(gradient + static_cast<int64_t>(target.row) * w.stride, bring(w, room, target.position, t), w.stride);
        });
        for (int64_t i = below ? below->starts[t - 1] : 0; below && i < below->starts[t]; ++i)
            below->values[i] = through(passed_down(w, room, t, below->places[i]) + pushed(*below, below->places[i]),
                                       below->values[i], below_slope);
    }
}

inline void adam(float* weights, float* first, float* second, const float* gradient, int64_t count,
                 const AdamStep& s) {
    for (int64_t i = 0; i < count; ++i) {
        first[i] = s.first_decay * first[i] + (1 - s.first_decay) * gradient[i];
        second[i] = s.second_decay * second[i] + (1 - s.second_decay) * gradient[i] * gradient[i];
        weights[i] -= s.rate * (first[i] / s.first_share) / (__builtin_sqrtf(second[i] / s.second_share) + s.least);
    }
}

}  // namespace
}  // namespace snncc::learn
