// Streaming codes: the maps are the steps of one image, run in chunks; map 0 is the last step of the chunk before.
#pragma once

#include <atomic>

#include "layer.h"

namespace snncc {

// Neurons that step: `advance` takes consecutive maps.
class Stepping {
  public:
    virtual ~Stepping() = default;
    virtual void start(Context&) const = 0;
    virtual void advance(Context&, int map, int count, int32_t place, const Block&, Arriving) const = 0;
    virtual void finish(Context&) const {}
};

// Which of two ways to run a layer takes less time. Both give the same integers. Each is tried a few times, the faster
// one is taken for the runs that follow, and then both are tried again: images may differ. Which comes first alternates,
// for the runs of an image do too: its later chunk may have few steps.
class Trials {
  public:
    struct Run {
        bool second, timed, anew;
    };
    Run next() {
        const int64_t number = runs_++ % PERIOD;
        if (number >= 2 * TRIES) return {best_[1] < best_[0], false, false};
        return {(number + 1) / 2 % 2 == 1, true, number < 2};
    }
    void took(const Run& run, int64_t time) {
        std::atomic<int64_t>& best = best_[run.second];
        if (run.anew || time < best) best = time;
    }

  private:
    static constexpr int64_t TRIES = 3, PERIOD = 512;
    std::atomic<int64_t> runs_{0};
    std::atomic<int64_t> best_[2] = {};
};

// A layer whose neurons step. `delay` 0: they read the maps of their own step, 1: those of the step before.
class StreamLayer : public Operation {
  public:
    StreamLayer(std::unique_ptr<Layer> layer, std::vector<std::unique_ptr<Term>> lasting, int delay,
                std::unique_ptr<Stepping> neurons, int gathered);
    void run(Context&) const override;
    void finish(Context&) const override;

  private:
    struct Steps {
        int map, count;
        int32_t place;
        bool followed;
    };
    void run(Context&, bool followed) const;
    void arriving_always(Context&, const Block&, int32_t first, int count, uint32_t* constant) const;
    void step(Context&, const Band&, const Steps&, const uint32_t* constant) const;
    const std::unique_ptr<Layer> layer_;
    const std::vector<std::unique_ptr<Term>> lasting_;  // their sources are the same in every step: map 1
    const int delay_;
    const std::unique_ptr<Stepping> neurons_;
    bool follows_ = false;   // some term can
    std::vector<Band> single_, wide_;
    mutable Trials trials_;  // first: all codes are multiplied, second: spikes are followed
};

struct StreamTarget {
    int buffer;
    std::vector<int32_t> places;
    int state;  // v, then the spikes' sums, then u if there is one: [2 or 3][positions][blocks * BLOCK]
    int slot;   // where those sums go at an image's end
};

std::unique_ptr<Stepping> make_rate(const Layer&, StreamTarget, Classes, const int64_t* theta, const int64_t* offsets,
                                    bool with_negative, bool hard);
// Decays and the threshold of leaky neurons, as the IR has them (ir/SPEC.md, section 7).
struct Leak {
    int32_t du, dv;
    int64_t vth;
    bool remembers() const { return du < 4095; }  // there is a u from step to step
};
std::unique_ptr<Stepping> make_leaky(const Layer&, StreamTarget, Classes, const int64_t* offsets, const Leak&);
std::unique_ptr<Stepping> make_stbif(const Layer&, StreamTarget, Classes, const int64_t* theta, const int64_t* start,
                                     int32_t lo, int32_t hi);
std::unique_ptr<Stepping> make_stbif_table(const Layer&, StreamTarget, Classes, const int64_t* breakpoints, int32_t lo,
                                           int32_t span);
// The drive after every step; `every_step`: biases are added in each, else once.
std::unique_ptr<Stepping> make_stream_readout(const Layer&, Classes, const int64_t* offsets, bool every_step, int state,
                                              int slot);

// An image's codes: in map 1 of every chunk if `lasting`, else in step 0 alone, with silence after it.
std::unique_ptr<Operation> make_stream_input(const Geometry&, int buffer, int slot, bool lasting);

// The greatest running sum of each window, minus what the pool has sent.
std::unique_ptr<Operation> make_stream_pool(const Geometry& from, const Geometry& to, int source, int destination,
                                            const PoolShape&, int state);
int64_t stream_pool_state(const Geometry& from, const Geometry& to);

}  // namespace snncc
